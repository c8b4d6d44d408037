//! From files and names to what the page shows.

use std::collections::HashMap;

use anyhow::Context;
use ledg_cost_model::{CostModel, DescribedGraph, Platform, Plugins, PredictOptions};

use super::args::ReportArgs;
use super::blocks::blocks;
use super::data::{Device, Estimate, Model, Node, Report, Sentence, rounded};
use super::layout::Layout;
use super::warnings::{Asked, warnings};
use crate::console::Console;
use crate::predict::engine::{Engine, Readied};
use crate::predict::platforms::Platforms;

/// Reads, predicts and arranges. Whatever is refused fails it all: a page with holes would be read as complete.
pub fn report(args: &ReportArgs, plugins: &Plugins, model: &CostModel, console: &Console) -> anyhow::Result<Report> {
    let mut platforms = Platforms::new(plugins.hardware.clone());
    let import = args.import.with(plugins);
    let options = PredictOptions { coverage: args.interval, per_node: true };
    let on: Vec<Platform> = args
        .hardware
        .iter()
        .map(|spec| Ok(platforms.resolve(spec)?.as_ref().clone()))
        .collect::<anyhow::Result<_>>()?;
    let devices: Vec<Device> = args
        .hardware
        .iter()
        .zip(&on)
        .map(|(spec, platform)| device(spec, platform, model))
        .collect::<Result<_, _>>()?;
    let engine = Engine { model, import: &import, options, console };
    let (mut models, mut estimates) = (Vec::new(), Vec::new());
    for path in &args.models {
        let label = path.display().to_string();
        let Readied { graph: prepared, contradictions } = engine.prepare(path, args.batch, &label)?;
        let described = prepared.described();
        let batch = args.batch.unwrap_or(described.batch);
        let asked: Vec<(Platform, u64)> = on.iter().map(|platform| (platform.clone(), batch)).collect();
        let answers = model.predict(&prepared, &asked, &options).with_context(|| label.clone())?;
        let shown = network(&label, batch, described, model);
        for (device, (answer, platform)) in answers.into_iter().zip(&on).enumerate() {
            let nodes = answer.nodes.iter().map(|n| [n.compute_s, n.issue_s, n.memory_s, n.launch_s].map(rounded));
            let nodes: Vec<[f64; 4]> = nodes.collect();
            estimates.push(Estimate {
                warnings: warnings(&Asked {
                    model,
                    platform,
                    described,
                    contradictions: contradictions.as_deref(),
                    batch,
                    answer: &answer,
                    shown: &shown,
                    nodes: &nodes,
                }),
                model: models.len(),
                device,
                latency_s: rounded(answer.latency_s),
                lo_s: rounded(answer.lo_s),
                hi_s: rounded(answer.hi_s),
                known: answer.known,
                calibrated: answer.calibrated,
                nodes,
            });
        }
        models.push(shown);
    }
    let provenance = &model.header().provenance;
    Ok(Report {
        coverage: args.interval,
        version: env!("CARGO_PKG_VERSION"),
        trained_on: format!(
            "{} measurements of {} networks on {} platforms, {}",
            provenance.records,
            provenance.graphs,
            provenance.platforms.len(),
            provenance.date
        ),
        models,
        devices,
        estimates,
    })
}

fn device(spec: &str, platform: &Platform, model: &CostModel) -> anyhow::Result<Device> {
    let raw = model.sees(platform)?;
    Ok(Device {
        label: spec.to_owned(),
        platform: platform.to_string(),
        kind: raw.kind.name(),
        measured: model.has_measured(raw.device()),
        matmul_flops: rounded(raw.rates.matmul_flops),
        vector_flops: rounded(raw.rates.vector_flops),
        peak_flops: rounded(platform.numbers().peak_matmul_flops),
        bandwidth_bytes_s: rounded(raw.rates.bandwidth_bytes_s),
        bytes_per_element: raw.rates.bytes_per_element,
    })
}

fn network(label: &str, batch: u64, described: &DescribedGraph, model: &CostModel) -> Model {
    let factor = batch as f64 / described.unit as f64;
    let sentences = described.sentences();
    let place: HashMap<&str, usize> = sentences.iter().enumerate().map(|(i, s)| (*s, i)).collect();
    let (block_of, blocks) = blocks(described);
    let nodes = described.nodes.iter().zip(&described.origins).zip(&block_of).map(|((n, origins), &block)| {
        let m = n.magnitudes.scaled_batch(factor);
        Node {
            name: n.name.clone(),
            op: n.op.to_string(),
            sentence: place[n.sentence.as_str()],
            known: n.known,
            block,
            contraction: n.macs > 0.0,
            flops: rounded(m.flops),
            activations: rounded(m.read_elems + m.write_elems),
            weights: rounded(m.weight_elems),
            origins: if origins.len() > 1 { origins.clone() } else { Vec::new() },
        }
    });
    let n = described.nodes.len();
    let edges: Vec<[u32; 2]> = (0..n)
        .flat_map(|son| described.relations.fathers.row(son).iter().map(move |&father| [father, son as u32]))
        .collect();
    let total = described.magnitudes().scaled_batch(factor);
    Model {
        label: label.to_owned(),
        hash: described.hash.to_string(),
        batch,
        flops: rounded(total.flops),
        params: rounded(total.params),
        layout: Layout::new(n, &edges),
        nodes: nodes.collect(),
        edges,
        blocks,
        sentences: sentences
            .iter()
            .map(|s| Sentence { text: (*s).to_owned(), trained: model.has_trained_on(s) })
            .collect(),
    }
}
