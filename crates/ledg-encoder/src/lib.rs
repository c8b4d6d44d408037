//! Sentences to vectors: a frozen pretrained BERT, memoised. Equations (1) and (2) of the paper: `e = LLM(T(·))`.
//!
//! The model is all-MiniLM-L6-v2 (`assets/README.md`), mean-pooled, on candle's CPU device. It is compiled in at 8 bits a
//! weight and expanded at the first sentence that neither the attached [`SentenceTable`] nor the memo knows.
//!
//! ```
//! # #[cfg(feature = "embedded")] {
//! use ledg_encoder::{Encoder, SentenceTable};
//!
//! let encoder = Encoder::pretrained()?;
//! let vectors = encoder.embed(&["ParamL Conv 3", "Nv GPU FP32 8.1 Turing 70W"])?;
//! assert_eq!(vectors[0].len(), encoder.dim());
//!
//! // Sentences known ahead of time cost a look-up, and never the model.
//! let bytes = SentenceTable::build(&encoder, &["Act Relu".to_owned()])?.to_bytes()?;
//! let quick = Encoder::pretrained()?.with_table(SentenceTable::from_bytes(&bytes)?)?;
//! assert_eq!(quick.embed(&["Act Relu"])?, encoder.embed(&["Act Relu"])?);
//! assert!(!quick.is_loaded());
//! # }
//! # Ok::<(), ledg_encoder::EncoderError>(())
//! ```
//!
//! **Invariant:** a sentence has one vector per encoder fingerprint: on one machine the same bits whether it comes from the
//! table, the memo or the model, alone or in a batch, on any thread. Hence every vector is rounded to f16 (what the table
//! stores) and only sentences of equal token count share a batch (so there is no padding). Across machines the model's
//! arithmetic may differ in the last f16 digit, as matrix products depend on the instruction set; the table's may not.
//!
//! **Invariant:** knows nothing of graphs, operators or hardware: it depends on no other `ledg` crate.

mod assets;
mod bert;
mod encoder;
mod error;
mod memo;
mod model;
mod one_thread;
mod table;
mod weights;

pub use encoder::{DEFAULT_MEMO_LIMIT, Encoder, EncoderStats};
pub use error::{EncoderError, Result};
pub use model::{MAX_SENTENCE_BYTES, MAX_SENTENCE_TOKENS};
pub use one_thread::on_one_thread;
pub use table::SentenceTable;
