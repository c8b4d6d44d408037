//! A tract model to a graph, node by node: every node of the plan becomes a node, an input or a constant of that name.

use std::collections::{BTreeMap, HashMap, HashSet};

use ledg_graph::{Attrs, Graph, GraphBuilder, Limits, OpType, ValueId};
use tract_core::internal::*;
use tract_core::ops::konst::Const;
use tract_core::ops::matmul::optimized::{MatMulOperand, OptMatMul, ProtoFusedSpec};
use tract_core::ops::source::TypedSource;

use crate::error::Result;
use crate::facts::{Facts, Unbound, small_data};
use crate::operator::describe;
use crate::origin::Origins;

/// The domain of the operators in graphs of tract's models.
pub const DOMAIN: &str = "tract";

/// How a model becomes a graph.
#[derive(Debug, Clone, Default)]
pub struct GraphOptions<'a> {
    /// Name of the graph; the model's own without it.
    pub name: Option<String>,
    /// Values of symbols, by their names.
    pub symbols: BTreeMap<String, i64>,
    /// What to do with shapes whose symbols have no value.
    pub unbound: Unbound,
    /// Earlier stages of the same model, in which convolutions that were lowered to products are looked up.
    pub origins: Vec<&'a TypedModel>,
    /// Bounds on the graph.
    pub limits: Limits,
}

/// The graph of a model at any stage: typed, decluttered or optimised.
///
/// # Errors
/// A symbol that has no value or does not exist, an element type that graphs do not have, limits.
pub fn model_graph(model: &TypedModel, options: &GraphOptions<'_>) -> Result<Graph> {
    let name = options.name.clone().or_else(|| model.name().map(str::to_owned)).unwrap_or_else(|| "tract".to_owned());
    let facts = Facts::new(model, &name, &options.symbols, options.unbound)?;
    let mut origins = Origins::default();
    for earlier in &options.origins {
        // A symbol of the plan may be gone from an earlier stage, or the other way round.
        let known = options.symbols.iter().filter(|(symbol, _)| earlier.symbols.get(symbol).is_some());
        origins.add(&Facts::new(earlier, &name, known, Unbound::Keep)?);
    }
    let order = model.eval_order().map_err(|e| facts.refused(&e))?;
    let builder = GraphBuilder::new(name.clone()).with_limits(options.limits);
    let mut converter =
        Converter { facts: &facts, origins: &origins, builder, values: HashMap::new(), taken: HashSet::new() };
    for id in order {
        converter.node(model.node(id))?;
    }
    for outlet in model.output_outlets().map_err(|e| facts.refused(&e))? {
        let value = converter.values[outlet];
        converter.builder.output(value);
    }
    Ok(converter.builder.finish()?)
}

/// The graph of a plan; see [`model_graph`].
///
/// # Errors
/// As [`model_graph`].
pub fn plan_graph(plan: &TypedSimplePlan, options: &GraphOptions<'_>) -> Result<Graph> {
    model_graph(plan.model(), options)
}

struct Converter<'a> {
    facts: &'a Facts<'a>,
    origins: &'a Origins,
    builder: GraphBuilder,
    values: HashMap<OutletId, ValueId>,
    taken: HashSet<String>,
}

impl Converter<'_> {
    fn node(&mut self, node: &TypedNode) -> Result<()> {
        if let Some(constant) = node.op_as::<Const>() {
            let value = self.constant(node, constant)?;
            self.values.insert(OutletId::new(node.id, 0), value);
            return Ok(());
        }
        if node.op_is::<TypedSource>() {
            let fact = &node.outputs[0].fact;
            let dtype = self.facts.dtype(&node.name, fact.datum_type)?;
            let name = self.unique(&node.name);
            // Whatever is kept open elsewhere, a graph's inputs have sizes.
            let shape = self.facts.shape(&node.name, fact)?.ok_or_else(|| self.facts.unbound(&node.name, fact))?;
            let value = self.builder.input(name, dtype, &shape);
            self.values.insert(OutletId::new(node.id, 0), value);
            return Ok(());
        }
        let described = describe(self.facts, self.origins, node)?;
        let mut inputs: Vec<Option<ValueId>> = node.inputs.iter().map(|i| Some(self.values[i])).collect();
        inputs.extend(self.baked(node)?.into_iter().map(Some));
        let mut outputs = Vec::with_capacity(node.outputs.len());
        for (slot, outlet) in node.outputs.iter().enumerate() {
            let dtype = self.facts.dtype(&node.name, outlet.fact.datum_type)?;
            let shape = self.facts.shape(&node.name, &outlet.fact)?;
            let name = if slot == 0 { node.name.clone() } else { format!("{}:{slot}", node.name) };
            let name = self.unique(&name);
            let value = self.builder.activation(name, dtype, shape.as_deref());
            self.values.insert(OutletId::new(node.id, slot), value);
            outputs.push(value);
        }
        let name = self.unique(&format!("{}()", node.name)).trim_end_matches("()").to_owned();
        self.builder.node(name, OpType::new(DOMAIN, &described.op), described.attrs, &inputs, &outputs);
        Ok(())
    }

    /// A constant is a weight if it is a floating-point tensor, else part of the definition, with its data if small.
    fn constant(&mut self, node: &TypedNode, constant: &Const) -> Result<ValueId> {
        let fact = &node.outputs[0].fact;
        let dtype = self.facts.dtype(&node.name, fact.datum_type)?;
        let shape = self.facts.shape(&node.name, fact)?.unwrap_or_default();
        let name = self.unique(&node.name);
        let elements: u64 = shape.iter().product();
        Ok(if dtype.is_float() && elements > 1 {
            self.builder.weight(name, dtype, &shape)
        } else {
            self.builder.constant(name, dtype, &shape, small_data(constant.val()))
        })
    }

    /// Weights that tract packed into the operator itself, so that they are no input any more.
    fn baked(&mut self, node: &TypedNode) -> Result<Vec<ValueId>> {
        let Some(op) = node.op_as::<OptMatMul>() else { return Ok(Vec::new()) };
        let dtype = self.facts.dtype(&node.name, op.c_fact.datum_type)?;
        let mut weights = Vec::new();
        for micro in &op.micro_ops {
            let ProtoFusedSpec::AddMatMul { a, b, .. } = micro else { continue };
            for (side, operand) in [("a", a), ("b", b)] {
                if let MatMulOperand::Const(packed) = operand {
                    let name = self.unique(&format!("{}.packed_{side}", node.name));
                    weights.push(self.builder.weight(name, dtype, &[packed.k() as u64, packed.mn() as u64]));
                }
            }
        }
        Ok(weights)
    }

    /// tract allows two nodes of one name; graphs do not.
    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut n = 2;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{name}#{n}");
            n += 1;
        }
        unique
    }
}

/// Attributes and operator name of one node.
pub(crate) struct Described {
    pub op: String,
    pub attrs: Attrs,
}
