//! The page: the template filled in, styles and scripts within.

use ledg_cost_model::text::units;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;

use super::data::Report;
use super::warnings::Warning;

const TEMPLATE: &str = include_str!("../../assets/report/page.html");
const STYLE: &str = include_str!("../../assets/report/page.css");
/// In the order in which they run.
const SCRIPTS: [&str; 7] = [
    include_str!("../../assets/report/state.js"),
    include_str!("../../assets/report/format.js"),
    include_str!("../../assets/report/times.js"),
    include_str!("../../assets/report/tables.js"),
    include_str!("../../assets/report/roofline.js"),
    include_str!("../../assets/report/graph.js"),
    include_str!("../../assets/report/main.js"),
];

/// An estimate as the template shows it.
#[derive(Serialize)]
struct Row<'a> {
    index: usize,
    model: &'a str,
    device: &'a str,
    platform: &'a str,
    /// The platform without its device, in words that a narrow cell can break.
    runtime: String,
    batch: u64,
    latency: String,
    span: String,
    known: String,
    /// Ends of the bar's parts, per cent of the widest.
    lo: String,
    mid: String,
    hi: String,
    warnings: &'a [Warning],
}

/// A warning and the estimates that have it.
#[derive(Serialize)]
struct Shared<'a> {
    about: &'static str,
    text: &'a str,
    of: Vec<String>,
}

/// The page of a report.
pub fn render(report: &Report) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("page.html", TEMPLATE)?;
    let widest = report.estimates.iter().map(|e| e.hi_s).fold(0.0, f64::max);
    let percent = |seconds: f64| format!("{:.2}", seconds / widest * 100.0);
    let rows = report.estimates.iter().enumerate().map(|(index, e)| {
        let (model, device) = (&report.models[e.model], &report.devices[e.device]);
        Row {
            index,
            model: &model.label,
            device: &device.label,
            platform: &device.platform,
            runtime: device.platform.split_once(':').map_or(String::new(), |(_, runtime)| runtime.replace('/', " · ")),
            batch: model.batch,
            latency: units::duration(e.latency_s),
            span: units::duration_span(e.lo_s, e.hi_s),
            known: units::share(e.known),
            lo: percent(e.lo_s),
            mid: percent(e.latency_s),
            hi: percent(e.hi_s),
            warnings: &e.warnings,
        }
    });
    let rows: Vec<Row> = rows.collect();
    environment.get_template("page.html")?.render(context! {
        report => context! { version => report.version, trained_on => &report.trained_on },
        one_model => report.models.len() == 1,
        title => title(report),
        models => report.models.iter().map(|m| m.label.as_str()).collect::<Vec<_>>().join(", "),
        coverage => units::share(report.coverage + 1e-9),
        widest => units::duration(widest),
        warnings => Value::from(Serde(shared_warnings(report))),
        rows => Value::from(Serde(&rows)),
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPTS.join("\n")),
        data => Value::from_safe_string(script_safe_json(report)?),
    })
}

fn title(report: &Report) -> String {
    let devices = match report.devices.len() {
        1 => report.devices[0].label.clone(),
        n => format!("{n} devices"),
    };
    match report.models.len() {
        // A path's folders say nothing of the network and fill a phone's screen; the heading's tooltip has them.
        1 => format!("{} on {devices}", file_name(&report.models[0].label)),
        n => format!("{n} models on {devices}"),
    }
}

/// The last part of a path.
fn file_name(label: &str) -> std::borrow::Cow<'_, str> {
    std::path::Path::new(label).file_name().map_or(label.into(), std::ffi::OsStr::to_string_lossy)
}

/// Warnings in order of appearance, each once.
fn shared_warnings(report: &Report) -> Vec<Shared<'_>> {
    let mut all: Vec<Shared> = Vec::new();
    for e in &report.estimates {
        let (model, device) = (&report.models[e.model].label, &report.devices[e.device].label);
        let of = if report.models.len() > 1 { format!("{model} on {device}") } else { device.clone() };
        for warning in &e.warnings {
            match all.iter_mut().find(|w| w.about == warning.about && w.text == warning.text) {
                Some(known) => known.of.push(of.clone()),
                None => all.push(Shared { about: warning.about, text: &warning.text, of: vec![of.clone()] }),
            }
        }
    }
    all
}

/// JSON that cannot end the script element it stands in, nor begin a comment there.
fn script_safe_json(report: &Report) -> Result<String, minijinja::Error> {
    let json = serde_json::to_string(report)
        .map_err(|e| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, e.to_string()))?;
    Ok(json.replace('<', "\\u003c"))
}
