//! Hardware by the names people type, each resolved once.

use std::collections::HashMap;
use std::sync::Arc;

use ledg_cost_model::{HardwareRegistry, Platform};

use crate::console::message;
use crate::hardware;

/// The registry and what was resolved so far.
pub struct Platforms {
    registry: HardwareRegistry,
    /// By the text asked for; a failure as its message.
    resolved: HashMap<String, Result<Arc<Platform>, String>>,
}

impl Platforms {
    /// What a registry holds.
    pub fn new(registry: HardwareRegistry) -> Self {
        Platforms { registry, resolved: HashMap::new() }
    }

    /// The platform of `DEVICE[:RUNTIME]` or `FILE.toml[:RUNTIME]`.
    pub fn resolve(&mut self, spec: &str) -> anyhow::Result<Arc<Platform>> {
        if !self.resolved.contains_key(spec) {
            let platform = hardware::resolve(&self.registry, spec).map(Arc::new).map_err(|e| message(&e));
            self.resolved.insert(spec.to_owned(), platform);
        }
        self.resolved[spec].clone().map_err(anyhow::Error::msg)
    }
}
