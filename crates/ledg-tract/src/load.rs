//! ONNX, with or without weights, to tract's three stages: typed, decluttered, optimised.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ledg_graph::{Graph, ValueKind};
use ledg_onnx::{OnnxOptions, UnknownPolicy, WeightStyle, WriteOptions, import_bytes, to_onnx};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TypedSimplePlan;

use crate::convert::{GraphOptions, model_graph};
use crate::error::{Result, TractAdapterError};
use crate::facts::tract_error;
use crate::fill::fill;

/// How to load a model.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Batch size to make the plan for; the model's own without it.
    pub batch: Option<u64>,
    /// Sizes of dynamic dimensions, by name or as `input.axis`.
    pub dims: BTreeMap<String, u64>,
    /// Bounds on the graph.
    pub limits: ledg_graph::Limits,
}

/// A model at tract's three stages.
pub struct TractModel {
    /// Name: the file's, or as given.
    pub name: String,
    /// Batch size that the plan is made for.
    pub batch: u64,
    /// As typed: ONNX's operators, nothing rewritten.
    pub typed: TypedModel,
    /// Decluttered: in tract's fewer operators.
    pub decluttered: TypedModel,
    /// The optimised plan.
    pub plan: Arc<TypedSimplePlan>,
    limits: ledg_graph::Limits,
}

impl TractModel {
    /// Loads a file.
    ///
    /// # Errors
    /// What cannot be read; what the ONNX import or tract refuses; integers without data.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<TractModel> {
        let file = path.display().to_string();
        let bytes =
            std::fs::read(path).map_err(|e| TractAdapterError::File { file: file.clone(), why: e.to_string() })?;
        let folder = path.parent().and_then(Path::to_str);
        TractModel::from_bytes(&file, bytes, folder, options)
    }

    /// Loads the bytes of an ONNX file; `folder` is where external data is looked for.
    ///
    /// # Errors
    /// As [`TractModel::load`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>, folder: Option<&str>, options: &LoadOptions) -> Result<TractModel> {
        let import = OnnxOptions {
            dims: options.dims.clone(),
            // tract decides which operators it knows.
            unknown: UnknownPolicy::Report,
            limits: options.limits,
            ..OnnxOptions::default()
        };
        let imported = import_bytes(name, bytes.clone().into(), &import)?.graph;
        let own = leading(&imported).unwrap_or(1);
        let batch = options.batch.unwrap_or(own);
        let (graph, bytes) = if batch == own {
            (imported, bytes)
        } else {
            // Constants that spell out shapes have to follow the batch, which graphs can do and tract cannot.
            let scaled = imported.rescale_batch(batch)?;
            let write = WriteOptions { weights: WeightStyle::EmptyInitializers, ..WriteOptions::default() };
            let bytes = to_onnx(&scaled, &write)?;
            (scaled, bytes)
        };
        let refused = |stage, error: &TractError| tract_error(name, stage, error);
        let mut proto = decode(name, &bytes)?;
        drop(bytes);
        if let Some(body) = &mut proto.graph {
            fill(name, body, &weights(&graph))?;
        }
        let onnx = onnx();
        let parsed = onnx.parse(&proto, folder).map_err(|e| refused("read", &e))?;
        drop(proto);
        if let Some(input) = parsed.unresolved_inputs.first() {
            let why = format!("nothing gives its value `{input}`");
            return Err(TractAdapterError::Tract { model: name.to_owned(), stage: "read", why });
        }
        let mut model = parsed.model;
        pin_inputs(&mut model, &graph).map_err(|e| refused("read", &e))?;
        let typed = model.into_typed().map_err(|e| refused("type", &e))?;
        let decluttered = typed.clone().into_decluttered().map_err(|e| refused("declutter", &e))?;
        let optimised = decluttered.clone().into_optimized().map_err(|e| refused("optimise", &e))?;
        let plan = TypedSimplePlan::new(optimised).map_err(|e| refused("plan", &e))?;
        Ok(TractModel { name: name.to_owned(), batch, typed, decluttered, plan, limits: options.limits })
    }

    /// The graph of the optimised plan, products mapped back to the convolutions that they carry out.
    ///
    /// # Errors
    /// As [`model_graph`].
    pub fn graph(&self) -> Result<Graph> {
        let options = GraphOptions {
            name: Some(self.name.clone()),
            origins: vec![&self.decluttered, &self.typed],
            limits: self.limits,
            ..GraphOptions::default()
        };
        model_graph(self.plan.model(), &options)
    }
}

fn decode(name: &str, bytes: &[u8]) -> Result<ModelProto> {
    let mut reader = bytes;
    onnx().proto_model_for_read(&mut reader).map_err(|e| tract_error(name, "read", &e))
}

/// Names and shapes of the values that are weights, whether the file lists them among its inputs or not.
fn weights(graph: &Graph) -> Vec<(String, Vec<u64>)> {
    let resident = graph.values().iter().filter(|v| matches!(v.kind, ValueKind::Weight | ValueKind::Constant));
    resident.filter_map(|v| Some((v.name.clone(), v.shape.clone()?))).collect()
}

/// Gives the inputs the sizes that the graph's have.
fn pin_inputs(model: &mut InferenceModel, graph: &Graph) -> TractResult<()> {
    let sized: Vec<_> = graph.inputs().iter().map(|&v| graph.value(v)).collect();
    let outlets = model.input_outlets()?.to_vec();
    for (slot, outlet) in outlets.into_iter().enumerate() {
        let name = model.node(outlet.node).name.clone();
        let Some(value) = sized.iter().find(|v| v.name == name) else { continue };
        if let Some(shape) = &value.shape {
            let dims: TVec<TDim> = shape.iter().map(|&d| (d as i64).to_dim()).collect();
            let fact = model.input_fact(slot)?.clone().with_shape(dims);
            model.set_input_fact(slot, fact)?;
        }
    }
    Ok(())
}

/// Dimension 0 that the inputs agree on.
fn leading(graph: &Graph) -> Option<u64> {
    let mut dims = graph.inputs().iter().filter_map(|&v| graph.value(v).shape.as_ref()?.first().copied());
    let first = dims.next()?;
    dims.all(|d| d == first).then_some(first)
}
