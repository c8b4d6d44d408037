//! One operator of the walk: infers the facts of its outputs, and folds it away where everything is constant.

use std::collections::HashSet;
use std::rc::Rc;

use ledg_graph::{ConstData, DType, OpType};

use crate::error::OnnxError;
use crate::fact::{Call, Fact, Stop};
use crate::fold::evaluate;
use crate::import::attributes::{attrs, resolved, size_of};
use crate::import::defaults::{clip_bounds, spell_out_axis};
use crate::import::inputs::Declared;
use crate::import::order::captures;
use crate::import::walk::{Frame, Role, Scope, WalkedNode, Walker, label, op_of};
use crate::infer::infer;
use crate::options::{Contradiction, UnknownPolicy};
use crate::proto::NodeProto;

impl<'m> Walker<'_, 'm> {
    /// Gives the node's outputs their facts, and keeps the node unless it is constant.
    pub(super) fn operator(
        &mut self,
        node: &'m NodeProto,
        op: OpType,
        mut inputs: Vec<Option<usize>>,
        scope: &mut Scope<'_, 'm>,
        frame: &Frame<'_, 'm>,
    ) -> Result<(), OnnxError> {
        self.charge(resolved(node, frame.arguments).map(|(_, a)| size_of(a)).sum())?;
        let mut attrs = attrs(node, frame.arguments);
        // ONNX's own operators date from before operator sets.
        let opset = frame.opsets.get(&op.domain).copied().unwrap_or(i64::from(op.domain.is_empty()));
        let data = inputs.first().copied().flatten().map(|i| &self.out.values[i].fact);
        spell_out_axis(&op, opset, data.and_then(|fact| fact.shape.as_ref()).map(Vec::len), &mut attrs);
        let value =
            resolved(node, frame.arguments).find(|(name, _)| *name == "value").and_then(|(_, a)| a.t.as_deref());
        let value = value.map(|tensor| self.tensor(tensor, &label(node), false)).transpose()?.map(|(fact, _)| fact);
        // Trailing outputs that are left out are no outputs.
        let n_outputs = node.output.iter().rposition(|o| !o.is_empty()).map_or(0, |last| last + 1);
        let names = &node.output[..n_outputs];
        let declared: Vec<Declared> = names.iter().map(|n| self.declared_of(n, frame)).collect();
        let facts = inputs.iter().map(|i| i.map(|i| &self.out.values[i].fact)).collect();
        let call = Call { op: &op.name, domain: &op.domain, opset, attrs: &attrs, value, inputs: facts, n_outputs };

        let (mut facts, is_known) = match infer(&call) {
            Ok(facts) if facts.len() < n_outputs => {
                return Err(self.error(node, format!("it names {n_outputs} outputs, the operator has {}", facts.len())));
            }
            Ok(facts) => (facts, true),
            Err(stop) => self.uninferred(node, &call, stop, &declared)?,
        };
        facts.truncate(n_outputs);
        let is_folded = is_known && self.is_foldable(&call, &inputs, &facts);
        let work = if is_folded { self.fold(&call, &mut facts) } else { 0 };
        self.charge(work)?;

        let role = if is_folded { Role::Constant } else { Role::Activation };
        let mut outputs = Vec::with_capacity(n_outputs);
        for (k, ((name, fact), declared)) in names.iter().zip(facts).zip(declared).enumerate() {
            self.compare(name, &fact, declared);
            let shown = if name.is_empty() { format!("{}:{k}", label(node)) } else { name.clone() };
            let id = self.add(shown, fact, role)?;
            self.define(node, name, id, scope)?;
            outputs.push(id);
        }
        if is_folded {
            self.out.folded_nodes += 1;
        } else {
            if !is_known {
                captured(node, scope, &mut inputs);
            }
            if let Some(bounds) = clip_bounds(&op, opset, &attrs) {
                self.bounds_as_inputs(&label(node), bounds, &mut inputs)?;
            }
            let name = node.name.clone().unwrap_or_default();
            self.charge(name.len() as u64)?;
            self.out.nodes.push(WalkedNode { name, op, opset, attrs, inputs, outputs, is_known });
        }
        Ok(())
    }

    /// A Clip's bounds as the constants that newer operator sets have in their place.
    fn bounds_as_inputs(
        &mut self,
        node: &str,
        bounds: [Option<f64>; 2],
        inputs: &mut Vec<Option<usize>>,
    ) -> Result<(), OnnxError> {
        let dtype = inputs.first().copied().flatten().map_or(DType::F32, |i| self.out.values[i].fact.dtype);
        inputs.truncate(1);
        for (name, bound) in ["min", "max"].into_iter().zip(bounds) {
            let fact = |bound| Fact::new(dtype, Vec::new()).with_data(ConstData::Floats(vec![bound]));
            let id = bound.map(|b| self.add(format!("{node}.{name}"), fact(b), Role::Constant)).transpose()?;
            inputs.push(id);
        }
        Ok(())
    }

    /// What the file says of an output's type. It says nothing of values inside functions and branches.
    fn declared_of(&self, name: &str, frame: &Frame<'_, 'm>) -> Declared {
        if frame.depth == 0 { self.declared.get(name).cloned().unwrap_or_default() } else { Declared::default() }
    }

    fn compare(&mut self, name: &str, fact: &Fact, declared: Declared) {
        if let (Some(inferred), Some(declared)) = (&fact.shape, declared.shape)
            && *inferred != declared
        {
            self.out.contradictions.push(Contradiction {
                value: name.to_owned(),
                declared,
                inferred: inferred.clone(),
            });
        }
    }

    /// Whether the node's outputs depend on constants alone. A few small weights among the inputs do not matter: they
    /// are scales in shape arithmetic.
    fn is_foldable(&self, call: &Call, inputs: &[Option<usize>], facts: &[Fact]) -> bool {
        if facts.is_empty() || facts.iter().any(|f| f.shape.is_none()) {
            return false;
        }
        if facts.iter().all(|f| f.data.is_some()) {
            return true;
        }
        let present = || inputs.iter().flatten().map(|&i| &self.out.values[i]);
        let is_constant = present().any(|v| v.role == Role::Constant)
            && present().all(|v| v.role == Role::Constant || (v.role == Role::Weight && v.fact.data.is_some()));
        is_constant && !is_random(call.op)
    }

    /// Computes the outputs' data where all of it is small; returns the bytes read for it.
    fn fold(&self, call: &Call, facts: &mut [Fact]) -> u64 {
        let limit = self.options.max_constant_elements;
        let small = |f: &Fact| f.shape.iter().flatten().fold(1u64, |n, &d| n.saturating_mul(d)) <= limit;
        let inputs = || call.inputs.iter().flatten();
        if facts.iter().all(|f| f.data.is_some()) || !facts.iter().all(small) || inputs().any(|f| f.data.is_none()) {
            return 0;
        }
        if let Some(data) = evaluate(call, facts) {
            for (fact, data) in facts.iter_mut().zip(data) {
                fact.data = Some(Rc::new(data));
            }
        }
        inputs().filter_map(|f| f.data.as_ref()).map(|d| 8 * d.len() as u64).sum()
    }

    /// The declared facts of the outputs of a node whose rule gives no answer, and whether that is as good as one.
    fn uninferred(
        &self,
        node: &NodeProto,
        call: &Call,
        stop: Stop,
        declared: &[Declared],
    ) -> Result<(Vec<Fact>, bool), OnnxError> {
        let is_complete = declared.iter().all(|d| d.shape.is_some());
        let report = self.options.unknown == UnknownPolicy::Report;
        let is_known = match stop {
            Stop::Invalid(why) => return Err(self.error(node, why)),
            Stop::NoRule if self.options.declared.contains(&OpType::new(call.domain, call.op)) => {
                if !is_complete && !report {
                    let why = "it has no shape rule, so the file has to declare the shape of its output (value_info)";
                    return Err(self.error(node, why.to_owned()));
                }
                is_complete
            }
            Stop::NoRule if report => false,
            Stop::NoRule => {
                return Err(OnnxError::UnknownOperator {
                    file: self.file.to_owned(),
                    node: label(node),
                    op: call.op.to_owned(),
                    domain: call.domain.to_owned(),
                    opset: call.opset,
                });
            }
            Stop::NeedsValue(i) if !is_complete && !report => {
                return Err(OnnxError::NeedsValue {
                    file: self.file.to_owned(),
                    node: label(node),
                    op: op_of(node).to_string(),
                    value: node.input.get(i).map_or("", String::as_str).into(),
                    input: i,
                });
            }
            Stop::NeedsValue(_) => is_complete,
            Stop::UnknownShape => true,
        };
        // Rules that fail know no element type; most operators keep that of their first input.
        let first = call.input(0).map_or(DType::F32, |f| f.dtype);
        let fact = |d: &Declared| Fact { dtype: d.dtype.unwrap_or(first), shape: d.shape.clone(), data: None };
        Ok((declared.iter().map(fact).collect(), is_known))
    }
}

/// An unknown operator with graphs inside (a Loop) depends on what these take from outside, so it reads these values too,
/// after its own inputs.
fn captured<'m>(node: &'m NodeProto, scope: &Scope<'_, 'm>, inputs: &mut Vec<Option<usize>>) {
    let mut seen: HashSet<usize> = inputs.iter().copied().flatten().collect();
    for graph in node.attribute.iter().flat_map(|a| a.g.as_deref().into_iter().chain(&a.graphs)) {
        captures(graph, &mut |name| inputs.extend(scope.find(name).filter(|&id| seen.insert(id)).map(Some)));
    }
}

fn is_random(op: &str) -> bool {
    op.starts_with("Random") || matches!(op, "Bernoulli" | "Multinomial")
}
