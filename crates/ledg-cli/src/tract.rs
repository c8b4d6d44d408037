//! Plans of the tract engine, where the command was built with it.

use std::path::Path;

use ledg_cost_model::graph::{Graph, Limits};

/// The graph of tract's optimised plan of an ONNX file, for a batch size or the model's own.
#[cfg(feature = "tract")]
pub fn plan_graph(path: &Path, dims: &[(String, u64)], limits: Limits, batch: Option<u64>) -> anyhow::Result<Graph> {
    use ledg_tract::{LoadOptions, TractModel};
    let dims = dims.iter().cloned().collect();
    Ok(TractModel::load(path, &LoadOptions { batch, dims, limits })?.graph()?)
}

/// Without tract there are no plans of its making.
#[cfg(not(feature = "tract"))]
pub fn plan_graph(path: &Path, _dims: &[(String, u64)], _limits: Limits, _batch: Option<u64>) -> anyhow::Result<Graph> {
    Err(missing(&format!("{}, as tract plans it", path.display())))
}

/// Refuses what needs a command built with tract, under the name that it was asked for by.
pub fn needed_for(what: &str) -> anyhow::Result<()> {
    #[cfg(not(feature = "tract"))]
    return Err(missing(what));
    #[cfg(feature = "tract")]
    {
        let _ = what;
        Ok(())
    }
}

/// That something needs a command built with tract, and how to build one.
#[cfg(not(feature = "tract"))]
pub fn missing(what: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{what}: this ledg-cost was built without the tract engine; build one that has it with `cargo install --path \
         crates/ledg-cli --features tract` (it takes some minutes more)"
    )
}
