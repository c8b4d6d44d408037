//! Tensors and constants of the file: what they are (weight or constant), and their data where it is small.

use std::rc::Rc;

use ledg_graph::{ConstData, DType};

use crate::error::OnnxError;
use crate::fact::Fact;
use crate::import::attributes::resolved;
use crate::import::walk::{Frame, Role, Walker};
use crate::proto::{AttributeProto, NodeProto, TensorProto};

/// A float initializer of up to this many elements may be a scale or a size in shape arithmetic, so its data is kept.
const STEERING_ELEMENTS: u64 = 8;

impl<'m> Walker<'_, 'm> {
    pub(super) fn tensor_error(&self, name: &str, why: String) -> OnnxError {
        OnnxError::Tensor { file: self.file.to_owned(), tensor: name.to_owned(), why }
    }

    /// The fact and role of a tensor of the file, by the rule that [`crate::import_bytes`] documents.
    pub(super) fn tensor(
        &self,
        tensor: &TensorProto,
        name: &str,
        is_parameter: bool,
    ) -> Result<(Fact, Role), OnnxError> {
        let error = |why| self.tensor_error(name, why);
        let (dtype, shape) = tensor.header().map_err(error)?;
        let elements = shape.iter().fold(1u64, |n, &d| n.saturating_mul(d));
        // Integers of 8 bits and less are quantised weights, unless they are a single zero point.
        let is_weight =
            is_parameter || (elements > 1 && (dtype.is_float() || (dtype.bits() <= 8 && dtype != DType::Bool)));
        let limit = if is_weight { STEERING_ELEMENTS } else { self.options.max_constant_elements };
        let data = tensor.data(limit).map_err(error)?;
        // A single number without its value was stripped from the file with the weights, so it is one.
        let is_weight = is_weight || (dtype.is_float() && data.is_none());
        let role = if is_weight { Role::Weight } else { Role::Constant };
        Ok((Fact { dtype, shape: Some(shape), data: data.map(Rc::new) }, role))
    }

    /// The value of a Constant node.
    pub(super) fn constant(&mut self, node: &'m NodeProto, frame: &Frame<'_, 'm>) -> Result<usize, OnnxError> {
        let name = node.output.first().map_or("", String::as_str);
        let (given, attribute) =
            resolved(node, frame.arguments).next().ok_or_else(|| self.error(node, "it has no value"))?;
        let (fact, role) = match (given, &attribute.t, &attribute.sparse_tensor) {
            ("value", Some(tensor), _) => self.tensor(tensor, name, false)?,
            ("sparse_value", _, Some(sparse)) => {
                let values =
                    sparse.values.as_ref().ok_or_else(|| self.error(node, "its sparse tensor has no values"))?;
                let (dtype, _) = values.header().map_err(|why| self.error(node, why))?;
                let shape = crate::tensor::shape(&sparse.dims).map_err(|why| self.error(node, why))?;
                (Fact::new(dtype, shape), Role::Weight)
            }
            _ => (
                constant_of(given, attribute)
                    .ok_or_else(|| self.error(node, format!("its value `{given}` cannot be read")))?,
                Role::Constant,
            ),
        };
        self.add(name.to_owned(), fact, role)
    }
}

/// The value of a Constant node whose attribute is no tensor.
fn constant_of(name: &str, a: &AttributeProto) -> Option<Fact> {
    let scalar = |dtype, data| Some(Fact::new(dtype, Vec::new()).with_data(data));
    match name {
        "value_int" => scalar(DType::I64, ConstData::Ints(vec![a.i?])),
        "value_float" => scalar(DType::F32, ConstData::Floats(vec![f64::from(a.f?)])),
        "value_ints" => Some(Fact::ints(DType::I64, a.ints.clone())),
        "value_floats" => {
            let data = ConstData::Floats(a.floats.iter().map(|&f| f64::from(f)).collect());
            Some(Fact::new(DType::F32, vec![a.floats.len() as u64]).with_data(data))
        }
        "value_string" => Some(Fact::new(DType::String, Vec::new())),
        "value_strings" => Some(Fact::new(DType::String, vec![a.strings.len() as u64])),
        _ => None,
    }
}
