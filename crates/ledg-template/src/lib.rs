//! Rules as data: operator sentences and formulas, fusions, hardware descriptors.
//!
//! A [`TemplateSet`] is loaded from TOML files. It *lowers* a graph (recognises fused forms, drops views and what folds
//! into constants) and *describes* what is left: for every node its class, its sentence for the language model, its
//! magnitudes and its numeric features.
//!
//! ```
//! use ledg_graph::{Attrs, DType, GraphBuilder, OpType};
//! use ledg_template::{LowerOptions, TemplateSet};
//! let mut b = GraphBuilder::new("toy");
//! let x = b.input("x", DType::F32, &[1, 3, 8, 8]);
//! let w = b.weight("w", DType::F32, &[4, 3, 3, 3]);
//! let y = b.activation("y", DType::F32, Some(&[1, 4, 6, 6]));
//! b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
//! b.output(y);
//! let templates = TemplateSet::builtin()?;
//! let lowered = templates.lower(&b.finish()?, &LowerOptions::default())?;
//! let nodes = templates.describe(&lowered);
//! assert_eq!(nodes[0].sentence, "ParamL Conv 3");
//! assert_eq!(nodes[0].macs, (4 * 6 * 6 * 3 * 3 * 3) as f64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariant:** pure: no files, no text models; text in, text and numbers out.

mod builtin;
pub mod check;
mod describe;
mod dims;
mod error;
mod extract;
mod features;
mod formula;
mod fusion;
pub mod hardware;
mod lower;
mod operator;
mod part;
mod place;
mod sample;
mod sentence;
mod set;
mod traffic;
mod view;

pub use describe::{GraphCosts, NodeDescription, UNKNOWN_CLASS};
pub use dims::{OpDims, Variable};
pub use error::TemplateError;
pub use features::{FEATURE_NAMES, FEATURE_SCHEMA, N_FEATURES};
pub use lower::{LowerOptions, Lowered, Lowering};
pub use operator::operator_type;
pub use place::Place;
pub use set::{OpId, TEMPLATE_SCHEMA, TemplateSet};
pub use traffic::{Step, traffic, traffic_of_kept};
pub use view::GraphView;
