//! tract's facts as values of a graph: element types, shapes with symbols bound, constants.

use ledg_graph::{ConstData, DType, Shape};
use tract_core::internal::*;

use crate::error::{Result, TractAdapterError};

/// Integers and scalars up to this many elements keep their data.
const KEPT_ELEMENTS: usize = 64;

/// What to do with shapes whose symbols have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unbound {
    /// Refuse the model, naming the node.
    #[default]
    Refuse,
    /// Keep them: the value's shape is unknown, and nodes that depend on it are reported as such. The graph's inputs need
    /// sizes nevertheless.
    Keep,
}

/// A model with values for its symbols.
pub(crate) struct Facts<'a> {
    pub model: &'a TypedModel,
    pub name: &'a str,
    symbols: SymbolValues,
    policy: Unbound,
}

impl<'a> Facts<'a> {
    /// Binds symbols by name.
    pub fn new<'b>(
        model: &'a TypedModel,
        name: &'a str,
        bound: impl IntoIterator<Item = (&'b String, &'b i64)>,
        unbound: Unbound,
    ) -> Result<Self> {
        let mut symbols = SymbolValues::default();
        for (symbol, &value) in bound {
            let found = model
                .symbols
                .get(symbol)
                .ok_or_else(|| TractAdapterError::NoSuchSymbol { model: name.to_owned(), symbol: symbol.clone() })?;
            symbols.set(&found, value);
        }
        Ok(Facts { model, name, symbols, policy: unbound })
    }

    /// The same binding over a model nested in this one.
    pub fn nested(&self, body: &'a TypedModel) -> Facts<'a> {
        Facts { model: body, name: self.name, symbols: self.symbols.clone(), policy: Unbound::Keep }
    }

    /// A dimension as a number; `None` where a symbol in it has no value.
    pub fn dim(&self, dim: &TDim) -> Option<u64> {
        dim.eval(&self.symbols).to_i64().ok().and_then(|d| u64::try_from(d).ok())
    }

    /// Dimensions as numbers.
    pub fn dims(&self, dims: &[TDim]) -> Option<Shape> {
        dims.iter().map(|d| self.dim(d)).collect()
    }

    /// The facts of a node's inputs.
    pub fn inputs(&self, node: &TypedNode) -> Result<TVec<&'a TypedFact>> {
        self.model.node_input_facts(node.id).map_err(|e| self.refused(&e))
    }

    /// The shape of a value. A packed operand has its outer dimensions and then the elements of one panel buffer, which
    /// include what padding adds.
    pub fn shape(&self, node: &str, fact: &TypedFact) -> Result<Option<Shape>> {
        let mut shape = self.dims(&fact.shape);
        if let (Some(outer), Some(exotic)) = (&mut shape, fact.exotic_fact()) {
            let bytes: Option<u64> = exotic.buffer_sizes().iter().map(|d| self.dim(d)).sum();
            let size = fact.datum_type.size_of().max(1) as u64;
            match bytes {
                Some(bytes) => outer.push(bytes / size),
                None => shape = None,
            }
        }
        if shape.is_none() && self.policy == Unbound::Refuse {
            return Err(self.unbound(node, fact));
        }
        Ok(shape)
    }

    /// That a shape depends on a symbol without a value.
    pub fn unbound(&self, node: &str, fact: &TypedFact) -> TractAdapterError {
        let (model, node) = (self.name.to_owned(), node.to_owned());
        TractAdapterError::UnboundSymbol { model, node, shape: format!("{:?}", fact.shape) }
    }

    /// The element type of a value.
    pub fn dtype(&self, node: &str, dt: DatumType) -> Result<DType> {
        dtype(dt).ok_or_else(|| TractAdapterError::ElementType {
            model: self.name.to_owned(),
            node: node.to_owned(),
            dtype: format!("{dt:?}"),
        })
    }

    /// What tract refused while the model was looked at.
    pub fn refused(&self, error: &TractError) -> TractAdapterError {
        tract_error(self.name, "describe", error)
    }
}

/// An error of tract's with its causes on one line.
pub(crate) fn tract_error(model: &str, stage: &'static str, error: &TractError) -> TractAdapterError {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    TractAdapterError::Tract { model: model.to_owned(), stage, why: causes.join(": ") }
}

fn dtype(dt: DatumType) -> Option<DType> {
    Some(match dt.unquantized() {
        DatumType::F64 => DType::F64,
        DatumType::F32 => DType::F32,
        DatumType::F16 => DType::F16,
        DatumType::I64 | DatumType::TDim => DType::I64,
        DatumType::I32 => DType::I32,
        DatumType::I16 => DType::I16,
        DatumType::I8 => DType::I8,
        DatumType::U64 => DType::U64,
        DatumType::U32 => DType::U32,
        DatumType::U16 => DType::U16,
        DatumType::U8 => DType::U8,
        DatumType::Bool => DType::Bool,
        DatumType::String => DType::String,
        _ => return None,
    })
}

/// The data of a constant that is part of the computation's definition: few integers, or one number.
pub(crate) fn small_data(tensor: &Tensor) -> Option<ConstData> {
    if !tensor.is_plain() || tensor.len() > KEPT_ELEMENTS {
        return None;
    }
    let dt = tensor.datum_type();
    if dt.is_float() {
        let one = (tensor.len() == 1).then(|| tensor.cast_to::<f64>().ok())??;
        return Some(ConstData::Floats(plain::<f64>(&one)?));
    }
    if dt.is_integer() || dt == DatumType::Bool || dt.is_tdim() {
        let wide = tensor.cast_to::<i64>().ok()?;
        return Some(ConstData::Ints(plain::<i64>(&wide)?));
    }
    None
}

/// The only number of a tensor that holds one number, or one number everywhere.
pub(crate) fn one_number(fact: &TypedFact) -> Option<f64> {
    let tensor = fact.uniform.as_ref().or(fact.konst.as_ref())?;
    if !tensor.is_plain() || tensor.len() != 1 {
        return None;
    }
    plain::<f64>(&*tensor.cast_to::<f64>().ok()?)?.first().copied()
}

fn plain<T: Datum + Copy>(tensor: &Tensor) -> Option<Vec<T>> {
    Some(tensor.try_as_plain_ram().ok()?.as_slice::<T>().ok()?.to_vec())
}
