//! What a node of tract's is called in a graph, and what its attributes state: see `configs/templates/tract.toml`.

use ledg_graph::{Attr, Attrs};
use tract_core::internal::*;
use tract_core::ops::array::{Gather, Pad, PadMode, Topk, TypedConcat};
use tract_core::ops::binary::OptBinChain;
use tract_core::ops::cnn::{Conv, MaxPool, OptMaxPool, OptSumPool, PoolSpec, SumPool};
use tract_core::ops::einsum::EinSum;
use tract_core::ops::gru_seq::GruSeq;
use tract_core::ops::matmul::optimized::{OptMatMul, ProtoFusedSpec};
use tract_core::ops::nn::{Reduce, RmsNorm, ScaledRmsNorm, Softmax};
use tract_core::ops::scan::{OptScan, Scan};
use tract_linalg::BinOp;

use crate::convert::Described;
use crate::error::Result;
use crate::facts::{Facts, one_number};
use crate::origin::Origins;
use crate::product::{Product, Window, product, state};

/// Describes a node.
pub(crate) fn describe(facts: &Facts<'_>, origins: &Origins, node: &TypedNode) -> Result<Described> {
    let inputs = facts.inputs(node)?;
    let mut attrs = Attrs::new();
    let mut op = word(&node.op.name());
    if let Some(own) = product(facts, node) {
        let origin = origins.of(facts.model, node, own.macs());
        let found = origin.cloned().unwrap_or(own);
        if let (Some(window), "OptMatMul" | "EinSum" | "EinSumMatMul") = (&found.window, op.as_str()) {
            op.push_str(if window.transposed { "OfDeconv" } else { "OfConv" });
        }
        found.state(&mut attrs);
        if let Some(product) = node.op_as::<OptMatMul>() {
            optimised(facts, node, product, &found, &mut attrs)?;
        } else if has_bias(node, &inputs) {
            state(&mut attrs, &[("riders", 1)]);
        }
    } else if let Some(spec) = pool_spec(node) {
        pool(facts, node, spec, inputs.first().copied(), &mut attrs);
    } else if let Some((steps, body)) = scanned(facts, node, &inputs) {
        scan(facts, body, steps, &mut attrs);
    } else if let Some(gru) = node.op_as::<GruSeq>() {
        recurrence(facts, gru, &inputs, &mut attrs);
    } else {
        op = other(node, &inputs, op, facts, &mut attrs);
    }
    Ok(Described { op, attrs })
}

/// Whether a convolution adds something that is not zero: its third operand, unless that is a quantised one's.
fn has_bias(node: &TypedNode, inputs: &[&TypedFact]) -> bool {
    let quantised = node.op_as::<Conv>().is_some_and(|c| c.q_params.is_some());
    !node.op_is::<EinSum>() && !quantised && inputs.get(2).is_some_and(|bias| one_number(bias) != Some(0.0))
}

/// A name in letters, digits and underscores: `Reduce<Sum>` is `ReduceSum`; what a chain consists of is cut off.
fn word(name: &str) -> String {
    let head = name.split('(').next().unwrap_or(name);
    head.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn ints(values: impl IntoIterator<Item = usize>) -> Attr {
    Attr::Ints(values.into_iter().map(|v| v as i64).collect())
}

/// What rides on an optimised product, how its operands are packed, and what it really reads.
fn optimised(facts: &Facts<'_>, node: &TypedNode, op: &OptMatMul, found: &Product, attrs: &mut Attrs) -> Result<()> {
    let (mut fused, mut biases): (Vec<String>, u64) = (Vec::new(), 0);
    for micro in &op.micro_ops {
        match micro {
            // A bias is part of what the operator is called already.
            ProtoFusedSpec::BinPerRow(_, BinOp::Add, _) | ProtoFusedSpec::BinPerCol(_, BinOp::Add, _) => biases += 1,
            ProtoFusedSpec::BinScalar(_, bin)
            | ProtoFusedSpec::BinPerRow(_, bin, _)
            | ProtoFusedSpec::BinPerCol(_, bin, _) => {
                fused.push(format!("{bin:?}").to_lowercase());
            }
            ProtoFusedSpec::LeakyRelu(_) => fused.push("leaky".to_owned()),
            ProtoFusedSpec::AddUnicast(..) => fused.push("add".to_owned()),
            ProtoFusedSpec::AddRowColProducts(..) => fused.push("correction".to_owned()),
            ProtoFusedSpec::Scaler(_) => fused.push("scale".to_owned()),
            ProtoFusedSpec::AddMatMul { .. } | ProtoFusedSpec::Store(_) => {}
        }
    }
    if fused.len() as u64 + biases > 0 {
        state(attrs, &[("riders", fused.len() as u64 + biases)]);
    }
    if !fused.is_empty() {
        attrs.insert("fused", Attr::Str(fused.join("+")));
    }
    if let Some(kernel) = op.mmm.first() {
        attrs.insert("micro_kernel", Attr::Str(kernel.name().to_owned()));
        let packings = op.micro_ops.iter().filter_map(|m| match m {
            ProtoFusedSpec::AddMatMul { packings, .. } => {
                let (a, b) = kernel.packings().get(packings.first()?.0)?;
                Some(format!("{a:?} x {b:?}"))
            }
            _ => None,
        });
        attrs.insert("packing", Attr::Str(packings.collect::<Vec<_>>().join(", ")));
    }
    // Windows that are gathered while the product runs are read from the image, not from a packed copy.
    let lazy = node.inputs.iter().map(|i| facts.model.node(i.node)).find(|n| n.op.name() == "LazyIm2col");
    if let (Some(lazy), Some(_)) = (lazy, &found.window)
        && let Some(shape) = facts.inputs(lazy)?.first().and_then(|f| facts.dims(&f.shape))
    {
        let image = shape.iter().product();
        state(attrs, &[("in_elems", image), ("in0_elems", image)]);
    }
    Ok(())
}

fn pool_spec(node: &TypedNode) -> Option<&PoolSpec> {
    let max = node.op_as::<MaxPool>().map(|p| &p.pool_spec).or(node.op_as::<OptMaxPool>().map(|p| &p.pool_spec));
    max.or(node.op_as::<SumPool>().map(|p| &p.pool_spec)).or(node.op_as::<OptSumPool>().map(|p| &p.pool_spec))
}

fn pool(facts: &Facts<'_>, node: &TypedNode, spec: &PoolSpec, input: Option<&TypedFact>, attrs: &mut Attrs) {
    let input = input.and_then(|f| facts.dims(&f.shape));
    let output = node.outputs.first().and_then(|o| facts.dims(&o.fact.shape));
    if let (Some(input), Some(output)) = (input, output)
        && let Some(window) = Window::new(spec, 1, &input, &output)
    {
        window.state(attrs);
        state(attrs, &[("axis_len", window.kernel_elems())]);
    }
}

/// The body of a recurrence and how often it runs.
fn scanned<'m>(facts: &Facts<'_>, node: &'m TypedNode, inputs: &[&TypedFact]) -> Option<(u64, &'m TypedModel)> {
    let (steps, body) = if let Some(scan) = node.op_as::<Scan>() {
        (scan.iteration_count(inputs), &scan.body)
    } else {
        let scan = node.op_as::<OptScan>()?;
        (scan.iteration_count(inputs), scan.plan.model())
    };
    Some((facts.dim(&steps?)?, body))
}

/// A recurrence: the largest product of its body, and as many of these as its multiply-adds make up.
fn scan(facts: &Facts<'_>, body: &TypedModel, steps: u64, attrs: &mut Attrs) {
    let facts = facts.nested(body);
    let products: Vec<Product> = body.nodes().iter().filter_map(|n| product(&facts, n)).collect();
    state(attrs, &[("steps", steps)]);
    if let Some(largest) = products.iter().max_by_key(|p| p.m * p.n * p.k) {
        let once = largest.m * largest.n * largest.k;
        let macs: u64 = products.iter().map(Product::macs).sum();
        state(attrs, &[("m", largest.m), ("n", largest.n), ("k", largest.k), ("hidden", largest.n)]);
        attrs.insert("matmuls", Attr::Float(steps as f64 * macs as f64 / once.max(1) as f64));
    }
}

/// A whole GRU in one operator: input 0 is (steps, batch, size), or its product with the input weights.
fn recurrence(facts: &Facts<'_>, gru: &GruSeq, inputs: &[&TypedFact], attrs: &mut Attrs) {
    let shape = inputs.first().and_then(|f| facts.dims(&f.shape));
    let Some(&[steps, batch, size]) = shape.as_deref() else { return };
    let hidden = gru.hidden as u64;
    let k = hidden + if gru.projected { 0 } else { size };
    let sizes = [("steps", steps), ("matmuls", steps), ("m", batch), ("n", 3 * hidden), ("k", k), ("hidden", hidden)];
    state(attrs, &sizes);
}

/// Operators that are no contraction, pooling or recurrence; the name may depend on what the operator does.
fn other(node: &TypedNode, inputs: &[&TypedFact], op: String, facts: &Facts<'_>, attrs: &mut Attrs) -> String {
    if let Some(reduce) = node.op_as::<Reduce>() {
        attrs.insert("axes", ints(reduce.axes.iter().copied()));
        // `ArgMax(false)` says which of several maxima counts.
        let text = format!("{:?}", reduce.reducer);
        return format!("Reduce{}", word(&text));
    }
    if let Some(softmax) = node.op_as::<Softmax>() {
        attrs.insert("axes", ints(softmax.axes.iter().copied()));
    } else if let Some(axis) = node.op_as::<RmsNorm>().map(|n| n.axis).or(node.op_as::<ScaledRmsNorm>().map(|n| n.axis))
    {
        attrs.insert("axes", ints([axis]));
    } else if let Some(concat) = node.op_as::<TypedConcat>() {
        attrs.insert("axis", Attr::Int(concat.axis as i64));
    } else if let Some(gather) = node.op_as::<Gather>() {
        attrs.insert("axis", Attr::Int(gather.axis as i64));
    } else if let Some(topk) = node.op_as::<Topk>() {
        attrs.insert("axes", ints([topk.axis]));
    } else if let Some(pad) = node.op_as::<Pad>() {
        let mode = match pad.mode {
            PadMode::Constant(_) => None,
            PadMode::Reflect => Some("reflect"),
            PadMode::Edge => Some("edge"),
        };
        if let Some(mode) = mode {
            attrs.insert("mode", Attr::Str(mode.to_owned()));
        }
    } else if let Some(chain) = node.op_as::<OptBinChain>() {
        let names: Vec<String> = chain.steps.iter().map(|s| s.binop.name().to_lowercase()).collect();
        attrs.insert("fused", Attr::Str(names.join("+")));
        state(attrs, &[("riders", chain.steps.len() as u64)]);
    } else if let Some(AxisOp::Move(from, to)) = node.op_as::<AxisOp>() {
        let shape = inputs.first().and_then(|f| facts.dims(&f.shape));
        let rank = inputs.first().map_or(0, |f| f.rank());
        let mut perm: Vec<usize> = (0..rank).collect();
        let moved = perm.remove(*from);
        perm.insert(*to, moved);
        // Only an order of axes longer than 1 that changes moves data.
        let long: Vec<usize> = perm.iter().copied().filter(|&a| shape.as_ref().is_none_or(|s| s[a] > 1)).collect();
        attrs.insert("perm", ints(perm));
        if long.is_sorted() {
            return "MoveUnitAxis".to_owned();
        }
    } else if matches!(op.as_str(), "Max" | "OptMaxByScalar") && inputs.iter().any(|f| one_number(f) == Some(0.0)) {
        return if op == "Max" { "Relu".to_owned() } else { "OptRelu".to_owned() };
    }
    op
}
