//! Sentences embedded ahead of time, as one safetensors file.
//!
//! The file: metadata `ledg_sentence_table` (JSON: version, fingerprint, n_sentences, dim), tensor `sentences` (u8: a JSON
//! array of strings), tensor `vectors` (f16, (n, dim), same order).
//!
//! **Invariant:** same sentences, same encoder, same bytes; reading back is lossless, as vectors are exact in f16.

use std::collections::HashMap;
use std::sync::Arc;

use half::f16;
use indexmap::IndexMap;
use indexmap::map::Entry;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::{Encoder, EncoderError, Result};

const HEADER: &str = "ledg_sentence_table";
const SENTENCES: &str = "sentences";
const VECTORS: &str = "vectors";
const VERSION: u32 = 1;

/// Vectors of known sentences, of one encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct SentenceTable {
    fingerprint: String,
    dim: usize,
    rows: IndexMap<Box<str>, Arc<[f32]>>,
}

// One metadata entry, as safetensors keeps its metadata in a hash map, and the order of several would be by chance.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    fingerprint: String,
    n_sentences: usize,
    dim: usize,
}

impl SentenceTable {
    /// Embeds the sentences (repeated ones once), in the order given.
    ///
    /// # Errors
    /// Those of [`Encoder::embed`].
    pub fn build(encoder: &Encoder, sentences: &[String]) -> Result<Self> {
        let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let vectors = encoder.embed(&texts)?;
        let rows = texts.iter().map(|&s| s.into()).zip(vectors).collect();
        Ok(Self { fingerprint: encoder.fingerprint(), dim: encoder.dim(), rows })
    }

    /// The table with more sentences at its end; those it has are not embedded again.
    ///
    /// # Errors
    /// Those of [`Encoder::embed`]; [`EncoderError::ForeignTable`] if another encoder made the table.
    pub fn extended(&self, encoder: &Encoder, more: &[String]) -> Result<Self> {
        if self.fingerprint != encoder.fingerprint() {
            return Err(EncoderError::ForeignTable { table: self.fingerprint.clone(), encoder: encoder.fingerprint() });
        }
        let new: Vec<String> = more.iter().filter(|s| self.get(s).is_none()).cloned().collect();
        let mut all = self.clone();
        all.rows.extend(Self::build(encoder, &new)?.rows);
        Ok(all)
    }

    /// The vector of a sentence, if the table has it.
    ///
    /// # Shapes
    /// (dim)
    pub fn get(&self, sentence: &str) -> Option<&Arc<[f32]>> {
        self.rows.get(sentence)
    }

    /// The sentences, in the order they were given.
    pub fn sentences(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rows.keys().map(|s| &**s)
    }

    /// Number of sentences.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no sentences.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Fingerprint of the encoder that made it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A fingerprint can be forged; a vector of the wrong length must still not reach the predictor.
    pub(crate) fn check_dim(&self, dim: usize) -> Result<()> {
        match self.dim == dim {
            true => Ok(()),
            false => Err(bad(VECTORS, format!("of length {}, the encoder's are of {dim}", self.dim))),
        }
    }

    /// The table as a safetensors file.
    ///
    /// # Errors
    /// [`EncoderError::TableFile`] if safetensors refuses (no known case).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header {
            version: VERSION,
            fingerprint: self.fingerprint.clone(),
            n_sentences: self.rows.len(),
            dim: self.dim,
        };
        let sentences = to_json(SENTENCES, &self.rows.keys().collect::<Vec<_>>())?.into_bytes();
        let vectors: Vec<u8> =
            self.rows.values().flat_map(|v| v.iter()).flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
        let tensors = [
            (SENTENCES, TensorView::new(Dtype::U8, vec![sentences.len()], &sentences)?),
            (VECTORS, TensorView::new(Dtype::F16, vec![self.rows.len(), self.dim], &vectors)?),
        ];
        let metadata = HashMap::from([(HEADER.to_owned(), to_json(HEADER, &header)?)]);
        Ok(safetensors::serialize(tensors, Some(metadata))?)
    }

    /// Reads what [`SentenceTable::to_bytes`] wrote. Whether it fits an encoder is checked by [`Encoder::with_table`].
    ///
    /// # Errors
    /// [`EncoderError::TableFile`] if it is no safetensors file, [`EncoderError::TableField`] if a part of it is missing, of
    /// another version or shape, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let header = metadata.metadata().as_ref().and_then(|m| m.get(HEADER));
        let header = header.ok_or_else(|| bad(HEADER, "missing from the metadata"))?;
        let header: Header = serde_json::from_str(header).map_err(|e| bad(HEADER, e))?;
        if header.version != VERSION {
            return Err(bad(HEADER, format!("version {}, this build reads {VERSION}", header.version)));
        }

        let file = SafeTensors::deserialize(bytes)?;
        let sentences = file.tensor(SENTENCES)?;
        let sentences: Vec<Box<str>> = serde_json::from_slice(sentences.data()).map_err(|e| bad(SENTENCES, e))?;
        if sentences.len() != header.n_sentences {
            return Err(bad(SENTENCES, format!("{} in place of {}", sentences.len(), header.n_sentences)));
        }
        let vectors = file.tensor(VECTORS)?;
        let expected = [header.n_sentences, header.dim];
        if vectors.dtype() != Dtype::F16 || vectors.shape() != expected || header.dim == 0 {
            return Err(bad(
                VECTORS,
                format!("{:?} {:?} in place of F16 {expected:?}", vectors.dtype(), vectors.shape()),
            ));
        }

        let mut rows = IndexMap::with_capacity(sentences.len());
        for (sentence, row) in sentences.into_iter().zip(vectors.data().chunks_exact(2 * header.dim)) {
            let row: Arc<[f32]> = row.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
            if !row.iter().all(|v| v.is_finite()) {
                return Err(bad(VECTORS, format!("not finite at `{sentence}`")));
            }
            match rows.entry(sentence) {
                Entry::Occupied(entry) => return Err(bad(SENTENCES, format!("`{}` is there twice", entry.key()))),
                Entry::Vacant(entry) => entry.insert(row),
            };
        }
        Ok(Self { fingerprint: header.fingerprint, dim: header.dim, rows })
    }
}

fn to_json<T: Serialize>(field: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| bad(field, e))
}

fn bad(field: &'static str, reason: impl ToString) -> EncoderError {
    EncoderError::TableField { field, reason: reason.to_string() }
}
