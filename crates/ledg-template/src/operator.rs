//! What a template file says of an operator, as written and as compiled.

use std::sync::Arc;

use ledg_graph::{Magnitudes, OpType, Traffic};
use serde::{Deserialize, Serialize};

use crate::dims::OpDims;
use crate::error::TemplateError;
use crate::extract::DimsKind;
use crate::formula::{Formula, Formulas, Place};
use crate::fusion::FusionWire;
use crate::sentence::Sentence;
use crate::traffic::Width;

/// The class of operators that only rename data; lowering leaves them out.
const VIEW_CLASS: &str = "View";

/// A template file as written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileWire {
    pub schema: u32,
    #[serde(default)]
    pub class: Vec<ClassWire>,
    #[serde(default)]
    pub operator: Vec<OperatorWire>,
    #[serde(default)]
    pub fusion: Vec<FusionWire>,
}

/// A class indicator: the first word of a sentence.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassWire {
    pub name: String,
    pub doc: String,
}

/// One operator, or several that are described alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorWire {
    pub op: OneOrMany,
    pub class: String,
    pub class_without_weight: Option<String>,
    pub sentence: String,
    pub dims: DimsKind,
    pub operands: Option<[usize; 2]>,
    pub macs: Option<String>,
    pub flops: Option<String>,
    pub read: Option<String>,
    pub write: Option<String>,
    pub weights: Option<String>,
    pub params: Option<String>,
    #[serde(default)]
    pub fixed: Fixed,
    pub mixed: Option<Width>,
    #[serde(default)]
    pub alias: bool,
}

/// `true`, `false` or `"never"`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Fixed {
    /// Whether the result is known ahead of time once shapes are, whatever is read.
    Stated(bool),
    /// It runs even if all that it reads is known ahead of time.
    Word(Never),
}

/// The word.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Never {
    /// `"never"`.
    Never,
}

impl Default for Fixed {
    fn default() -> Self {
        Fixed::Stated(false)
    }
}

/// As in the file: fingerprints are made of this.
impl std::fmt::Debug for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fixed::Stated(stated) => stated.fmt(f),
            Fixed::Word(Never::Never) => f.write_str("never"),
        }
    }
}

/// `"Conv"` or `["Conv", "com.microsoft.FusedConv"]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// The operator of a name as template files write it: `com.microsoft.FusedConv` is `FusedConv` of domain `com.microsoft`.
pub fn operator_type(text: &str) -> OpType {
    parse_op(text)
}

pub(crate) fn parse_op(text: &str) -> OpType {
    match text.rsplit_once('.') {
        Some((domain, name)) => OpType::new(domain, name),
        None => OpType::onnx(text),
    }
}

/// An operator's template, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    class: String,
    /// The class when no operand is a weight.
    class_without_weight: Option<String>,
    pub sentence: Sentence,
    pub dims: DimsKind,
    pub operands: [usize; 2],
    /// Its result is known ahead of time once shapes are.
    pub fixed: bool,
    /// It runs even if all that it reads is known ahead of time; what it writes counts as a weight all the same.
    pub runs: bool,
    /// At which width mixed precision runs it.
    pub mixed: Option<Width>,
    /// Frameworks answer with a part of the operand's memory, or repeat it in place.
    pub alias: bool,
    macs: Option<Arc<Formula>>,
    flops: Option<Arc<Formula>>,
    read: Option<Arc<Formula>>,
    write: Option<Arc<Formula>>,
    weights: Option<Arc<Formula>>,
    params: Option<Arc<Formula>>,
}

impl Operator {
    /// Compiles a template; `op` is the first of its names, for messages.
    pub fn compile(
        wire: &OperatorWire,
        origin: &str,
        op: &str,
        formulas: &mut Formulas,
    ) -> Result<Operator, TemplateError> {
        let mut formula = |field: &'static str, text: &Option<String>| {
            text.as_deref().map(|text| formulas.get(text, Place { origin, op, field })).transpose()
        };
        Ok(Operator {
            class: wire.class.clone(),
            class_without_weight: wire.class_without_weight.clone(),
            sentence: Sentence::parse(&wire.sentence, origin, op)?,
            dims: wire.dims,
            operands: wire.operands.unwrap_or([0, 1]),
            fixed: wire.fixed == Fixed::Stated(true),
            runs: wire.fixed == Fixed::Word(Never::Never),
            mixed: wire.mixed,
            alias: wire.alias,
            macs: formula("macs", &wire.macs)?,
            flops: formula("flops", &wire.flops)?,
            read: formula("read", &wire.read)?,
            write: formula("write", &wire.write)?,
            weights: formula("weights", &wire.weights)?,
            params: formula("params", &wire.params)?,
        })
    }

    /// The class of an operation, which may depend on whether it has a weight.
    pub fn class(&self, dims: &OpDims) -> &str {
        match &self.class_without_weight {
            Some(class) if dims.has_weight == 0.0 => class,
            _ => &self.class,
        }
    }

    /// Whether it only renames data.
    pub fn is_view(&self) -> bool {
        self.class == VIEW_CLASS
    }

    /// Multiply-adds of a contraction; 0 for other operators.
    pub fn macs(&self, dims: &OpDims) -> f64 {
        self.macs.as_ref().map_or(0.0, |f| f.value(dims))
    }

    /// The magnitudes by the formulas, or by the defaults where there is none.
    pub fn magnitudes(&self, dims: &OpDims, macs: f64) -> Magnitudes {
        let or = |formula: &Option<Arc<Formula>>, default: f64| formula.as_ref().map_or(default, |f| f.value(dims));
        let defaults = default_magnitudes(dims);
        let weight_elems = or(&self.weights, defaults.weight_elems);
        Magnitudes {
            flops: or(&self.flops, if self.macs.is_some() { 2.0 * macs } else { defaults.flops }),
            read_elems: or(&self.read, defaults.read_elems),
            write_elems: or(&self.write, defaults.write_elems),
            weight_elems,
            params: or(&self.params, weight_elems),
            traffic: Traffic::default(),
        }
    }
}

/// Every operand is moved once, every output element costs one operation.
pub(crate) fn default_magnitudes(dims: &OpDims) -> Magnitudes {
    Magnitudes {
        flops: dims.out_elems,
        read_elems: dims.in_elems,
        write_elems: dims.out_elems,
        weight_elems: dims.weight_elems,
        params: dims.weight_elems,
        traffic: Traffic::default(),
    }
}
