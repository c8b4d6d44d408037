//! Following the batch dimension through a graph, and rescaling the graph to another batch size.
//!
//! The batch is dimension 0 of the graph's inputs. Every value that depends on an input is given the axis along which
//! it grows with the batch. Where an operator moves axes (Transpose, Reshape, MatMul, …) there is a rule; elsewhere the
//! axis is kept when the rank is, or found by its *stride*: how many elements one step along the batch skips, which
//! reshapes preserve.
//!
//! **Invariant:** never a guess: where the axis cannot be followed, rescaling is an error that names the node.

mod layout;
mod rules;
mod trace;

use crate::attr::{Attr, Attrs};
use crate::dtype::DType;
use crate::edit::GraphEdit;
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, NodeId, OpType, Shape, ValueId, ValueKind};

/// Along which axis each value grows with the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchAxes {
    axes: Vec<Option<usize>>,
    /// The batch size the graph has now.
    pub batch: u64,
    /// Convolutions whose kernel differs by sample, so that the number of groups grows with the batch.
    groups: Vec<NodeId>,
    /// Operands (node, slot, axis) without the batch that must be expanded along an axis of size 1.
    expands: Vec<(NodeId, usize, usize)>,
    /// Of `groups`, those whose data has the batch still outside of the channels.
    folds: Vec<NodeId>,
}

impl BatchAxes {
    /// The batch axis of a value; `None` when the value does not depend on the batch.
    pub fn axis(&self, value: ValueId) -> Option<usize> {
        self.axes[value.index()]
    }
}

impl Graph {
    /// Follows the batch through the graph.
    ///
    /// # Errors
    /// [`GraphError::NoBatch`] when the inputs have no common dimension 0, [`GraphError::BatchUntraceable`] where the
    /// axis is lost.
    pub fn batch_axes(&self) -> Result<BatchAxes, GraphError> {
        trace::trace(self)
    }

    /// The graph at another batch size. Constants that spell out shapes (of Reshape, Expand, Resize) follow.
    ///
    /// ```
    /// use ledg_graph::{Attrs, DType, GraphBuilder, OpType};
    /// let mut b = GraphBuilder::new("toy");
    /// let x = b.input("x", DType::F32, &[1, 3, 8, 8]);
    /// let y = b.activation("y", DType::F32, Some(&[1, 3, 8, 8]));
    /// b.node("relu", OpType::onnx("Relu"), Attrs::new(), &[Some(x)], &[y]);
    /// b.output(y);
    /// let at_64 = b.finish()?.rescale_batch(64)?;
    /// assert_eq!(at_64.value(at_64.outputs()[0]).shape.as_deref(), Some(&[64, 3, 8, 8][..]));
    /// # Ok::<(), ledg_graph::GraphError>(())
    /// ```
    ///
    /// A file written at batch 1 may leave out what does nothing there. It is put in where a larger batch needs it: an
    /// Expand of what is joined to every sample (a class token), a Reshape that makes samples groups of a convolution.
    ///
    /// # Errors
    /// As [`Graph::batch_axes`]; also [`GraphError::BadBatch`] for 0, and for a size that overflows.
    pub fn rescale_batch(&self, batch: u64) -> Result<Graph, GraphError> {
        if batch == 0 {
            return Err(GraphError::BadBatch { graph: self.name.clone(), batch, why: "it must be at least 1" });
        }
        let axes = self.batch_axes()?;
        if axes.batch == batch {
            return Ok(self.clone());
        }
        let mut scaled = self.clone();
        for (value, axis) in scaled.values.iter_mut().zip(&axes.axes) {
            if let (Some(axis), Some(shape)) = (axis, &mut value.shape) {
                let dim = &mut shape[*axis];
                let wide = u128::from(*dim) * u128::from(batch) / u128::from(axes.batch);
                *dim = u64::try_from(wide).map_err(|_| GraphError::ShapeOverflow {
                    graph: self.name.clone(),
                    value: value.name.clone(),
                    shape: vec![*dim, batch],
                })?;
            }
        }
        scaled.follow(&axes, batch)
    }

    /// Lets nodes follow the shapes, which are scaled already: constants that are shapes, groups, inserted nodes.
    fn follow(self, axes: &BatchAxes, batch: u64) -> Result<Graph, GraphError> {
        let mut edit = GraphEdit::new(&self);
        for id in self.node_ids() {
            let node = self.node(id);
            let (mut inputs, mut attrs) = (node.inputs.clone(), node.attrs.clone());
            if let Some((slot, dims)) = self.shape_constant(axes, id) {
                let target = inputs[slot].map_or("", |v| &self.value(v).name);
                inputs[slot] = Some(shape_value(&mut edit, format!("{target}@{}", node.name), dims));
            }
            for &(_, slot, axis) in axes.expands.iter().filter(|e| e.0 == id) {
                let Some((v, mut shape)) = self.operand(id, slot) else { continue };
                shape[axis] = batch;
                inputs[slot] = Some(self.insert(&mut edit, id, "Expand", slot, v, &shape));
            }
            if axes.folds.contains(&id)
                && let Some((v, mut shape)) = self.operand(id, 0)
            {
                let overflow = || GraphError::ShapeOverflow {
                    graph: self.name.clone(),
                    value: self.value(v).name.clone(),
                    shape: shape.clone(),
                };
                shape[1] = shape[0].checked_mul(shape[1]).ok_or_else(overflow)?;
                shape[0] = 1;
                inputs[0] = Some(self.insert(&mut edit, id, "Reshape", 0, v, &shape));
            }
            if axes.groups.contains(&id) {
                let group = i128::from(attrs.int("group").unwrap_or(1)) * i128::from(batch) / i128::from(axes.batch);
                let group = i64::try_from(group).map_err(|_| GraphError::BadBatch {
                    graph: self.name.clone(),
                    batch,
                    why: "the groups of a convolution would be too many",
                })?;
                attrs.insert("group", Attr::Int(group));
            }
            if inputs != node.inputs || attrs != node.attrs {
                edit.remove(id);
                edit.add_node(id, node.name.clone(), node.op.clone(), attrs, &inputs, &node.outputs);
            }
        }
        edit.finish()
    }

    /// Where a node's output shape is a constant among its inputs and no longer right: the input, and what is right.
    fn shape_constant(&self, axes: &BatchAxes, id: NodeId) -> Option<(usize, Vec<i64>)> {
        let node = self.node(id);
        let slot = match node.op.name.as_str() {
            "Reshape" | "Expand" => 1,
            // With `axes`, the sizes are those of a few axes: of the image, not of the batch.
            "Resize" if node.attrs.get("axes").is_none() => 3,
            _ => return None,
        };
        let axis = axes.axis(node.outputs[0])?;
        let target = self.value(node.inputs.get(slot).copied().flatten()?).data.as_ref()?.ints()?;
        let (_, from) = self.operand(id, 0)?;
        let to = self.value(node.outputs[0]).shape.clone()?;
        let gives = |target: &[i64]| match node.op.name.as_str() {
            "Reshape" => layout::reshaped(&from, target, node.attrs.int("allowzero") == Some(1)),
            "Expand" => layout::expanded(&from, target),
            _ => target.iter().map(|&d| u64::try_from(d).ok()).collect(),
        };
        if gives(target).as_ref() == Some(&to) {
            return None;
        }
        // Other sizes stay as the file has them (0, -1), if that will do.
        let mut patched = target.to_vec();
        if let Some(k) = (axis + target.len()).checked_sub(to.len()) {
            patched[k] = to[axis] as i64;
        }
        let explicit = || to.iter().map(|&d| d as i64).collect();
        Some((slot, if gives(&patched).as_ref() == Some(&to) { patched } else { explicit() }))
    }

    fn operand(&self, id: NodeId, slot: usize) -> Option<(ValueId, Shape)> {
        let v = self.node(id).inputs.get(slot).copied().flatten()?;
        Some((v, self.value(v).shape.clone()?))
    }

    /// Inserts an Expand or a Reshape to `shape` before a slot of a node.
    fn insert(
        &self,
        edit: &mut GraphEdit<'_>,
        id: NodeId,
        op: &str,
        slot: usize,
        v: ValueId,
        shape: &Shape,
    ) -> ValueId {
        let name = format!("{}.{op}{slot}", self.node(id).name);
        let dims = shape.iter().map(|&d| d as i64).collect();
        let target = shape_value(edit, format!("{name}.shape"), dims);
        let out = edit.add_activation(format!("{name}.out"), self.value(v).dtype, shape);
        edit.add_node(id, name, OpType::onnx(op), Attrs::new(), &[Some(v), Some(target)], &[out]);
        out
    }

    /// Whether a value is independent of the inputs: a weight, a constant, or computed from these alone.
    pub fn is_static(&self, axes: &BatchAxes, value: ValueId) -> bool {
        self.value(value).kind != ValueKind::Input && axes.axis(value).is_none()
    }
}

fn shape_value(edit: &mut GraphEdit<'_>, name: String, dims: Vec<i64>) -> ValueId {
    edit.add_constant(name, DType::I64, &[dims.len() as u64], ConstData::Ints(dims))
}
