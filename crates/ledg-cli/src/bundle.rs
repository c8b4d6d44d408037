//! The model that answers: a bundle's, or the one that is compiled in.

use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{CostModel, MAX_BUNDLE_BYTES};

use crate::model_file::read_bytes;

/// The model of `--bundle`, or the model compiled in.
pub fn cost_model(bundle: Option<&Path>) -> anyhow::Result<Arc<CostModel>> {
    let Some(file) = bundle else { return Ok(CostModel::default_model()?) };
    let bytes = read_bytes(file, MAX_BUNDLE_BYTES)?;
    Ok(Arc::new(CostModel::from_bytes(&bytes, &file.display().to_string(), TemplateSet::builtin()?)?))
}
