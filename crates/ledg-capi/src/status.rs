//! Status codes, and the failures that carry them.

use std::ffi::CStr;

use ledg_cost_model::CostModelError;
use ledg_cost_model::encoder::EncoderError;
use ledg_cost_model::graph::GraphError;
use ledg_cost_model::onnx::{Advice, OnnxError};
use ledg_cost_model::predictor::PredictorError;
use ledg_cost_model::schedule::ScheduleError;
use ledg_cost_model::template::TemplateError;
use ledg_cost_model::template::hardware::HardwareError;

use crate::guard;
use crate::text::ledg_str;

/// How a call went: 0 is success, errors are negative. An integer, never an enumeration: later versions may add codes, so
/// treat one you do not know as an error.
#[allow(non_camel_case_types)]
pub type ledg_status = i32;

/// Success.
pub const LEDG_OK: i32 = 0;
/// An argument that must not be NULL is NULL.
pub const LEDG_E_NULL: i32 = -1;
/// An argument is out of its range, not finite, misaligned, or contradicts another.
pub const LEDG_E_INVALID: i32 = -2;
/// A string is not valid UTF-8.
pub const LEDG_E_UTF8: i32 = -3;
/// A `struct_size` is smaller than ABI 1.0 allows, or larger than this library knows while the unknown part is not zero.
pub const LEDG_E_STRUCT_SIZE: i32 = -4;
/// The library does not serve this version of the ABI.
pub const LEDG_E_ABI: i32 = -5;
/// A count or size is beyond a limit.
pub const LEDG_E_LIMIT: i32 = -6;
/// A file cannot be read or written.
pub const LEDG_E_IO: i32 = -7;
/// A text or file is malformed.
pub const LEDG_E_PARSE: i32 = -8;
/// A graph breaks a rule of graphs: a cycle, a dangling read, a name used twice, an impossible batch size.
pub const LEDG_E_GRAPH: i32 = -9;
/// An operator that is not known. Ask for it to be reported instead if an estimate by tensor sizes will do.
pub const LEDG_E_UNKNOWN_OP: i32 = -10;
/// A dynamic dimension is not bound, or a symbol is bound that the model does not have.
pub const LEDG_E_SYMBOL: i32 = -11;
/// Hardware that is not known, or contradictory hardware files.
pub const LEDG_E_HARDWARE: i32 = -12;
/// Operator templates that do not parse, or that declare what exists.
pub const LEDG_E_TEMPLATE: i32 = -13;
/// A model file that is damaged or was made for another version.
pub const LEDG_E_MODEL: i32 = -14;
/// An interval of that coverage cannot be given.
pub const LEDG_E_INTERVAL: i32 = -15;
/// Measured records that cannot be used or contradict each other.
pub const LEDG_E_RECORDS: i32 = -16;
/// The call was cancelled.
pub const LEDG_E_CANCELLED: i32 = -17;
/// A defect of the library: an error that should not be possible. Please report it.
pub const LEDG_E_INTERNAL: i32 = -18;
/// A defect of the library: a panic, stopped at its border. Please report it. Handles that the call took may be freed
/// but should not be used.
pub const LEDG_E_PANIC: i32 = -19;

/// An edit that names what is not there, or cannot be made. Since ABI 1.1.
pub const LEDG_E_EDIT: i32 = -20;

/// Every code with its name.
const NAMES: [(ledg_status, &CStr); 21] = [
    (LEDG_OK, c"LEDG_OK"),
    (LEDG_E_NULL, c"LEDG_E_NULL"),
    (LEDG_E_INVALID, c"LEDG_E_INVALID"),
    (LEDG_E_UTF8, c"LEDG_E_UTF8"),
    (LEDG_E_STRUCT_SIZE, c"LEDG_E_STRUCT_SIZE"),
    (LEDG_E_ABI, c"LEDG_E_ABI"),
    (LEDG_E_LIMIT, c"LEDG_E_LIMIT"),
    (LEDG_E_IO, c"LEDG_E_IO"),
    (LEDG_E_PARSE, c"LEDG_E_PARSE"),
    (LEDG_E_GRAPH, c"LEDG_E_GRAPH"),
    (LEDG_E_UNKNOWN_OP, c"LEDG_E_UNKNOWN_OP"),
    (LEDG_E_SYMBOL, c"LEDG_E_SYMBOL"),
    (LEDG_E_HARDWARE, c"LEDG_E_HARDWARE"),
    (LEDG_E_TEMPLATE, c"LEDG_E_TEMPLATE"),
    (LEDG_E_MODEL, c"LEDG_E_MODEL"),
    (LEDG_E_INTERVAL, c"LEDG_E_INTERVAL"),
    (LEDG_E_RECORDS, c"LEDG_E_RECORDS"),
    (LEDG_E_CANCELLED, c"LEDG_E_CANCELLED"),
    (LEDG_E_INTERNAL, c"LEDG_E_INTERNAL"),
    (LEDG_E_PANIC, c"LEDG_E_PANIC"),
    (LEDG_E_EDIT, c"LEDG_E_EDIT"),
];

/// The name of a status code, such as `LEDG_E_UTF8`; `LEDG_E_UNKNOWN` for a code that this library does not have. Static and
/// NUL-terminated; never free it.
#[unsafe(no_mangle)]
pub extern "C" fn ledg_status_name(status: ledg_status) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        let known = NAMES.iter().find(|(code, _)| *code == status);
        ledg_str::of_terminated(known.map_or(c"LEDG_E_UNKNOWN", |(_, name)| name))
    })
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: ledg_status,
    pub(crate) message: String,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The same failure, for another row.
    pub(crate) fn again(&self) -> Failure {
        Failure { code: self.code, message: self.message.clone() }
    }
}

/// A failure of that code.
pub(crate) fn fail<T>(code: ledg_status, message: impl Into<String>) -> Result<T> {
    Err(Failure { code, message: message.into() })
}

impl From<CostModelError> for Failure {
    fn from(error: CostModelError) -> Self {
        let code = match &error {
            CostModelError::Graph(e) => graph_code(e),
            CostModelError::Onnx(e) => onnx_code(e),
            CostModelError::Template(e) => template_code(e),
            CostModelError::Hardware(e) => hardware_code(e),
            CostModelError::Schedule(e) => schedule_code(e),
            CostModelError::Untrained => LEDG_E_MODEL,
            CostModelError::MissingFigure { .. } => LEDG_E_HARDWARE,
            CostModelError::Encoder(e) => encoder_code(e),
            CostModelError::Predictor(e) => predictor_code(e),
            CostModelError::Bundle { .. } | CostModelError::Mismatch { .. } | CostModelError::NoSessions => {
                LEDG_E_MODEL
            }
            CostModelError::NotFinite { .. } | CostModelError::Session { .. } => LEDG_E_GRAPH,
            CostModelError::Edit { .. } => LEDG_E_EDIT,
            CostModelError::Interval { .. } => LEDG_E_INTERVAL,
            CostModelError::Record { .. } | CostModelError::Contradiction { .. } => LEDG_E_RECORDS,
            CostModelError::File { .. } | CostModelError::Plugin { .. } => LEDG_E_IO,
            _ => LEDG_E_INTERNAL,
        };
        Failure { code, message: error.to_string() }
    }
}

impl From<GraphError> for Failure {
    fn from(error: GraphError) -> Self {
        let message = match &error {
            GraphError::Limit { what: what @ ("nodes" | "values"), .. } => {
                format!("{error}; {}", raise(&format!("max_{what}")))
            }
            _ => error.to_string(),
        };
        Failure { code: graph_code(&error), message }
    }
}

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Self {
        Failure { code: onnx_code(&error), message: error.told(of_header) }
    }
}

/// An importer's advice where its options are fields of `ledg_graph_opts`.
fn of_header(advice: &Advice) -> Option<String> {
    match advice {
        Advice::BindDims(names) => Some(format!("give sizes in `opts.symbols` for `{}`", names.join("`, `"))),
        Advice::RaiseLimit("max_file_bytes") => Some(raise("max_bytes")),
        Advice::RaiseLimit("limits.max_nodes") => Some(raise("max_nodes")),
        Advice::RaiseLimit("limits.max_values") => Some(raise("max_values")),
        Advice::ReportUnknown => Some("`opts.unknown` = `LEDG_UNKNOWN_KEEP` goes on without it".to_owned()),
        _ => None,
    }
}

fn raise(field: &str) -> String {
    format!("raise `opts.{field}` if this is meant")
}

impl From<HardwareError> for Failure {
    fn from(error: HardwareError) -> Self {
        Failure { code: hardware_code(&error), message: error.to_string() }
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Failure { code: template_code(&error), message: error.to_string() }
    }
}

fn template_code(error: &TemplateError) -> ledg_status {
    match error {
        TemplateError::Graph(e) => graph_code(e),
        TemplateError::NothingToCost { .. } => LEDG_E_GRAPH,
        _ => LEDG_E_TEMPLATE,
    }
}

/// Sentences come from the graph's operators and names of the caller; everything else is inside of the library or the bundle.
fn encoder_code(error: &EncoderError) -> ledg_status {
    match error {
        EncoderError::TooLong { .. } => LEDG_E_LIMIT,
        EncoderError::EmptySentence { .. } | EncoderError::Tokenize { .. } => LEDG_E_GRAPH,
        EncoderError::TableFile(_) | EncoderError::TableField { .. } | EncoderError::ForeignTable { .. } => {
            LEDG_E_MODEL
        }
        _ => LEDG_E_INTERNAL,
    }
}

fn predictor_code(error: &PredictorError) -> ledg_status {
    match error {
        // Magnitudes beyond what numbers hold come from sizes in the graph.
        PredictorError::NotFinite { .. } => LEDG_E_GRAPH,
        PredictorError::Query { .. } => LEDG_E_INVALID,
        PredictorError::Width { .. } | PredictorError::Config { .. } => LEDG_E_MODEL,
        _ => LEDG_E_INTERNAL,
    }
}

fn graph_code(error: &GraphError) -> ledg_status {
    match error {
        GraphError::Limit { .. } => LEDG_E_LIMIT,
        GraphError::Json(_) | GraphError::WireVersion { .. } | GraphError::UnknownValue { .. } => LEDG_E_PARSE,
        _ => LEDG_E_GRAPH,
    }
}

fn onnx_code(error: &OnnxError) -> ledg_status {
    match error {
        OnnxError::Io { .. } | OnnxError::SpecialFile { .. } => LEDG_E_IO,
        OnnxError::UnknownOperator { .. } => LEDG_E_UNKNOWN_OP,
        OnnxError::Graph { source, .. } => graph_code(source),
        OnnxError::TooLarge { .. } => LEDG_E_LIMIT,
        OnnxError::UnboundDims { .. } | OnnxError::NoSuchDim { .. } => LEDG_E_SYMBOL,
        OnnxError::Cycle { .. } => LEDG_E_GRAPH,
        _ => LEDG_E_PARSE,
    }
}

fn schedule_code(error: &ScheduleError) -> ledg_status {
    match error {
        ScheduleError::Limit { .. } => LEDG_E_LIMIT,
        ScheduleError::UnknownPrimitive { .. } => LEDG_E_UNKNOWN_OP,
        ScheduleError::Words { .. } => LEDG_E_TEMPLATE,
        _ => LEDG_E_PARSE,
    }
}

fn hardware_code(error: &HardwareError) -> ledg_status {
    match error {
        HardwareError::Read { .. } => LEDG_E_IO,
        HardwareError::TooLarge { .. } => LEDG_E_LIMIT,
        HardwareError::Syntax { .. } | HardwareError::Schema { .. } => LEDG_E_PARSE,
        _ => LEDG_E_HARDWARE,
    }
}

#[cfg(test)]
mod tests {
    use ledg_cost_model::onnx::UnboundDim;

    use super::*;

    #[test]
    fn codes_are_consecutive_so_that_none_is_used_twice() {
        for (i, (code, name)) in NAMES.iter().enumerate() {
            assert_eq!(*code, -(i as i32), "{name:?}");
        }
    }

    #[test]
    fn the_importers_advice_is_in_words_of_the_header() {
        let file = || "--dim.onnx".to_owned();
        let (node, op) = (|| "n1".to_owned(), || "Frob".to_owned());
        let too_large = OnnxError::TooLarge { file: file(), what: "it", found: 3, limit: 2, option: "max_file_bytes" };
        let dims = vec![UnboundDim { input: "x".into(), axis: 0, name: "n".into() }];
        let unknown =
            OnnxError::UnknownOperator { file: file(), node: node(), op: op(), domain: String::new(), opset: 17 };
        let needs_value = OnnxError::NeedsValue { file: file(), node: node(), op: op(), value: "v".into(), input: 1 };
        let limit = |what| GraphError::Limit { graph: "g".into(), what, found: 3, limit: 2 };
        let in_file = |what| OnnxError::Graph { file: file(), source: Box::new(limit(what)) };
        let cases = [
            (too_large, "it is 3 bytes, more than the limit of 2; raise `opts.max_bytes` if this is meant"),
            (
                OnnxError::UnboundDims { file: file(), dims },
                "dimension 0 of input `x` is `n`; give sizes in `opts.symbols` for `n`",
            ),
            (
                unknown,
                "node `n1`: no shape rule for operator `Frob` (opset 17); `opts.unknown` = `LEDG_UNKNOWN_KEEP` goes on \
                 without it",
            ),
            (
                needs_value,
                "node `n1` (Frob): the shape of its output depends on the value of `v` (input 1), which is not constant; \
                 give the output's shape in the file's value_info, or `opts.unknown` = `LEDG_UNKNOWN_KEEP` goes on \
                 without it",
            ),
            (
                in_file("nodes"),
                "graph `g` has 3 nodes, more than the limit of 2; raise `opts.max_nodes` if this is meant",
            ),
            (
                in_file("values"),
                "graph `g` has 3 values, more than the limit of 2; raise `opts.max_values` if this is meant",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(Failure::from(error).message, format!("--dim.onnx: {expected}"));
        }
        assert_eq!(
            Failure::from(limit("values")).message,
            "graph `g` has 3 values, more than the limit of 2; raise `opts.max_values` if this is meant"
        );
    }
}
