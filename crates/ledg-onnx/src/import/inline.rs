//! Walking into what a node contains: the taken branch of an If, the body of a local function.
//!
//! **Invariant:** nesting is bounded here, the number of nodes by the walk itself.

use std::collections::{BTreeMap, HashMap};

use crate::error::OnnxError;
use crate::import::attributes::{Arguments, resolved};
use crate::import::opsets;
use crate::import::walk::{Frame, Scope, Walker};
use crate::proto::{FunctionProto, NodeProto};

/// Functions and branches may nest this deep.
const MAX_DEPTH: u32 = 32;

impl<'m> Walker<'_, 'm> {
    /// The condition of an If, where it is constant.
    pub(super) fn condition(&self, inputs: &[Option<usize>]) -> Option<f64> {
        let id = inputs.first().copied().flatten()?;
        self.out.values[id].fact.data.as_ref()?.scalar()
    }

    /// Walks the taken branch of an If whose condition is constant.
    pub(super) fn branch(
        &mut self,
        node: &'m NodeProto,
        inputs: &[Option<usize>],
        scope: &Scope<'_, 'm>,
        frame: &Frame<'_, 'm>,
    ) -> Result<Vec<usize>, OnnxError> {
        let condition = self.condition(inputs).ok_or_else(|| {
            self.error(
                node,
                "its condition is not constant, so its cost depends on data; export the model with one branch taken",
            )
        })?;
        let wanted = if condition != 0.0 { "then_branch" } else { "else_branch" };
        let graph = resolved(node, frame.arguments).find(|(name, _)| *name == wanted).and_then(|(_, a)| a.g.as_deref());
        let graph = graph.ok_or_else(|| self.error(node, format!("it has no `{wanted}`")))?;
        let inner = self.deeper(node, frame, frame.opsets, frame.arguments)?;
        let mut branch = Scope { names: HashMap::new(), outer: Some(scope) };
        self.graph(graph, &mut branch, &inner)?;
        let names = graph.output.iter().map(|o| o.name.as_deref().unwrap_or_default());
        names.map(|n| branch.find(n).ok_or_else(|| self.error(node, format!("its branch produces no `{n}`")))).collect()
    }

    /// Walks the body of a local function.
    pub(super) fn function(
        &mut self,
        node: &'m NodeProto,
        function: &'m FunctionProto,
        inputs: &[Option<usize>],
        frame: &Frame<'_, 'm>,
    ) -> Result<Vec<usize>, OnnxError> {
        let mut arguments: Arguments<'m> =
            function.attribute_proto.iter().filter_map(|a| Some((a.name.as_deref()?, a))).collect();
        arguments.extend(resolved(node, frame.arguments));
        let function_opsets = opsets(&function.opset_import);
        let inner = self.deeper(node, frame, &function_opsets, &arguments)?;
        if inputs.len() > function.input.len() {
            return Err(self
                .error(node, format!("it has {} inputs, its function takes {}", inputs.len(), function.input.len())));
        }
        let given = function.input.iter().zip(inputs).filter_map(|(name, id)| Some((name.as_str(), (*id)?)));
        let mut scope = Scope { names: given.collect(), outer: None };
        self.nodes(&function.node, &mut scope, &inner)?;
        let result =
            |n: &String| scope.find(n).ok_or_else(|| self.error(node, format!("its function produces no `{n}`")));
        function.output.iter().map(result).collect()
    }

    fn deeper<'f>(
        &self,
        node: &NodeProto,
        frame: &Frame<'_, 'm>,
        opsets: &'f BTreeMap<String, i64>,
        arguments: &'f Arguments<'m>,
    ) -> Result<Frame<'f, 'm>, OnnxError> {
        if frame.depth >= MAX_DEPTH {
            return Err(self.error(
                node,
                format!("functions and branches nest deeper than {MAX_DEPTH}; does one contain itself?"),
            ));
        }
        Ok(Frame { opsets, arguments, depth: frame.depth + 1 })
    }
}
