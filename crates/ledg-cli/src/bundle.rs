//! The model that answers: a bundle's, or the one that is compiled in; it knows the operators of plugins.

use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::template::TemplateSet;
use ledg_cost_model::{CostModel, MAX_BUNDLE_BYTES, Plugins};

use crate::model_file::read_bytes;

/// The model of `--bundle`, or the model compiled in, with the operators of plugins.
pub fn cost_model(bundle: Option<&Path>, plugins: &Plugins) -> anyhow::Result<Arc<CostModel>> {
    let model = match bundle {
        None => CostModel::default_model()?,
        Some(file) => {
            let bytes = read_bytes(file, MAX_BUNDLE_BYTES)?;
            Arc::new(CostModel::from_bytes(&bytes, &file.display().to_string(), TemplateSet::builtin()?)?)
        }
    };
    Ok(if plugins.templates.is_empty() { model } else { Arc::new(plugins.extend(&model)?) })
}
