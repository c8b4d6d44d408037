//! A plugin looked at from all sides: what is wrong, what will be said, what it is near to, what it would cost.

use std::path::Path;
use std::sync::Arc;

use ledg_template::check::{Problem, Severity};
use ledg_template::hardware::{Device, Platform};
use ledg_template::{NodeDescription, Place};

use super::folder::{Manifest, PluginFolder};
use super::nearest::{Near, nearest_by_sheet, nearest_by_words, unusual};
use super::{PLUGIN_SCHEMA, Plugins};
use crate::error::Result;
use crate::estimate::{Estimate, PredictOptions};
use crate::model::{CostModel, PreparedGraph};

/// The networks that are costed: name, weightless ONNX file, sizes of its dynamic dimensions.
pub const REFERENCE_NETWORKS: [ReferenceNetwork; 3] = [
    ("resnet18", include_bytes!("../../../../tests/fixtures/resnet18.onnx"), &[]),
    ("mobilenet_v2", include_bytes!("../../../../tests/fixtures/mobilenet_v2.onnx"), &[]),
    ("bert_base", include_bytes!("../../../../tests/fixtures/bert_base.onnx"), &[("batch", 1), ("sequence", 128)]),
];

/// Name, weightless ONNX file, sizes of its dynamic dimensions.
pub type ReferenceNetwork = (&'static str, &'static [u8], &'static [(&'static str, u64)]);

/// The batch sizes that they are costed at.
pub const REFERENCE_BATCHES: [u64; 2] = [1, 32];

/// Devices of each list of nearest ones.
const N_NEAREST: usize = 3;

/// What a check found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PluginReport {
    /// What the plugin says it is.
    pub manifest: Manifest,
    /// Its files, `(name, text)`, for printing the lines that problems are about.
    pub files: Vec<(String, String)>,
    /// Every problem, by file and place.
    pub problems: Vec<Problem>,
    /// The devices of the files without errors.
    pub devices: Vec<DeviceReport>,
    /// The operators of the files without errors.
    pub operators: Vec<OperatorReport>,
    /// Frameworks whose words the plugin adds to sentences: name and words.
    pub frameworks: Vec<(String, String)>,
}

/// A device.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeviceReport {
    /// The device.
    pub device: Arc<Device>,
    /// Its runtimes, and what is said of the device on each.
    pub sentences: Vec<(String, String)>,
    /// The nearest devices by the embedding of the default runtime's sentence.
    pub by_words: Vec<Near>,
    /// The nearest devices by figures, in the default runtime's precision.
    pub by_sheet: Vec<Near>,
    /// Ratios far outside of those of all known devices, and networks predicted faster than the peak allows.
    pub unusual: Vec<String>,
    /// What the reference networks cost, on the device and on the nearest one by figures that can be costed.
    pub costs: Vec<Cost>,
    /// Why nothing can be costed, if nothing can.
    pub no_cost: Option<String>,
}

/// What a reference network costs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Cost {
    /// The network.
    pub network: &'static str,
    /// The batch size.
    pub batch: u64,
    /// The estimate on the device.
    pub estimate: Estimate,
    /// The network's operations against the device's peak, 0 to 1.
    pub of_peak: f64,
    /// A known device, and its latency in seconds.
    pub beside: Option<(String, f64)>,
}

/// An operator.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OperatorReport {
    /// Its name.
    pub name: String,
    /// What the template says at ordinary sizes, each with a word about these.
    pub samples: Vec<(&'static str, NodeDescription)>,
}

impl PluginReport {
    /// Number of problems of a kind.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|p| p.severity == severity).count()
    }
}

/// Checks a plugin's folder on top of what is known, and costs the reference networks by a model.
///
/// # Errors
/// A folder that cannot be read. What is wrong with its files is in the report.
pub fn check(dir: &Path, known: &Plugins, model: &CostModel) -> Result<PluginReport> {
    let mut folder = PluginFolder::texts(dir)?;
    let mut problems = check_manifest(&mut folder);
    let hardware = known.hardware.check_files(&folder.hardware);
    problems.extend(hardware.problems);
    let templates = known.template_set()?.check_files(&folder.templates);
    problems.extend(templates.problems);
    let mut operators = Vec::new();
    for name in &templates.operators {
        let samples = templates.set.samples(name)?;
        problems.extend(idle(&folder.templates, name, &samples));
        operators.push(OperatorReport { name: name.clone(), samples });
    }
    let networks = reference_networks(model)?;
    let registry = &hardware.registry;
    let mut devices = Vec::new();
    for device in hardware.devices {
        let platform = Platform::new(Arc::clone(&device), device.default_runtime.clone())?;
        let by_sheet = nearest_by_sheet(registry, &platform, 4 * N_NEAREST);
        let beside = by_sheet.iter().find_map(|near| {
            let spec = format!("{}:{}", near.name, platform.runtime.precision);
            registry.resolve(&spec).ok().filter(|p| p.device.memory_bandwidth_gb_s.is_some())
        });
        let (costs, no_cost) = match costs(model, &networks, &platform, beside.as_ref()) {
            Ok(costs) => (costs, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let mut unusual = unusual(registry, &platform);
        unusual.extend(costs.iter().filter(|c| c.of_peak > 1.0).map(beyond_peak));
        devices.push(DeviceReport {
            sentences: sentences(&device)?,
            by_words: nearest_by_words(model.encoder(), registry, &platform, N_NEAREST)?,
            by_sheet: by_sheet.into_iter().take(N_NEAREST).collect(),
            unusual,
            costs,
            no_cost,
            device,
        });
    }
    let old: Vec<String> = known.hardware.frameworks().map(|f| f.name.clone()).collect();
    let frameworks = registry.frameworks().filter(|f| !old.contains(&f.name));
    let frameworks = frameworks.map(|f| (f.name.clone(), f.words.clone())).collect();
    let files = folder.manifest_file.into_iter().chain(folder.hardware).chain(folder.templates).collect();
    Ok(PluginReport { manifest: folder.manifest, files, problems, devices, operators, frameworks })
}

fn check_manifest(folder: &mut PluginFolder) -> Vec<Problem> {
    let Some((file, text)) = &folder.manifest_file else { return Vec::new() };
    let wrong =
        |span, message: String, advice: String| vec![Problem::error(file, Place::of(text, span), message, advice)];
    match toml::from_str::<Manifest>(text) {
        Ok(manifest) if manifest.schema == PLUGIN_SCHEMA => {
            folder.manifest = manifest;
            Vec::new()
        }
        Ok(manifest) => {
            let at = text.find("schema").unwrap_or(0);
            let message = format!("schema = {} cannot be read", manifest.schema);
            wrong(at..at + 6, message, format!("write `schema = {PLUGIN_SCHEMA}`"))
        }
        Err(e) => wrong(
            e.span().unwrap_or(0..0),
            e.message().to_owned(),
            "the keys are `schema = 1`, `name`, `version`, `about` and `homepage`".to_owned(),
        ),
    }
}

/// An operator that computes and moves nothing at ordinary sizes: its formulas use what its `dims` do not fill.
fn idle(files: &[(String, String)], name: &str, samples: &[(&'static str, NodeDescription)]) -> Vec<Problem> {
    let Some((what, _)) = samples.iter().find(|(_, n)| n.magnitudes.flops == 0.0) else { return Vec::new() };
    let quoted = format!("\"{name}\"");
    let Some((file, text)) = files.iter().find(|(_, text)| text.contains(&quoted)) else { return Vec::new() };
    let at = text.find(&quoted).unwrap_or(0);
    vec![Problem::warning(
        file,
        Place::of(text, at..at + quoted.len()),
        format!("operator `{name}` computes nothing at ordinary sizes ({what})"),
        "its formulas may use variables that its `dims` do not fill; an operator that only moves data is fine with `flops = \"0\"`"
            .to_owned(),
    )]
}

fn beyond_peak(cost: &Cost) -> String {
    let share = crate::text::units::share(cost.of_peak);
    format!("{} at batch {} is predicted at {share} of the peak rate, faster than can be", cost.network, cost.batch)
}

/// What is said of a device on each of its runtimes.
fn sentences(device: &Arc<Device>) -> Result<Vec<(String, String)>> {
    let mut said: Vec<(String, String)> = Vec::new();
    let listed = device.runtimes.iter().map(|(_, runtime)| runtime);
    for runtime in std::iter::once(&device.default_runtime).chain(listed) {
        let name = runtime.to_string();
        if said.iter().any(|(there, _)| *there == name) {
            continue;
        }
        let platform = Platform::new(Arc::clone(device), runtime.clone())?;
        let words = platform.runtime_sentence().map(|w| format!(" {w}")).unwrap_or_default();
        said.push((name, format!("{}{words}", platform.sentence())));
    }
    Ok(said)
}

fn reference_networks(model: &CostModel) -> Result<Vec<(&'static str, PreparedGraph)>> {
    let one = |(name, bytes, dims): ReferenceNetwork| {
        let dims = dims.iter().map(|(dim, size)| ((*dim).to_owned(), *size)).collect();
        let options = ledg_onnx::OnnxOptions { dims, ..ledg_onnx::OnnxOptions::default() };
        let imported = ledg_onnx::import_bytes(name, bytes.into(), &options)?;
        Ok((name, model.prepare(&imported.graph)?))
    };
    REFERENCE_NETWORKS.into_iter().map(one).collect()
}

fn costs(
    model: &CostModel,
    networks: &[(&'static str, PreparedGraph)],
    platform: &Platform,
    beside: Option<&Platform>,
) -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for (network, graph) in networks {
        let on: Vec<(Platform, u64)> = std::iter::once(platform)
            .chain(beside)
            .flat_map(|p| REFERENCE_BATCHES.map(|batch| (p.clone(), batch)))
            .collect();
        let estimates = model.predict(graph, &on, &PredictOptions::default())?;
        let n = REFERENCE_BATCHES.len();
        let flops = graph.described().magnitudes().flops / graph.described().unit as f64;
        for (i, batch) in REFERENCE_BATCHES.into_iter().enumerate() {
            let estimate = estimates[i].clone();
            costs.push(Cost {
                network,
                batch,
                of_peak: flops * batch as f64 / estimate.latency_s / platform.numbers().peak_matmul_flops,
                beside: beside.zip(estimates.get(n + i)).map(|(p, e)| (p.device.name.clone(), e.latency_s)),
                estimate,
            });
        }
    }
    Ok(costs)
}
