//! Symbols of shapes: bound by name, refused without a value.

use std::collections::BTreeMap;

use ledg_tract::{GraphOptions, model_graph, plan_graph};
use tract_core::internal::*;
use tract_core::ops::einsum::EinSum;

/// (S, 8) times (8, 4).
fn symbolic() -> TypedModel {
    let mut model = TypedModel::default();
    let s = model.symbols.sym("S");
    let x = model.add_source("x", f32::fact([s.to_dim(), 8.to_dim()])).unwrap();
    let numbers: Vec<f32> = (0..32).map(|i| i as f32).collect();
    let w = model.add_const("w", Tensor::from_shape(&[8, 4], &numbers).unwrap()).unwrap();
    let axes: AxesMapping = "mk,kn->mn".parse().unwrap();
    let y = model.wire_node("y", EinSum::new(axes, f32::datum_type()), &[x, w]).unwrap();
    model.select_output_outlets(&y).unwrap();
    model
}

fn bound(name: &str, value: i64) -> GraphOptions<'static> {
    GraphOptions { symbols: BTreeMap::from([(name.to_owned(), value)]), ..GraphOptions::default() }
}

#[test]
fn a_symbol_without_a_value_is_refused_by_node() {
    let error = model_graph(&symbolic(), &GraphOptions::default()).expect_err("unbound").to_string();
    assert!(error.starts_with("tract: node `x`: its shape"), "{error}");
    let error = model_graph(&symbolic(), &bound("T", 3)).expect_err("no such symbol").to_string();
    assert_eq!(error, "tract: there is no symbol `T` to bind");
}

#[test]
fn a_bound_symbol_gives_the_sizes_at_every_stage() {
    let model = symbolic();
    let plan = TypedSimplePlan::new(model.clone().into_optimized().unwrap()).unwrap();
    let graphs = [model_graph(&model, &bound("S", 5)).unwrap(), plan_graph(&plan, &bound("S", 5)).unwrap()];
    for graph in graphs {
        let described = super::described(&graph);
        let products: Vec<_> = described.nodes.iter().filter(|n| n.macs > 0.0).collect();
        assert_eq!(products.len(), 1);
        let dims = products[0].dims;
        assert_eq!((dims.m, dims.n, dims.k, dims.matmuls), (5.0, 4.0, 8.0, 1.0));
    }
}
