//! How the batch axis passes through one node, operator by operator.

use super::layout;
use crate::graph::{Graph, Node, Shape, ValueId};

/// What a node needs of an operand so that it works at other batch sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The operand of that slot depends on no input and must still have the batch along that axis.
    Carry { slot: usize, axis: usize },
    /// A convolution whose kernel differs by sample (CondConv), written at batch 1: its data's batch must be folded into
    /// the channels, each sample a group.
    Fold,
}

/// Finds the batch axes of one node's outputs.
pub(super) struct Rules<'a> {
    pub graph: &'a Graph,
    pub axes: &'a [Option<usize>],
    pub batch: u64,
    pub needs: Vec<Need>,
}

/// An operand that carries the batch.
#[derive(Clone, Copy)]
pub(super) struct Carrier<'a> {
    pub slot: usize,
    pub axis: usize,
    pub shape: &'a Shape,
}

type Found = Result<Option<usize>, String>;

impl<'a> Rules<'a> {
    fn shape(&self, v: ValueId) -> Option<&'a Shape> {
        self.graph.value(v).shape.as_ref()
    }

    /// The batch axis of a node's output, one of its axes: shapes that a caller states need not fit the operator.
    pub fn output_axis(&mut self, node: &Node, k: usize) -> Found {
        let Some(out) = self.shape(node.outputs[k]) else { return Ok(None) };
        self.axis_in(node, k, out)?.map_or(Ok(None), |axis| layout::kept(axis, out))
    }

    fn axis_in(&mut self, node: &Node, k: usize, out: &'a Shape) -> Found {
        let carriers: Vec<Carrier> = (0..node.inputs.len())
            .filter_map(|slot| {
                let v = node.inputs[slot]?;
                Some(Carrier { slot, axis: self.axes[v.index()]?, shape: self.shape(v)? })
            })
            .collect();
        // Beyond operators with rules of their own, the operand of the highest rank is the data.
        let Some(&main) = carriers.iter().max_by_key(|c| (c.shape.len(), usize::MAX - c.slot)) else { return Ok(None) };
        let Carrier { slot, axis, shape } = main;
        match node.op.name.as_str() {
            "Shape" | "Size" => Ok(None),
            "Transpose" => layout::transposed(node, axis, shape.len()),
            "Unsqueeze" => layout::unsqueezed(self.graph, node, axis, out.len()),
            "Squeeze" => layout::squeezed(self.graph, node, axis, shape),
            "Reshape" | "Flatten" => self.by_stride(shape, axis, out).map(Some),
            "MatMul" => self.matmul(node, &carriers, out),
            "Gemm" => self.gemm(node, &carriers),
            "Conv" => self.conv(node, &carriers),
            "Expand" | "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "PRelu" | "Where" | "Max" | "Min" | "Sum"
            | "Mean" | "Equal" | "And" | "Or" | "Xor" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => {
                self.broadcast(node, &carriers, out)
            }
            "Concat" => self.concat(node, &carriers, out),
            "Gather" if carriers.len() > 1 => Err("both its data and its indices carry the batch".into()),
            "Gather" => self.gather(node, slot, axis),
            // Queries, keys, values and caches have the batch first, whatever their ranks, but for one that holds two caches.
            "Attention" | "MultiHeadAttention" | "GroupQueryAttention" if batch_first(&carriers) && out.len() < 5 => {
                Ok(Some(0))
            }
            "LSTM" | "GRU" | "RNN" => self.recurrent(node, k, out.len()),
            "Softmax" | "LogSoftmax" if layout::axis_attr(node, -1, shape.len()) == Some(axis) => {
                Err("it normalises along the batch axis".into())
            }
            name if name.starts_with("Reduce") || name.starts_with("Arg") => {
                layout::reduced(self.graph, node, axis, shape.len(), out)
            }
            "Split" if layout::axis_attr(node, 0, shape.len()) == Some(axis) && out.get(axis) != shape.get(axis) => {
                Err("it cuts along the batch axis".into())
            }
            "Slice" | "Pad" if out.get(axis) != shape.get(axis) => Err("it changes the size of the batch axis".into()),
            _ if out.len() == shape.len() => layout::kept(axis, out),
            _ => self.by_stride(shape, axis, out).map(Some),
        }
    }

    /// The axis of `out` that has the same stride as the batch axis of `shape`.
    fn by_stride(&self, shape: &[u64], axis: usize, out: &[u64]) -> Result<usize, String> {
        let candidates = self.continuing(shape, axis, out);
        // Axes of size 1 have the same stride as their neighbours. What a reshape leaves alone stays where it is.
        let unmoved = Some(axis).filter(|k| out.starts_with(&shape[..=*k]) && candidates.contains(k));
        unmoved
            .or_else(|| candidates.iter().copied().find(|&k| out[k] == self.batch))
            .or(candidates.first().copied())
            .ok_or_else(|| format!("no axis of {out:?} continues axis {axis} of {shape:?}"))
    }

    /// All axes of `out` that the batch axis of `shape` may have become.
    pub fn continuing(&self, shape: &[u64], axis: usize, out: &[u64]) -> Vec<usize> {
        // One batch item spans this many elements within everything outside of it. The batch is the outermost factor of
        // its axis, so the axis of `out` that it became begins with the same span.
        let (Some(span), Some(outside)) = (elements(&shape[axis..]), elements(&shape[..axis])) else {
            return Vec::new();
        };
        let begins = |k: usize| elements(&out[k..]) == Some(span) && elements(&out[..k]) == Some(outside);
        (0..out.len()).filter(|&k| begins(k) && out[k].is_multiple_of(self.batch)).collect()
    }

    /// Notes that operands without the batch need it where `axis` of the output leaves them no size to broadcast.
    fn need(&mut self, node: &Node, out: &[u64], axis: usize, axes_of: impl Fn(usize, usize) -> Option<usize>) {
        for (slot, v) in node.inputs.iter().enumerate() {
            let Some(v) = *v else { continue };
            let Some(shape) = self.shape(v).filter(|_| self.axes[v.index()].is_none()) else { continue };
            if let Some(inner) = axes_of(slot, shape.len()).filter(|&a| shape[a] != 1 && shape[a] == out[axis]) {
                self.needs.push(Need::Carry { slot, axis: inner });
            }
        }
    }

    /// Broadcasting aligns the innermost axes.
    fn broadcast(&mut self, node: &Node, carriers: &[Carrier], out: &[u64]) -> Found {
        let axis = agreed(carriers.iter().map(|c| (c.axis + out.len()).checked_sub(c.shape.len())))?;
        let is_expand = node.op.name == "Expand";
        // An Expand's target is a shape, not an operand.
        self.need(node, out, axis, |slot, rank| {
            (axis + rank).checked_sub(out.len()).filter(|_| !(is_expand && slot == 1))
        });
        layout::kept(axis, out)
    }

    fn matmul(&mut self, node: &Node, carriers: &[Carrier], out: &[u64]) -> Found {
        if carriers.iter().any(|c| c.shape.len() < 2) {
            return Err("a vector operand carries the batch".into());
        }
        // A vector operand has no axis in the output.
        let ranks = node.present_inputs().map(|v| self.shape(v).map_or(2, Vec::len));
        let full = out.len() + ranks.filter(|&r| r == 1).count();
        let contracted = |c: &Carrier| c.axis == c.shape.len() - if c.slot == 0 { 1 } else { 2 };
        if carriers.iter().any(contracted) {
            return Err("it sums over the batch axis".into());
        }
        let axis = agreed(carriers.iter().map(|c| (c.axis + full).checked_sub(c.shape.len())))?;
        if axis + 2 < full {
            self.need(node, out, axis, |_, rank| (axis + rank).checked_sub(full));
        }
        layout::kept(axis.min(out.len().saturating_sub(1)), out)
    }

    fn gemm(&mut self, node: &Node, carriers: &[Carrier]) -> Found {
        let transposed = |name| node.attrs.int(name).unwrap_or(0) != 0;
        let summed = |c: &Carrier| match c.slot {
            0 => (c.axis == 1) != transposed("transA"),
            1 => (c.axis == 0) != transposed("transB"),
            _ => false,
        };
        if carriers.iter().any(summed) {
            return Err("it sums over the batch axis".into());
        }
        agreed(carriers.iter().map(|c| match c.slot {
            0 => Some(0),
            1 => Some(1),
            _ => Some(c.axis + 2 - c.shape.len().min(2)),
        }))
        .map(Some)
    }

    /// A kernel that carries the batch differs by sample: the batch is then in the channels, a group for each sample.
    fn conv(&mut self, node: &Node, carriers: &[Carrier]) -> Found {
        if let Some(c) = carriers.iter().find(|c| c.slot < 2 && c.shape.len() < 3) {
            return Err(format!("operand {} has rank {}", c.slot, c.shape.len()));
        }
        let of = |slot: usize| carriers.iter().find(|c| c.slot == slot).map(|c| c.axis);
        if of(1).is_some() && node.inputs.get(2).copied().flatten().is_some() && of(2) != Some(0) {
            return Err("its kernel differs by sample and its bias does not".into());
        }
        match (of(0), of(1)) {
            (Some(0), None) => Ok(Some(0)),
            (Some(1) | None, Some(0)) => Ok(Some(1)),
            (Some(0), Some(0)) if self.batch == 1 => {
                self.needs.push(Need::Fold);
                Ok(Some(1))
            }
            (x, w) => Err(format!("its data carries the batch along axis {x:?}, its kernel along {w:?}")),
        }
    }

    fn concat(&mut self, node: &Node, carriers: &[Carrier], out: &[u64]) -> Found {
        let axis = agreed(carriers.iter().map(|c| Some(c.axis)))?;
        if layout::axis_attr(node, 0, out.len()) == Some(axis) && node.inputs.len() > 1 {
            return Err("it joins along the batch axis".into());
        }
        for (slot, v) in node.inputs.iter().enumerate() {
            if v.is_some_and(|v| self.axes[v.index()].is_none()) {
                self.needs.push(Need::Carry { slot, axis });
            }
        }
        layout::kept(axis, out)
    }

    fn gather(&self, node: &Node, slot: usize, axis: usize) -> Found {
        let rank = |slot: usize| node.inputs.get(slot).copied().flatten().and_then(|v| self.shape(v)).map(Vec::len);
        let (Some(data), Some(indices)) = (rank(0), rank(1)) else { return Err("its shapes are not known".into()) };
        let along = layout::axis_attr(node, 0, data).ok_or("its axis is out of range")?;
        // Indices take the place of the gathered axis.
        match axis.cmp(&along) {
            _ if slot == 1 => Ok(Some(along + axis)),
            std::cmp::Ordering::Less => Ok(Some(axis)),
            std::cmp::Ordering::Equal => Err("it gathers along the batch axis".into()),
            std::cmp::Ordering::Greater => Ok(Some(axis + indices - 1)),
        }
    }

    /// ONNX recurrent layouts: Y is (steps, directions, batch, hidden), the states (directions, batch, hidden); with
    /// `layout` 1 the batch comes first.
    fn recurrent(&mut self, node: &Node, k: usize, rank: usize) -> Found {
        let layout = node.attrs.int("layout").unwrap_or(0);
        let axis = match (layout, k) {
            (0, 0) => 2,
            (0, _) => 1,
            _ => 0,
        };
        let state = |slot: usize| node.inputs.get(slot).copied().flatten();
        for slot in [5, 6].into_iter().filter(|&s| state(s).is_some_and(|v| self.axes[v.index()].is_none())) {
            self.needs.push(Need::Carry { slot, axis: usize::from(layout == 0) });
        }
        if axis < rank { Ok(Some(axis)) } else { Err(format!("output {k} has rank {rank}")) }
    }
}

/// Whether the first operand carries the batch, and all that do carry it along their first axis.
fn batch_first(carriers: &[Carrier]) -> bool {
    carriers.first().is_some_and(|c| c.slot == 0) && carriers.iter().all(|c| c.axis == 0)
}

/// The one axis of the output that all operands say.
fn agreed(mut axes: impl Iterator<Item = Option<usize>>) -> Result<usize, String> {
    let first = axes.next().flatten().ok_or("an operand's batch axis has no place in the output")?;
    if axes.all(|a| a == Some(first)) {
        Ok(first)
    } else {
        Err("its operands carry the batch along different axes".into())
    }
}

/// Number of elements of a shape, if it can be counted.
pub(super) fn elements(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d))
}
