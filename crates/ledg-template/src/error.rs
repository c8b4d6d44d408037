//! What can be wrong with a template set, or with lowering a graph by one.

use ledg_graph::GraphError;
use thiserror::Error;

/// Why a template file was refused, or why a graph could not be lowered. Messages name file, operator and field.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum TemplateError {
    /// Not the TOML that a template file is made of; the message has line and column.
    #[error("{origin}: {source}")]
    Toml {
        /// The file.
        origin: String,
        /// What the parser says.
        source: Box<toml::de::Error>,
    },
    /// The file is written for another version of the format.
    #[error("{origin}: `schema = {found}`, this library reads schema {expected}")]
    Schema {
        /// The file.
        origin: String,
        /// The version found.
        found: u32,
        /// The version expected.
        expected: u32,
    },
    /// An operator, class or fusion is declared a second time. Nothing is ever overridden silently.
    #[error("{origin}: {what} `{name}` is already declared in {first}")]
    Clash {
        /// The file.
        origin: String,
        /// `operator`, `class` or `fusion`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The file that declares it first.
        first: String,
    },
    /// A class or operator has a name that cannot be one.
    #[error("{origin}: {what} `{name}`: {why}")]
    BadName {
        /// The file.
        origin: String,
        /// `class` or `operator`.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A formula does not parse.
    #[error("{origin}: operator `{op}`, `{field}`: `{formula}`: {why}")]
    Formula {
        /// The file.
        origin: String,
        /// The operator.
        op: String,
        /// The key of the formula.
        field: &'static str,
        /// The formula.
        formula: String,
        /// What is wrong.
        why: String,
    },
    /// A formula names a variable that does not exist.
    #[error("{origin}: operator `{op}`, `{field}`: unknown variable `{variable}`, did you mean `{suggestion}`?")]
    UnknownVariable {
        /// The file.
        origin: String,
        /// The operator.
        op: String,
        /// The key of the formula.
        field: &'static str,
        /// The name used.
        variable: String,
        /// The nearest name that exists.
        suggestion: &'static str,
    },
    /// A sentence does not parse.
    #[error("{origin}: operator `{op}`, `sentence`: `{sentence}`: {why}")]
    Sentence {
        /// The file.
        origin: String,
        /// The operator.
        op: String,
        /// The sentence.
        sentence: String,
        /// What is wrong.
        why: String,
    },
    /// An operator names a class that no file declares.
    #[error("{origin}: operator `{op}`: class `{class}` is not declared, did you mean `{suggestion}`?")]
    UnknownClass {
        /// The file.
        origin: String,
        /// The operator.
        op: String,
        /// The class.
        class: String,
        /// The nearest class that exists.
        suggestion: String,
    },
    /// A fusion does not make sense.
    #[error("{origin}: fusion `{fusion}`: {}{why}", line.as_ref().map(|l| format!("`{l}`: ")).unwrap_or_default())]
    Fusion {
        /// The file.
        origin: String,
        /// The fusion.
        fusion: String,
        /// The line of the pattern, if it is about one.
        line: Option<String>,
        /// What is wrong.
        why: String,
    },
    /// A fusion that is to be disabled does not exist.
    #[error("there is no fusion `{name}` to disable, did you mean `{suggestion}`?")]
    NoSuchFusion {
        /// The name given.
        name: String,
        /// The nearest name that exists.
        suggestion: String,
    },
    /// After dropping views and folding constants no node is left.
    #[error(
        "graph `{graph}`: none of its {n_nodes} node(s) does work at run time: they are views or fold into constants"
    )]
    NothingToCost {
        /// Name of the graph.
        graph: String,
        /// How many nodes it has.
        n_nodes: usize,
    },
    /// The lowered graph is not a graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// The candidate nearest to a name by edit distance; the empty string if there is none.
pub(crate) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates.min_by_key(|c| strsim::levenshtein(name, c)).unwrap_or_default()
}
