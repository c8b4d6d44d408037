//! ONNX, with or without weights, to a ledg graph, and back.
//!
//! [`import_file`] maps a file, measures it, decodes its structure (weights stay untouched in the mapping), follows
//! every shape through the graph, computes what depends on constants alone, and builds a [`ledg_graph::Graph`].
//! [`to_onnx`] writes a graph as ONNX without weights.
//!
//! ```no_run
//! use ledg_onnx::{OnnxOptions, import_file};
//! let mut options = OnnxOptions::default();
//! options.dims.insert("batch".to_owned(), 8);
//! let imported = import_file("model.onnx".as_ref(), &options)?;
//! println!("{} nodes", imported.graph.nodes().len());
//! # Ok::<(), ledg_onnx::OnnxError>(())
//! ```
//!
//! **Invariant:** weights cost no memory and no time; no input panics; the same bytes give the same graph.

mod error;
mod fact;
mod fold;
mod import;
mod infer;
mod options;
mod proto;
mod scan;
mod tensor;
mod write;

pub use error::{Advice, OnnxError, UnboundDim};
pub use import::{import_bytes, import_file};
pub use options::{Contradiction, Imported, OnnxOptions, UnknownOperator, UnknownPolicy};
pub use write::{WeightStyle, WriteOptions, to_onnx};
