//! Building and describing many small graphs, on all processors, in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ledg_cost_model::graph::Graph;
use ledg_cost_model::{DescribedGraph, Describer};

/// Items that a thread takes at a time.
const CHUNK: usize = 32;

/// Describes the graph that `build` makes of each item, in the order of the items. The graphs must scale with the batch,
/// as records of several batch sizes refer to them.
pub fn describe_all<T: Sync>(
    what: &str,
    items: &[T],
    describer: &Describer,
    build: impl Fn(&T) -> Result<Graph> + Sync,
) -> Result<Vec<Arc<DescribedGraph>>> {
    let style = ProgressStyle::with_template(&format!("{what}  {{bar:30}} {{pos}}/{{len}} {{elapsed}}"))?;
    let bar = ProgressBar::new(items.len() as u64).with_style(style);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![None; items.len()]));
    let work = || -> Result<()> {
        loop {
            let start = CHUNK * next.fetch_add(1, Ordering::Relaxed);
            let chunk = items.get(start..(start + CHUNK).min(items.len())).unwrap_or_default();
            if chunk.is_empty() {
                return Ok(());
            }
            let described = chunk.iter().map(|item| one(&build(item)?, describer)).collect::<Result<Vec<_>>>();
            let described = described.with_context(|| format!("{what}, from item {start}"))?;
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (slot, graph) in done[start..].iter_mut().zip(described) {
                *slot = Some(graph);
            }
            bar.inc(chunk.len() as u64);
        }
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a describing thread panicked"))?)
    })?;
    bar.finish_and_clear();
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(done.into_iter().flatten().collect())
}

fn one(graph: &Graph, describer: &Describer) -> Result<Arc<DescribedGraph>> {
    let mut described = describer.describe(graph)?;
    if let Some(why) = described.scaling.why() {
        bail!("{}: does not scale with the batch: {why}", described.name);
    }
    if let Some(node) = described.nodes.iter().find(|n| !n.known) {
        bail!("{}: no template knows {} ({})", described.name, node.name, node.op);
    }
    // Names are for people; by the hundred thousand graphs they would be most of the memory.
    described.origins = Vec::new();
    for node in &mut described.nodes {
        node.name = String::new();
        node.sentence.shrink_to_fit();
    }
    Ok(Arc::new(described))
}
