//! Graph inputs: which are data and which are weights, and the sizes of their dynamic dimensions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ledg_graph::{DType, Shape};

use crate::error::{OnnxError, UnboundDim};
use crate::fact::Fact;
use crate::import::slots::{Slot, slot};
use crate::options::OnnxOptions;
use crate::proto::{Dimension, GraphProto, ValueInfoProto};
use crate::tensor::dtype;

/// A graph input that no initializer gives a value to.
#[derive(Debug)]
pub(crate) struct GraphInput<'m> {
    pub name: &'m str,
    pub fact: Fact,
    pub is_weight: bool,
}

/// Reads and classifies the inputs, and binds their dimensions.
pub(crate) fn inputs<'m>(
    file: &str,
    graph: &'m GraphProto,
    initializers: &HashSet<&str>,
    options: &OnnxOptions,
) -> Result<Vec<GraphInput<'m>>, OnnxError> {
    let infos: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|i| !initializers.contains(i.name.as_deref().unwrap_or_default())).collect();
    let names: Vec<&str> = infos.iter().map(|i| i.name.as_deref().unwrap_or_default()).collect();
    let mut dtypes = Vec::with_capacity(infos.len());
    for (info, name) in infos.iter().zip(&names) {
        dtypes.push(element_type(info).map_err(|why| value_error(file, name, why))?);
    }
    let weights = match &options.inputs {
        Some(data) => all_but(file, &names, data)?,
        None => weights_by_use(graph, &names, &dtypes),
    };
    let mut binder = Binder { file, options, used: BTreeSet::new(), known: BTreeSet::new(), unbound: Vec::new() };
    let mut result = Vec::with_capacity(infos.len());
    for (((info, name), dtype), is_weight) in infos.iter().zip(names).zip(dtypes).zip(weights) {
        let shape = binder.shape(info, name)?;
        result.push(GraphInput { name, fact: Fact::new(dtype, shape), is_weight });
    }
    binder.finish()?;
    Ok(result)
}

fn value_error(file: &str, value: &str, why: String) -> OnnxError {
    OnnxError::Value { file: file.to_owned(), value: value.to_owned(), why }
}

fn element_type(info: &ValueInfoProto) -> Result<DType, String> {
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or("this input is no tensor (or its type is not given)")?;
    dtype(tensor.elem_type.unwrap_or(0))
}

fn all_but(file: &str, names: &[&str], data: &[String]) -> Result<Vec<bool>, OnnxError> {
    if let Some(wrong) = data.iter().find(|d| !names.contains(&d.as_str())) {
        return Err(OnnxError::NoSuchInput {
            file: file.to_owned(),
            input: wrong.clone(),
            known: names.iter().map(|&n| n.to_owned()).collect(),
        });
    }
    Ok(names.iter().map(|n| !data.iter().any(|d| d == n)).collect())
}

/// The rule that [`crate::import_bytes`] documents.
fn weights_by_use(graph: &GraphProto, names: &[&str], dtypes: &[DType]) -> Vec<bool> {
    let place: HashMap<&str, usize> = names.iter().enumerate().map(|(i, &n)| (n, i)).collect();
    let mut weights = vec![false; names.len()];
    let mut data = vec![false; names.len()];
    for node in &graph.node {
        let op = node.op_type.as_deref().unwrap_or_default();
        for (k, input) in node.input.iter().enumerate() {
            if let Some(&i) = place.get(input.as_str()) {
                let slot = slot(op, k);
                weights[i] |= slot == Slot::Parameter;
                data[i] |= slot == Slot::Data;
            }
        }
    }
    if weights.contains(&true) {
        let begin = (0..names.len()).find(|&i| weights[i] || (i > 0 && dtypes[i].is_float() && !data[i]));
        for i in begin.unwrap_or(names.len())..names.len() {
            weights[i] |= !data[i];
        }
    }
    weights
}

struct Binder<'a> {
    file: &'a str,
    options: &'a OnnxOptions,
    used: BTreeSet<String>,
    known: BTreeSet<String>,
    unbound: Vec<UnboundDim>,
}

impl Binder<'_> {
    /// The shape of an input; 0 stands for what is unbound, which [`Binder::finish`] refuses.
    fn shape(&mut self, info: &ValueInfoProto, name: &str) -> Result<Shape, OnnxError> {
        let shape = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()).and_then(|t| t.shape.as_ref());
        let shape = shape.ok_or_else(|| {
            value_error(
                self.file,
                name,
                "this input has no shape, not even a rank; export the model with shapes".to_owned(),
            )
        })?;
        Ok(shape.dim.iter().enumerate().map(|(axis, dim)| self.size(dim, name, axis)).collect())
    }

    fn size(&mut self, dim: &Dimension, input: &str, axis: usize) -> u64 {
        if let Some(fixed) = static_size(dim) {
            return fixed;
        }
        let by_place = format!("{input}.{axis}");
        let own = dim.dim_param.as_deref().filter(|p| !p.is_empty());
        let name = own.unwrap_or(&by_place).to_owned();
        self.known.insert(name.clone());
        for key in [&by_place, &name] {
            if let Some(&size) = self.options.dims.get(key) {
                self.used.insert(key.clone());
                return size;
            }
        }
        self.unbound.push(UnboundDim { input: input.to_owned(), axis, name });
        0
    }

    fn finish(self) -> Result<(), OnnxError> {
        let file = self.file.to_owned();
        if let Some(dim) = self.options.dims.keys().find(|d| !self.used.contains(*d) && !self.known.contains(*d)) {
            return Err(OnnxError::NoSuchDim { file, dim: dim.clone(), known: self.known.into_iter().collect() });
        }
        if !self.unbound.is_empty() {
            return Err(OnnxError::UnboundDims { file, dims: self.unbound });
        }
        Ok(())
    }
}

/// The size of a dimension that has one. 0 and less stand for "dynamic" in many exporters.
fn static_size(dim: &Dimension) -> Option<u64> {
    dim.dim_value.filter(|&v| v > 0).map(|v| v as u64)
}

/// What the file says of a value's type, in as far as it is complete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub dtype: Option<DType>,
    pub shape: Option<Shape>,
}

/// The declared types of a graph's values, by name.
pub(crate) fn declared(graph: &GraphProto) -> BTreeMap<&str, Declared> {
    let infos = graph.value_info.iter().chain(&graph.output);
    infos.filter_map(|info| Some((info.name.as_deref()?, of_info(info)?))).collect()
}

fn of_info(info: &ValueInfoProto) -> Option<Declared> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let shape = tensor.shape.as_ref().and_then(|s| s.dim.iter().map(static_size).collect());
    Some(Declared { dtype: dtype(tensor.elem_type.unwrap_or(0)).ok(), shape })
}
