//! Weights for models that come without: pseudo-random numbers in memory, so that the engine can load and run them.
//!
//! How long a network takes hardly depends on its weights, but what an engine makes of it does: a weight of zeros folds
//! away, equal numbers make operands that are repeated, and activations that fade to denormal numbers run slowly. So weights
//! are uniform with the spread that keeps the size of activations (He et al. 2015), variances are positive, and a
//! weight's name is its seed. Masks are both true and false, as one of a single value would fold away. **Invariant:** numbers
//! decide nothing: integers without data are refused.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, TensorProto};

use crate::error::{Result, TractAdapterError};

/// Most elements that are made up: 4 GiB of f32.
const MAX_ELEMENTS: u64 = 1 << 30;

/// A weight that is to be made up.
struct Slot<'a> {
    tensor: &'a mut TensorProto,
    positive: bool,
}

/// Turns graph inputs that are weights into initialisers, and gives initialisers without data data.
///
/// `weights` are names and shapes of the graph inputs that are weights.
pub(crate) fn fill(model: &str, graph: &mut GraphProto, weights: &[(String, Vec<u64>)]) -> Result<()> {
    for (name, shape) in weights {
        let Some(at) = graph.input.iter().position(|i| i.name == *name) else { continue };
        let input = graph.input.remove(at);
        let kind = input.r#type.and_then(|t| t.value);
        let data_type = match kind {
            Some(tract_onnx::pb::type_proto::Value::TensorType(t)) => t.elem_type,
            None => DataType::Float as i32,
        };
        let dims = shape.iter().map(|&d| d as i64).collect();
        graph.initializer.push(TensorProto { name: input.name, dims, data_type, ..TensorProto::default() });
    }
    let positive = variances(graph);
    let empty = |t: &TensorProto| has_no_data(t);
    let total: u64 = graph.initializer.iter().filter(|t| empty(t)).map(elements).fold(0, u64::saturating_add);
    if total > MAX_ELEMENTS {
        return Err(TractAdapterError::TooLarge { model: model.to_owned(), elements: total, limit: MAX_ELEMENTS });
    }
    for tensor in graph.initializer.iter_mut().filter(|t| empty(t)) {
        let positive = positive.contains(&tensor.name);
        make_up(model, Slot { tensor, positive })?;
    }
    Ok(())
}

/// Names of what normalisations divide by the root of.
fn variances(graph: &GraphProto) -> HashSet<String> {
    let norms = graph.node.iter().filter(|n| n.op_type == "BatchNormalization");
    norms.filter_map(|n| n.input.get(4).cloned()).collect()
}

fn elements(tensor: &TensorProto) -> u64 {
    tensor.dims.iter().fold(1, |n, &d| n.saturating_mul(d.max(0).unsigned_abs()))
}

fn has_no_data(t: &TensorProto) -> bool {
    let inline = t.raw_data.len()
        + t.float_data.len()
        + t.int32_data.len()
        + t.int64_data.len()
        + t.double_data.len()
        + t.uint64_data.len()
        + t.string_data.len();
    inline == 0 && t.external_data.is_empty() && elements(t) > 0
}

fn make_up(model: &str, slot: Slot<'_>) -> Result<()> {
    let Slot { tensor, positive } = slot;
    let n = elements(tensor) as usize;
    // Of a matrix or a kernel, all but the output channels are summed over; which axis these are differs, and the larger
    // sum gives the smaller weights, which is safe as biases keep activations from fading.
    let sizes: Vec<u64> = tensor.dims.iter().map(|&d| d.max(1).unsigned_abs()).collect();
    let fan_in = match sizes.as_slice() {
        [] | [_] => 0,
        [rows, columns] => *rows.max(columns),
        [_, rest @ ..] => rest.iter().product(),
    };
    let spread = if fan_in > 0 { (6.0 / fan_in as f64).sqrt() } else { 0.1 };
    let mut random = SplitMix(seed(&tensor.name));
    if DataType::try_from(tensor.data_type) == Ok(DataType::Bool) {
        tensor.raw_data = (0..n).map(|i| u8::from(i == 0 || (i > 1 && random.unit() < 0.5))).collect();
        return Ok(());
    }
    let mut number = || {
        let unit = random.unit();
        if positive { 0.5 + unit } else { spread * (2.0 * unit - 1.0) }
    };
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => {
            let values = (0..n).flat_map(|_| (number() as f32).to_le_bytes());
            tensor.raw_data = values.collect();
        }
        Ok(DataType::Double) => {
            let values = (0..n).flat_map(|_| number().to_le_bytes());
            tensor.raw_data = values.collect();
        }
        Ok(DataType::Float16) => {
            let values = (0..n).flat_map(|_| half(number()).to_le_bytes());
            tensor.raw_data = values.collect();
        }
        _ => {
            let (model, name) = (model.to_owned(), tensor.name.clone());
            return Err(TractAdapterError::EmptyInitializer { model, name });
        }
    }
    Ok(())
}

/// The bits of the half-precision number next to one that half precision has as a normal number.
fn half(x: f64) -> u16 {
    tract_core::internal::f16::from_f64(x).to_bits()
}

fn seed(name: &str) -> u64 {
    // FNV-1a.
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// Steele, Lea and Flood 2014: a generator of one state word, enough for numbers that only have to differ.
struct SplitMix(u64);

impl SplitMix {
    /// The next number in 0..1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
