//! Checking files that a vendor writes: every problem of a file at once, each with its place and a suggestion.
//!
//! There is no second set of rules. A file is read by the code that loads it; the first problem is noted, *mended* in
//! memory (an unknown key is taken out, a number that is none replaced, a missing key filled in), and the file is read
//! again, until nothing is left to complain about. What was mended serves to find the rest and is never used.

pub(crate) mod document;
pub(crate) mod suggest;
mod templates;

pub use templates::CheckedTemplates;

use std::fmt;

use crate::place::Place;

/// A file is given up after so many problems.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted, but something in it can hardly be meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub suggestion: String,
}

impl Problem {
    /// A problem that refuses the file.
    pub fn error(file: &str, place: Place, message: String, suggestion: String) -> Problem {
        Problem { severity: Severity::Error, file: file.to_owned(), place, message, suggestion }
    }

    /// A problem that leaves the file usable.
    pub fn warning(file: &str, place: Place, message: String, suggestion: String) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(file, place, message, suggestion) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { severity, file, place, message, suggestion } = self;
        write!(f, "{file}:{place}: {}: {message}; {suggestion}", severity.name())
    }
}
