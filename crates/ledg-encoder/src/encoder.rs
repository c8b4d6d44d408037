//! The encoder: table, then memo, then model.
//!
//! **Invariant:** `&self` everywhere after construction. A call that meets an error changes nothing but the statistics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indexmap::IndexMap;
use once_cell::sync::OnceCell;
use parking_lot::RwLock;

use crate::bert::MINILM;
use crate::error::start_of;
use crate::memo::Memo;
use crate::model::{MAX_SENTENCE_BYTES, Model, Source};
use crate::{EncoderError, Result, SentenceTable, assets, on_one_thread};

/// Sentences an encoder remembers unless told otherwise: 32 Ki, about 55 MB when full.
pub const DEFAULT_MEMO_LIMIT: usize = 32 * 1024;

/// Turns sentences into vectors. Cheap to make; loads the model when a sentence first needs it. `Send + Sync`: share it by
/// reference or `Arc` between threads.
pub struct Encoder {
    source: Source,
    model: OnceCell<Arc<Model>>,
    table: Option<SentenceTable>,
    memo: RwLock<Memo>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    table_hits: AtomicU64,
    memo_hits: AtomicU64,
    model_runs: AtomicU64,
}

/// Where an encoder's vectors came from, in sentences, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncoderStats {
    /// Found in the attached table.
    pub table_hits: u64,
    /// Remembered from before, or repeated within one call.
    pub memo_hits: u64,
    /// Run through the model.
    pub model_runs: u64,
}

impl Encoder {
    /// The pretrained encoder (all-MiniLM-L6-v2 at 8 bits a weight). Loads nothing yet.
    ///
    /// Without the feature `embedded` it knows the sentences of its table only, and says so of others.
    ///
    /// # Errors
    /// [`EncoderError::Asset`] if the compiled-in weights are none (a broken checkout).
    pub fn pretrained() -> Result<Self> {
        assets::check_magic()?;
        Ok(Self::new(Source::Pretrained))
    }

    /// The random-initialised twin, for the ablation `bert-random-init`: same architecture and tokenizer, weights as BERT
    /// begins its training (matrices N(0, 0.02), biases zero, layer norms the identity), the same for the same seed.
    pub fn random(seed: u64) -> Self {
        Self::new(Source::Random { seed })
    }

    fn new(source: Source) -> Self {
        let memo = RwLock::new(Memo::new(DEFAULT_MEMO_LIMIT));
        Self { source, model: OnceCell::new(), table: None, memo, counts: Counts::default() }
    }

    /// Attaches a table of sentences embedded ahead of time, in place of any attached before.
    ///
    /// # Errors
    /// [`EncoderError::ForeignTable`] if another encoder made the table; [`EncoderError::TableField`] if its vectors are of
    /// another length all the same.
    pub fn with_table(mut self, table: SentenceTable) -> Result<Self> {
        let encoder = self.fingerprint();
        if table.fingerprint() != encoder {
            return Err(EncoderError::ForeignTable { table: table.fingerprint().to_owned(), encoder });
        }
        table.check_dim(self.dim())?;
        self.table = Some(table);
        Ok(self)
    }

    /// Remembers at most `n_sentences` (1.7 kB each) besides the table; forgets what was remembered so far. A limit of zero or
    /// one remembers nothing.
    pub fn with_memo_limit(mut self, n_sentences: usize) -> Self {
        self.memo = RwLock::new(Memo::new(n_sentences));
        self
    }

    /// One vector a sentence, in the order given. Blocks for the model's time (milliseconds) on sentences not seen before.
    ///
    /// # Shapes
    /// n sentences -> n vectors of [`Encoder::dim`] values, each exact in f16
    ///
    /// # Errors
    /// [`EncoderError::EmptySentence`], [`EncoderError::TooLong`] (see [`crate::MAX_SENTENCE_BYTES`] and
    /// [`crate::MAX_SENTENCE_TOKENS`]), [`EncoderError::NotEmbedded`]. One bad sentence fails the call.
    pub fn embed(&self, sentences: &[&str]) -> Result<Vec<Arc<[f32]>>> {
        let mut out: Vec<Option<Arc<[f32]>>> = vec![None; sentences.len()];
        let mut used_again = Vec::new();
        // Unknown sentence -> where it is wanted.
        let mut unknown: IndexMap<&str, Vec<usize>> = IndexMap::new();
        {
            let memo = self.memo.read();
            for (i, &sentence) in sentences.iter().enumerate() {
                if let Some(vector) = self.table.as_ref().and_then(|t| t.get(sentence)) {
                    out[i] = Some(vector.clone());
                    self.counts.table_hits.fetch_add(1, Ordering::Relaxed);
                } else if let Some((vector, is_old)) = memo.get(sentence) {
                    out[i] = Some(vector.clone());
                    self.counts.memo_hits.fetch_add(1, Ordering::Relaxed);
                    if is_old {
                        used_again.push((sentence, vector.clone()));
                    }
                } else {
                    check_length(sentence)?;
                    unknown.entry(sentence).or_default().push(i);
                }
            }
        }

        let vectors = self.run_model(sentences.len(), &unknown)?;
        for (vector, wanted_at) in vectors.iter().zip(unknown.values()) {
            self.counts.model_runs.fetch_add(1, Ordering::Relaxed);
            self.counts.memo_hits.fetch_add(wanted_at.len() as u64 - 1, Ordering::Relaxed);
            for &i in wanted_at {
                out[i] = Some(vector.clone());
            }
        }
        if !unknown.is_empty() || !used_again.is_empty() {
            // Sound whoever panicked before: an insertion either happened or did not.
            let mut memo = self.memo.write();
            let new = unknown.keys().copied().zip(&vectors);
            for (sentence, vector) in new.chain(used_again.iter().map(|(s, v)| (*s, v))) {
                memo.insert(sentence, vector);
            }
        }
        Ok(out.into_iter().flatten().collect()) // every place was filled: known, or in `unknown`
    }

    fn run_model(&self, n_sentences: usize, unknown: &IndexMap<&str, Vec<usize>>) -> Result<Vec<Arc<[f32]>>> {
        let Some((&first, _)) = unknown.first() else { return Ok(Vec::new()) };
        let model = match self.model.get() {
            Some(model) => model,
            None => {
                let loaded = on_one_thread(|| Model::load(self.source))??;
                let loaded = loaded.ok_or_else(|| EncoderError::NotEmbedded { start: start_of(first) })?;
                self.model.get_or_init(|| loaded)
            }
        };
        let distinct: Vec<&str> = unknown.keys().copied().collect();
        on_one_thread(|| model.embed(&distinct))??.map_err(|i| EncoderError::EmptySentence {
            index: unknown[i].first().copied().unwrap_or_default(),
            n_sentences,
            start: start_of(distinct[i]),
        })
    }

    /// Length of a vector: 384.
    pub fn dim(&self) -> usize {
        MINILM.hidden_size
    }

    /// What decides the vectors, as a sha256 in hexadecimal: weights, tokenizer and pooling; of the random twin its seed and
    /// sizes in place of the weights. Loads nothing.
    pub fn fingerprint(&self) -> String {
        self.source.fingerprint()
    }

    /// Whether the attached table has that sentence.
    pub fn in_table(&self, sentence: &str) -> bool {
        self.table.as_ref().is_some_and(|table| table.get(sentence).is_some())
    }

    /// Where the vectors came from so far.
    pub fn stats(&self) -> EncoderStats {
        EncoderStats {
            table_hits: self.counts.table_hits.load(Ordering::Relaxed),
            memo_hits: self.counts.memo_hits.load(Ordering::Relaxed),
            model_runs: self.counts.model_runs.load(Ordering::Relaxed),
        }
    }

    /// Whether this encoder has needed the model yet.
    pub fn is_loaded(&self) -> bool {
        self.model.get().is_some()
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("source", &self.source)
            .field("is_loaded", &self.is_loaded())
            .field("table_len", &self.table.as_ref().map(SentenceTable::len))
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

fn check_length(sentence: &str) -> Result<()> {
    let (length, limit) = (sentence.len(), MAX_SENTENCE_BYTES);
    if length > limit {
        return Err(EncoderError::TooLong { start: start_of(sentence), length, limit, unit: "bytes" });
    }
    Ok(())
}

#[cfg(all(test, not(feature = "embedded")))]
mod tests {
    use super::*;

    #[test]
    fn without_weights_only_the_table_is_known_and_the_error_says_so() {
        let message = Encoder::pretrained().unwrap().embed(&["Act Relu"]).unwrap_err().to_string();
        assert!(
            message.contains("`Act Relu` is not in the table") && message.contains("feature `embedded`"),
            "{message}"
        );
    }
}
