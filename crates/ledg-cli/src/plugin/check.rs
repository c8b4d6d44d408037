//! `ledg-cost plugin check`: a report for the plugin's author.

use std::io::{self, Write};
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ledg_cost_model::plugin::{Cost, DeviceReport, Near, OperatorReport, PluginReport, REFERENCE_BATCHES};
use ledg_cost_model::template::check::{Problem, Severity};
use ledg_cost_model::text::TextTable;
use ledg_cost_model::text::units::{count, duration, duration_span, share};
use ledg_cost_model::{CostModel, Plugins, plugin};
use serde_json::{Value, json};

use crate::Outcome;
use crate::args::TextFormat;

/// Checks a plugin.
pub fn run(dir: &Path, format: TextFormat, known: &Plugins, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let model = CostModel::default_model()?;
    let report = plugin::check(dir, known, &model)?;
    match format {
        TextFormat::Text => text(&report, out)?,
        TextFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&value(&report))?)?,
    }
    Ok(if report.count(Severity::Error) > 0 { Outcome::Failed } else { Outcome::Done })
}

fn text(report: &PluginReport, out: &mut dyn Write) -> io::Result<()> {
    let version = report.manifest.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
    writeln!(out, "plugin {}{version}: {}", report.manifest.name, verdict(report))?;
    for problem in &report.problems {
        writeln!(out, "\n{}", drawn(problem, report))?;
    }
    for (name, words) in &report.frameworks {
        writeln!(out, "\nruntime {name}: said as `{words}`")?;
    }
    for device in &report.devices {
        device_text(device, out)?;
    }
    if !report.operators.is_empty() {
        operators_text(&report.operators, out)?;
    }
    Ok(())
}

fn verdict(report: &PluginReport) -> String {
    let many = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let problems = match (report.count(Severity::Error), report.count(Severity::Warning)) {
        (0, 0) => "no problem".to_owned(),
        (errors, warnings) => format!("{}, {}", many(errors, "error"), many(warnings, "warning")),
    };
    let fine = format!("{}, {}", many(report.devices.len(), "device"), many(report.operators.len(), "operator"));
    let unusual = match report.devices.iter().map(|device| device.unusual.len()).sum() {
        0 => String::new(),
        n => format!("; {} about their figures", many(n, "doubt")),
    };
    format!("{problems}; {fine} in files without errors{unusual}")
}

/// A problem as compilers draw it: file, line and column, the line itself, what is meant, what to do.
fn drawn(problem: &Problem, report: &PluginReport) -> String {
    let level = if problem.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
    let text = report.files.iter().find(|(file, _)| *file == problem.file).map_or("", |(_, text)| text.as_str());
    let snippet = Snippet::source(text).path(problem.file.as_str());
    let snippet = snippet.annotation(AnnotationKind::Primary.span(problem.place.span()));
    let title = level.primary_title(problem.message.as_str()).element(snippet);
    Renderer::plain().render(&[title.element(Level::HELP.message(problem.suggestion.as_str()))]).to_string()
}

fn device_text(report: &DeviceReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\ndevice {}", report.device.name)?;
    for (i, (runtime, sentence)) in report.sentences.iter().enumerate() {
        writeln!(out, "  {runtime}{}: {sentence}", if i == 0 { " (default)" } else { "" })?;
    }
    let list = |near: &[Near], shown: fn(f64) -> String| {
        let all: Vec<String> = near.iter().map(|n| format!("{} ({})", n.name, shown(n.nearness))).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    writeln!(out, "  nearest by sentence: {}", list(&report.by_words, |x| format!("cosine {x:.3}")))?;
    writeln!(out, "  nearest by figures: {}", list(&report.by_sheet, |x| format!("x{x:.2} apart")))?;
    for note in &report.unusual {
        writeln!(out, "  unusual: {note}")?;
    }
    match &report.no_cost {
        Some(why) => writeln!(out, "  no cost: {why}"),
        None => write!(out, "{}", cost_table(&report.costs)),
    }
}

fn cost_table(costs: &[Cost]) -> TextTable {
    let beside = costs.iter().find_map(|c| c.beside.as_ref()).map_or("nearest", |(name, _)| name.as_str());
    let mut table =
        TextTable::new(&["network", ">batch", ">latency", "90 % interval", ">of peak", &format!(">{beside}")]);
    for cost in costs {
        table.row(&[
            cost.network.to_owned(),
            cost.batch.to_string(),
            duration(cost.estimate.latency_s),
            duration_span(cost.estimate.lo_s, cost.estimate.hi_s),
            share(cost.of_peak),
            cost.beside.as_ref().map_or_else(String::new, |(_, s)| duration(*s)),
        ]);
    }
    table
}

fn operators_text(operators: &[OperatorReport], out: &mut dyn Write) -> io::Result<()> {
    let mut table = TextTable::new(&["operator", "at", "sentence", ">FLOP", ">MAC", ">read", ">written", ">weights"]);
    for operator in operators {
        if operator.samples.is_empty() {
            table.row(&[operator.name.as_str(), "a view: it costs nothing"]);
        }
        for (what, node) in &operator.samples {
            let m = &node.magnitudes;
            table.row(&[
                operator.name.clone(),
                (*what).to_owned(),
                node.sentence.clone(),
                count(m.flops),
                count(node.macs),
                count(m.read_elems),
                count(m.write_elems),
                count(m.weight_elems),
            ]);
        }
    }
    write!(out, "\n{table}")
}

fn value(report: &PluginReport) -> Value {
    let problem = |p: &Problem| {
        json!({
            "severity": p.severity.name(), "file": p.file, "line": p.place.line, "column": p.place.column,
            "message": p.message, "suggestion": p.suggestion,
        })
    };
    let near = |near: &[Near]| near.iter().map(|n| json!({"name": n.name, "nearness": n.nearness})).collect::<Vec<_>>();
    let cost = |c: &Cost| {
        json!({
            "network": c.network, "batch": c.batch, "latency_s": c.estimate.latency_s, "lo_s": c.estimate.lo_s,
            "hi_s": c.estimate.hi_s, "of_peak": c.of_peak,
            "beside": c.beside.as_ref().map(|(name, s)| json!({"name": name, "latency_s": s})),
        })
    };
    let device = |d: &DeviceReport| {
        json!({
            "name": d.device.name,
            "sentences": d.sentences.iter().map(|(r, s)| json!({"runtime": r, "sentence": s})).collect::<Vec<_>>(),
            "nearest_by_sentence": near(&d.by_words), "nearest_by_figures": near(&d.by_sheet),
            "unusual": d.unusual, "costs": d.costs.iter().map(cost).collect::<Vec<_>>(), "no_cost": d.no_cost,
        })
    };
    let operator = |o: &OperatorReport| {
        let samples = o.samples.iter().map(|(at, n)| {
            let m = &n.magnitudes;
            json!({
                "at": at, "sentence": n.sentence, "flops": m.flops, "macs": n.macs, "read_elems": m.read_elems,
                "write_elems": m.write_elems, "weight_elems": m.weight_elems,
            })
        });
        json!({"name": o.name, "samples": samples.collect::<Vec<_>>()})
    };
    json!({
        "name": report.manifest.name, "version": report.manifest.version,
        "problems": report.problems.iter().map(problem).collect::<Vec<_>>(),
        "frameworks": report.frameworks.iter().map(|(n, w)| json!({"name": n, "words": w})).collect::<Vec<_>>(),
        "devices": report.devices.iter().map(device).collect::<Vec<_>>(),
        "operators": report.operators.iter().map(operator).collect::<Vec<_>>(),
        "batches": REFERENCE_BATCHES,
    })
}
