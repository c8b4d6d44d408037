//! Why a sentence has no vector, or a table can't be used.

use thiserror::Error;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, EncoderError>;

/// Why sentences could not be embedded, or a table not be read or attached. Messages name the sentence by its start.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum EncoderError {
    /// A sentence has no word: it is empty, blank, or only control characters.
    #[error("sentence {index} of {n_sentences} has no word in it (`{start}`): there is nothing to embed")]
    EmptySentence {
        /// Position in the call.
        index: usize,
        /// Number of sentences in the call.
        n_sentences: usize,
        /// How the sentence begins.
        start: String,
    },
    /// A sentence is longer than the model, or good sense, allows.
    #[error("the sentence that begins `{start}` is {length} {unit} long; the limit is {limit}")]
    TooLong {
        /// How the sentence begins.
        start: String,
        /// Its length.
        length: usize,
        /// The limit it exceeds.
        limit: usize,
        /// `bytes` or `tokens`.
        unit: &'static str,
    },
    /// The sentence needs the model, and this build carries none.
    #[error(
        "the sentence that begins `{start}` is not in the table, and this build carries no model to embed it with; \
         build ledg-encoder with the feature `embedded`"
    )]
    NotEmbedded {
        /// How the sentence begins.
        start: String,
    },
    /// The compiled-in weights or tokenizer are not what they should be (a broken checkout, an LFS pointer).
    #[error(
        "the compiled-in asset {asset} is damaged: {reason}; see crates/ledg-encoder/assets/README.md to remake it"
    )]
    Asset {
        /// File name under `assets/`.
        asset: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer failed on a sentence.
    #[error("cannot tokenize the sentence that begins `{start}`")]
    Tokenize {
        /// How the sentence begins.
        start: String,
        /// The tokenizer's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tensor operation failed.
    #[error("the encoder's arithmetic failed")]
    Tensor(#[from] candle_core::Error),
    /// The system grants no thread to do the arithmetic on.
    #[error("no thread can be started for the encoder's arithmetic")]
    Thread(#[source] rayon::ThreadPoolBuildError),
    /// The bytes are no sentence table: no safetensors file at all.
    #[error("not a sentence table: not a safetensors file")]
    TableFile(#[from] safetensors::SafeTensorError),
    /// The bytes are a safetensors file but no (sound) sentence table.
    #[error("not a sentence table: {field}: {reason}")]
    TableField {
        /// The tensor or metadata entry.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A table was made with another encoder than the one it is attached to.
    #[error(
        "the sentence table was made by another encoder (fingerprint {table}) than this one ({encoder}); \
         rebuild the table with this encoder"
    )]
    ForeignTable {
        /// The fingerprint in the table.
        table: String,
        /// The fingerprint of the encoder.
        encoder: String,
    },
}

/// How a sentence begins, for messages: short enough for one line, cut between characters.
pub(crate) fn start_of(sentence: &str) -> String {
    const SHOWN_CHARS: usize = 48;
    match sentence.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence.to_owned(),
    }
}
