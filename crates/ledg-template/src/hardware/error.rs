//! What can be wrong with a hardware file or a platform's name.
//!
//! **Invariant:** every variant that blames a file names the file, and the field, line and column where they are known.

use super::precision::Precision;
use crate::place::Place;
use std::path::PathBuf;

/// An error of this module; the message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardwareError {
    /// Not TOML, an unknown key, a missing key or a value of the wrong type.
    #[error("{file}{}: {message}", at(place.as_ref()))]
    Syntax {
        /// The file.
        file: String,
        /// Where.
        place: Option<Place>,
        /// What the TOML reader says, with the key.
        message: String,
    },
    /// A `schema` this version does not read.
    #[error("{file}:{place}: schema = {found}, but this version reads schema {supported}")]
    Schema {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The schema it declares.
        found: i64,
        /// The schema that can be read.
        supported: i64,
    },
    /// NaN, infinite, negative or zero.
    #[error("{file}:{place}: {field} = {value} is not a finite number above zero; leave an unknown figure out")]
    Figure {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The key, with its table.
        field: String,
        /// What it says.
        value: f64,
    },
    /// A string that cannot be a name or a word of a sentence.
    #[error("{file}:{place}: {field} = {value:?}: {problem}")]
    Text {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The key, with its table.
        field: &'static str,
        /// What it says.
        value: String,
        /// What is expected.
        problem: &'static str,
    },
    /// A figure that no `[[source]]` covers.
    #[error("{file}:{place}: {field} has no source; name it in the `fields` of a [[source]]")]
    MissingSource {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The figure.
        field: String,
    },
    /// A source for a figure that the file does not state.
    #[error("{file}:{place}: a [[source]] names {field:?}, which is no figure of this file")]
    SourceWithoutFigure {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The figure it names.
        field: String,
    },
    /// A device without any peak.
    #[error("{file}: [peak] states no figure")]
    NoPeakAtAll {
        /// The file.
        file: String,
    },
    /// Neither or both of `default_runtime` and `[runtime]`.
    #[error("{file}: state either `default_runtime` (a profile's name) or a [runtime] table, and not both")]
    DefaultRuntime {
        /// The file.
        file: String,
    },
    /// A file refers to a framework, compiler or profile that does not exist.
    #[error("{file}:{place}: {field} = {name:?} is unknown; known: {}", known.join(", "))]
    UnknownReference {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The key.
        field: &'static str,
        /// What it says.
        name: String,
        /// What it could say.
        known: Vec<String>,
    },
    /// A runtime of a device file asks for a precision the file states no peak for.
    #[error("{file}:{place}: runtime {runtime:?} runs in {precision}, but [peak] has no {figure}")]
    RuntimeWithoutPeak {
        /// The file.
        file: String,
        /// Where.
        place: Place,
        /// The profile's name, or "runtime" for the inline table.
        runtime: String,
        /// Its precision.
        precision: Precision,
        /// The peak it needs.
        figure: &'static str,
    },
    /// A name, alias, profile or framework that is taken. Nothing is ever overridden.
    #[error("{file}:{place}: the name {name:?} is taken by {owner}; choose another")]
    Clash {
        /// The file that came second.
        file: String,
        /// Where it says the name.
        place: Place,
        /// The name.
        name: String,
        /// What has it, and where.
        owner: String,
    },
    /// A wording file other than the built-in one.
    #[error("{file}: wording cannot be replaced, as the encoder was trained on the built-in wording")]
    ForeignWording {
        /// The file.
        file: String,
    },
    /// A wording file that leaves something unsaid.
    #[error("{file}: {problem}")]
    Wording {
        /// The file.
        file: String,
        /// What is missing or unknown.
        problem: String,
    },
    /// No device has this name.
    #[error("unknown hardware {name:?}; nearest: {}", nearest.join(", "))]
    UnknownDevice {
        /// The name that was asked for.
        name: String,
        /// The nearest names by edit distance, nearest first.
        nearest: Vec<String>,
    },
    /// A `RUNTIME` part of `DEVICE:RUNTIME` that cannot be read.
    #[error("{spec:?}: {part:?} is no {expected}; known: {}", known.join(", "))]
    RuntimePart {
        /// The whole name.
        spec: String,
        /// The part.
        part: String,
        /// What should stand there.
        expected: &'static str,
        /// What could stand there.
        known: Vec<String>,
    },
    /// The device has no peak for this precision.
    #[error("{device} has no peak for {precision}; its data sheet supports {}", available.join(", "))]
    UnsupportedPrecision {
        /// The device.
        device: String,
        /// The precision that was asked for.
        precision: Precision,
        /// The precisions that have a peak.
        available: Vec<String>,
    },
    /// The device's file does not list this framework and compiler.
    #[error("{device} does not list {framework} with {compiler}; its file lists {}", listed.join(", "))]
    UnlistedRuntime {
        /// The device.
        device: String,
        /// The framework that was asked for.
        framework: String,
        /// The compiler that was asked for.
        compiler: String,
        /// `framework/compiler` pairs the device lists.
        listed: Vec<String>,
    },
    /// A file or folder that cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder beyond the limits.
    #[error("{file}: {found} {what}, the limit is {limit}")]
    TooLarge {
        /// The file or folder.
        file: String,
        /// Bytes, files or levels.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
}

fn at(place: Option<&Place>) -> String {
    place.map(|p| format!(":{p}")).unwrap_or_default()
}
