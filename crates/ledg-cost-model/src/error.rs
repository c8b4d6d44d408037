//! What can go wrong between a graph and an estimate.

use thiserror::Error;

/// Why the façade could not do what it was asked.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum CostModelError {
    /// From the graph.
    #[error(transparent)]
    Graph(#[from] ledg_graph::GraphError),
    /// From an ONNX file.
    #[error(transparent)]
    Onnx(#[from] ledg_onnx::OnnxError),
    /// From templates.
    #[error(transparent)]
    Template(#[from] ledg_template::TemplateError),
    /// From hardware descriptions.
    #[error(transparent)]
    Hardware(Box<ledg_template::hardware::HardwareError>),
    /// From the language model.
    #[error(transparent)]
    Encoder(#[from] ledg_encoder::EncoderError),
    /// From the predictor.
    #[error(transparent)]
    Predictor(#[from] ledg_predictor::PredictorError),
    /// From a schedule.
    #[error(transparent)]
    Schedule(#[from] ledg_schedule::ScheduleError),
    /// A schedule model that has learned from nothing yet was asked for scores.
    #[error(
        "the schedule model is untrained, and scores of random weights mean nothing: update it with measured records first"
    )]
    Untrained,
    /// A device's data sheet lacks a figure that the physical prior cannot do without.
    #[error(
        "{origin}: hardware `{hardware}`: {field} is not stated, and no latency can be estimated without it: add it to that file"
    )]
    MissingFigure {
        /// The device's TOML file.
        origin: String,
        /// The device.
        hardware: String,
        /// The missing figure.
        field: &'static str,
    },
    /// The file is no bundle, or is damaged.
    #[error("bundle {origin}: {why}")]
    Bundle {
        /// File name, or `(built in)`.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bundle was made for other schemas than this library has.
    #[error(
        "bundle {origin}: its {what} is {found}, this library's is {expected}: use the bundle that came with this version, or train again"
    )]
    Mismatch {
        /// File name, or `(built in)`.
        origin: String,
        /// Which schema.
        what: &'static str,
        /// The bundle's.
        found: String,
        /// The library's.
        expected: String,
    },
    /// An edit of a graph that makes no sense.
    #[error("graph `{graph}`: edit {index}: {why}")]
    Edit {
        /// Name of the graph.
        graph: String,
        /// Which of the list's edits, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A session of a model with the paper's readout.
    #[error("the model has the paper's readout, of which there is no incremental form: ask it whole graphs")]
    NoSessions,
    /// Sizes or rates so large that the estimate is not a number.
    #[error(
        "graph `{graph}`: the estimate is not finite: a magnitude of the graph, or a figure of the hardware's data sheet, is out of range"
    )]
    NotFinite {
        /// Name of the graph.
        graph: String,
    },
    /// A session of a graph that is not at batch 1.
    #[error("graph `{graph}`: {why}")]
    Session {
        /// Name of the graph.
        graph: String,
        /// What a session needs.
        why: &'static str,
    },
    /// A coverage that is no share strictly between 0 and 1, or one that the calibration set is too small for.
    #[error("an interval of coverage {coverage} cannot be given: {why}")]
    Interval {
        /// The coverage asked for.
        coverage: f64,
        /// Why not.
        why: &'static str,
    },
    /// A record of a measurement that cannot be used.
    #[error("{}: {why}", record_place(origin, *line))]
    Record {
        /// File name; empty for records that come from none.
        origin: String,
        /// Line of the file, from 1.
        line: Option<usize>,
        /// What is wrong with it.
        why: String,
    },
    /// Two records of the same question whose answers cannot both be right.
    #[error(
        "{first} and {second} contradict each other: {graph} on {hardware} at batch {batch} took {first_s} s and {second_s} s; leave out the one that is wrong"
    )]
    Contradiction {
        /// Name of the graph.
        graph: String,
        /// The platform.
        hardware: String,
        /// The batch size.
        batch: u64,
        /// The first record: its number, or its file and line.
        first: Box<str>,
        /// The second record.
        second: Box<str>,
        /// Median of the first, seconds.
        first_s: f64,
        /// Median of the second, seconds.
        second_s: f64,
    },
    /// A plugin's folder that cannot be used.
    #[error("plugin {}: {why}", dir.display())]
    Plugin {
        /// The folder.
        dir: std::path::PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: cannot be {what}: {source}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// From the tensor library.
    #[error("tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<ledg_template::hardware::HardwareError> for CostModelError {
    fn from(error: ledg_template::hardware::HardwareError) -> Self {
        CostModelError::Hardware(Box::new(error))
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, CostModelError>;
/// A record as errors name it.
fn record_place(origin: &str, line: Option<usize>) -> String {
    let line = line.map_or(String::new(), |line| format!(", line {line}"));
    if origin.is_empty() { format!("a record{line}") } else { format!("records {origin}{line}") }
}
