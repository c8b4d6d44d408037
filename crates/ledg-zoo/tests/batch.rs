//! Rescaling a network gives what building it at that batch size gives.

use std::collections::BTreeMap;

use ledg_graph::{Attrs, ConstData, Graph, Shape, ValueId, ValueKind};
use ledg_zoo::{ZooConfig, build, names};

/// A value without its name, which constants do not keep.
type Operand<'g> = (ValueKind, &'g Option<Shape>, &'g Option<ConstData>);

/// All that a node is, but for the names of its values.
type Described<'g> = (String, &'g Attrs, Vec<Option<Operand<'g>>>, Vec<Operand<'g>>);

fn nodes(graph: &Graph) -> BTreeMap<&str, Described<'_>> {
    let operand = |v: ValueId| (graph.value(v).kind, &graph.value(v).shape, &graph.value(v).data);
    let described = graph.nodes().iter().map(|n| {
        let inputs = n.inputs.iter().map(|v| v.map(operand)).collect();
        let outputs = n.outputs.iter().map(|&v| operand(v)).collect();
        (n.name.as_str(), (n.op.to_string(), &n.attrs, inputs, outputs))
    });
    described.collect()
}

fn shapes(graph: &Graph) -> BTreeMap<&str, &Option<Shape>> {
    let lasting = graph.values().iter().filter(|v| v.kind != ValueKind::Constant);
    lasting.map(|v| (v.name.as_str(), &v.shape)).collect()
}

#[test]
fn rescaling_gives_what_building_at_that_batch_gives() {
    for name in names() {
        let at = |batch| build(name, &ZooConfig { batch, ..ZooConfig::default() }).unwrap();
        let (one, four) = (at(1), at(4));
        for (found, built) in [(one.rescale_batch(4).unwrap(), &four), (four.rescale_batch(1).unwrap(), &one)] {
            assert_eq!(shapes(&found), shapes(built), "{name}");
            let (found, built) = (nodes(&found), nodes(built));
            assert_eq!(found.len(), built.len(), "{name}");
            // One at a time: a message with all nodes is unreadable.
            for (node, found) in &found {
                assert_eq!(found, &built[node], "{name}: {node}");
            }
        }
    }
}
