//! Following the batch dimension through a graph, and rescaling the graph to another batch size.
//!
//! The batch is dimension 0 of the graph's inputs. Every value that depends on an input is given the axis along which
//! it grows with the batch. Where an operator moves axes (Transpose, Reshape, MatMul, …) there is a rule; elsewhere the
//! axis is kept when the rank is, or found by its *stride*: how many elements one step along the batch skips, which
//! reshapes preserve.
//!
//! **Invariant:** never a guess: where the axis cannot be followed, rescaling is an error that names the node.

use crate::dtype::DType;
use crate::edit::GraphEdit;
use crate::error::GraphError;
use crate::graph::{ConstData, Graph, Node, NodeId, Shape, ValueId, ValueKind};

/// Along which axis each value grows with the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchAxes {
    axes: Vec<Option<usize>>,
    /// The batch size the graph has now.
    pub batch: u64,
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
    /// [`GraphError::BadBatch`] when the inputs have no common dimension 0,
    /// [`GraphError::BatchUntraceable`] where the axis is lost.
    pub fn batch_axes(&self) -> Result<BatchAxes, GraphError> {
        self.trace(0)
    }

    /// The graph at another batch size. Constants that spell out shapes (of Reshape, Expand, Resize) follow.
    ///
    /// # Errors
    /// As [`Graph::batch_axes`]; also for `batch` 0 or a size that overflows.
    pub fn rescale_batch(&self, batch: u64) -> Result<Graph, GraphError> {
        if batch == 0 {
            return Err(GraphError::BadBatch { graph: self.name.clone(), batch, why: "it must be at least 1" });
        }
        let axes = self.trace(batch)?;
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
        scaled.patch_shape_constants(&axes)
    }

    /// Gives every Reshape, Expand and Resize whose target shape is a constant a new constant for its new output.
    fn patch_shape_constants(self, axes: &BatchAxes) -> Result<Graph, GraphError> {
        let mut edit = GraphEdit::new(&self);
        for id in self.node_ids() {
            let node = self.node(id);
            let slot = match node.op.name.as_str() {
                "Reshape" | "Expand" => 1,
                "Resize" => 3,
                _ => continue,
            };
            let Some(target) = node.inputs.get(slot).copied().flatten() else { continue };
            let (Some(_), Some(shape)) = (axes.axis(node.outputs[0]), self.value(node.outputs[0]).shape.as_ref()) else {
                continue;
            };
            if self.value(target).data.is_none() {
                continue;
            }
            let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
            let name = format!("{}@{}", self.value(target).name, node.name);
            let fresh = edit.add_constant(name, DType::I64, &[dims.len() as u64], ConstData::Ints(dims));
            let mut inputs = node.inputs.clone();
            inputs[slot] = Some(fresh);
            edit.remove(id);
            edit.add_node(id, node.name.clone(), node.op.clone(), node.attrs.clone(), &inputs, &node.outputs);
        }
        edit.finish()
    }

    fn trace(&self, wanted: u64) -> Result<BatchAxes, GraphError> {
        let batch = self.input_batch(wanted)?;
        let mut axes: Vec<Option<usize>> = vec![None; self.values.len()];
        for &input in &self.inputs {
            axes[input.index()] = self.value(input).shape.as_ref().filter(|s| !s.is_empty()).map(|_| 0);
        }
        for id in self.node_ids() {
            let node = self.node(id);
            if !node.present_inputs().any(|v| axes[v.index()].is_some()) {
                continue;
            }
            let tracer = Tracer { graph: self, axes: &axes, batch };
            let found: Vec<(ValueId, Result<Option<usize>, String>)> =
                node.outputs.iter().enumerate().map(|(k, &out)| (out, tracer.output_axis(id, k))).collect();
            for (out, axis) in found {
                axes[out.index()] = axis.map_err(|why| GraphError::BatchUntraceable {
                    graph: self.name.clone(),
                    batch: wanted,
                    node: node.name.clone(),
                    op: node.op.to_string(),
                    why,
                })?;
            }
        }
        Ok(BatchAxes { axes, batch })
    }

    fn input_batch(&self, wanted: u64) -> Result<u64, GraphError> {
        let bad = |why| GraphError::BadBatch { graph: self.name.clone(), batch: wanted, why };
        let mut leading = self.inputs.iter().filter_map(|&v| self.value(v).shape.as_ref()?.first().copied());
        let first = leading.next().ok_or_else(|| bad("the graph has no input with a dimension"))?;
        if first == 0 {
            return Err(bad("dimension 0 of its input is 0"));
        }
        if leading.any(|d| d != first) {
            return Err(bad("its inputs disagree in dimension 0"));
        }
        Ok(first)
    }
}

/// Finds the batch axis of one node's outputs.
struct Tracer<'a> {
    graph: &'a Graph,
    axes: &'a [Option<usize>],
    batch: u64,
}

impl Tracer<'_> {
    fn shape(&self, v: ValueId) -> Option<&Shape> {
        self.graph.value(v).shape.as_ref()
    }

    fn output_axis(&self, id: NodeId, k: usize) -> Result<Option<usize>, String> {
        let node = self.graph.node(id);
        let Some(out) = self.shape(node.outputs[k]) else { return Ok(None) };
        let (slot, input, axis) = node
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(slot, v)| v.and_then(|v| self.axes[v.index()].map(|axis| (slot, v, axis))))
            .max_by_key(|(slot, v, _)| (self.shape(*v).map_or(0, Vec::len), usize::MAX - slot))
            .ok_or("no input carries the batch")?;
        let Some(shape) = self.shape(input) else { return Ok(None) };
        match node.op.name.as_str() {
            "Shape" | "Size" => Ok(None),
            "Transpose" => {
                let perm = node.attrs.ints("perm");
                let place = match perm {
                    Some(perm) => perm.iter().position(|&p| p == axis as i64).ok_or("`perm` lacks the batch axis")?,
                    None => shape.len() - 1 - axis,
                };
                Ok(Some(place))
            }
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.by_stride(shape, axis, out).map(Some),
            "MatMul" | "Expand" | "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Where" | "Max" | "Min" | "Equal" | "And"
            | "Or" | "Greater" | "Less" => {
                // Broadcasting aligns the innermost axes; MatMul's batch dimensions lie outside the two innermost.
                let vector = node.op.name == "MatMul" && shape.len() == 1;
                if vector { Err("a vector operand carries the batch".into()) } else { kept(axis + out.len() - shape.len(), out) }
            }
            "Gather" => gather_axis(node, slot, axis, shape.len()),
            "LSTM" | "GRU" | "RNN" => self.recurrent_axis(node, k, out.len()),
            name if name.starts_with("Reduce") || name.starts_with("Arg") => self.reduced_axis(node, axis, shape, out),
            "Split" | "Concat" | "Slice" | "Pad" if self.cut_along(node, axis, shape, out) => {
                Err("it cuts or joins along the batch axis".into())
            }
            _ if out.len() == shape.len() => kept(axis, out),
            _ => self.by_stride(shape, axis, out).map(Some),
        }
    }

    /// The axis of `out` that has the same stride as the batch axis of `shape`.
    fn by_stride(&self, shape: &[u64], axis: usize, out: &[u64]) -> Result<usize, String> {
        // One batch item spans this many elements within everything outside of it.
        let span: u64 = shape[axis..].iter().product();
        // The batch is the outermost factor of its axis, so the axis of `out` that it became begins with the same span.
        let begins = |k: usize| out[k..].iter().product::<u64>() == span && out[k].is_multiple_of(self.batch);
        let outside: u64 = shape[..axis].iter().product();
        let candidates: Vec<usize> =
            (0..out.len()).filter(|&k| begins(k) && out[..k].iter().product::<u64>() == outside).collect();
        candidates
            .iter()
            .copied()
            .find(|&k| out[k] == self.batch)
            .or(candidates.first().copied())
            .ok_or_else(|| format!("no axis of {out:?} continues axis {axis} of {shape:?}"))
    }

    fn reduced_axis(&self, node: &Node, axis: usize, shape: &[u64], out: &[u64]) -> Result<Option<usize>, String> {
        let rank = shape.len() as i64;
        let reduced: Vec<i64> = match (node.attrs.ints("axes"), node.attrs.int("axis"), node.inputs.get(1)) {
            (Some(axes), _, _) => axes.to_vec(),
            (None, Some(axis), _) => vec![axis],
            (None, None, Some(Some(v))) => {
                self.graph.value(*v).data.as_ref().and_then(ConstData::ints).ok_or("its axes are not constant")?.to_vec()
            }
            _ => (0..rank).collect(),
        };
        let is_reduced = |a: usize| reduced.iter().any(|&r| if r < 0 { r + rank } else { r } == a as i64);
        if is_reduced(axis) {
            return Err("it reduces the batch axis".into());
        }
        let gone = if out.len() == shape.len() { 0 } else { (0..axis).filter(|&a| is_reduced(a)).count() };
        kept(axis - gone, out)
    }

    /// ONNX recurrent layouts: Y is (steps, directions, batch, hidden), the final states (directions, batch, hidden);
    /// with `layout` 1 the batch comes first.
    fn recurrent_axis(&self, node: &Node, k: usize, rank: usize) -> Result<Option<usize>, String> {
        let axis = match (node.attrs.int("layout").unwrap_or(0), k) {
            (0, 0) => 2,
            (0, _) => 1,
            _ => 0,
        };
        if axis < rank { Ok(Some(axis)) } else { Err(format!("output {k} has rank {rank}")) }
    }

    /// Whether a Split, Concat, Slice or Pad changes the size along the batch axis other than by joining values that
    /// do not depend on the batch.
    fn cut_along(&self, node: &Node, axis: usize, shape: &[u64], out: &[u64]) -> bool {
        let along = match node.op.name.as_str() {
            "Split" | "Concat" => {
                let a = node.attrs.int("axis").unwrap_or(0);
                (if a < 0 { a + shape.len() as i64 } else { a }) == axis as i64
            }
            _ => true,
        };
        along && out.get(axis) != shape.get(axis)
    }
}

fn kept(axis: usize, out: &[u64]) -> Result<Option<usize>, String> {
    if axis < out.len() { Ok(Some(axis)) } else { Err(format!("axis {axis} is beyond the output's rank {}", out.len())) }
}

fn gather_axis(node: &Node, slot: usize, axis: usize, rank: usize) -> Result<Option<usize>, String> {
    let along = node.attrs.int("axis").unwrap_or(0);
    let along = if along < 0 { along + rank as i64 } else { along } as usize;
    if slot == 1 {
        // Indices take the place of the gathered axis.
        let along = node.attrs.int("axis").unwrap_or(0).max(0) as usize;
        return Ok(Some(along + axis));
    }
    match axis.cmp(&along) {
        std::cmp::Ordering::Less => Ok(Some(axis)),
        std::cmp::Ordering::Equal => Err("it gathers along the batch axis".into()),
        // The indices' rank replaces one axis; a scalar index, the usual case, removes it.
        std::cmp::Ordering::Greater => Ok(Some(axis - 1)),
    }
}

impl Graph {
    /// Whether a value is independent of the inputs: a weight, a constant, or computed from these alone.
    pub fn is_static(&self, axes: &BatchAxes, value: ValueId) -> bool {
        self.value(value).kind != ValueKind::Input && axes.axis(value).is_none()
    }
}
