//! Typed operator DAG: values with dtype and shape, nodes with typed attributes, relations between nodes, batch
//! rescaling, analytic magnitudes, a JSON wire format and a content hash.
//!
//! A [`Graph`] is immutable once built: [`GraphBuilder::finish`] sorts its nodes topologically (deterministically) and
//! refuses cycles, so everything downstream may rely on order. To change a graph, use [`GraphEdit`], which builds a new one.
//!
//! ```
//! use ledg_graph::{Attrs, DType, GraphBuilder, OpType};
//! let mut b = GraphBuilder::new("toy");
//! let x = b.input("x", DType::F32, &[1, 3, 8, 8]);
//! let w = b.weight("w", DType::F32, &[4, 3, 3, 3]);
//! let y = b.activation("y", DType::F32, Some(&[1, 4, 6, 6]));
//! b.node("conv", OpType::onnx("Conv"), Attrs::new(), &[Some(x), Some(w)], &[y]);
//! b.output(y);
//! let graph = b.finish()?;
//! assert_eq!(graph.nodes().len(), 1);
//! # Ok::<(), ledg_graph::GraphError>(())
//! ```
//!
//! **Invariant:** no text models, no tensors, no files: this crate knows what a graph *is*, not where it came from or
//! what it costs.

mod attr;
mod batch;
mod builder;
mod dtype;
mod edit;
mod error;
mod graph;
mod hash;
mod json;
mod magnitudes;
mod relations;

pub use attr::{Attr, Attrs};
pub use batch::BatchAxes;
pub use builder::{GraphBuilder, Limits};
pub use dtype::DType;
pub use edit::GraphEdit;
pub use error::GraphError;
pub use graph::{ConstData, Graph, Node, NodeId, OpType, Shape, Value, ValueId, ValueKind};
pub use hash::ContentHash;
pub use json::WIRE_VERSION;
pub use magnitudes::{Execution, Magnitudes, Traffic};
pub use relations::{EdgeList, Relations};
