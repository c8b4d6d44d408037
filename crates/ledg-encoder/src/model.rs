//! Tokenizer, BERT and pooling together: what runs when a sentence is not known yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use half::f16;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::assets;
use crate::bert::{Bert, MINILM};
use crate::error::start_of;
use crate::{EncoderError, Result, weights};

/// Longest sentence, in bytes: told before the tokenizer sees it.
pub const MAX_SENTENCE_BYTES: usize = 4096;
/// Longest sentence in tokens, `[CLS]` and `[SEP]` included: the model has no more positions.
pub const MAX_SENTENCE_TOKENS: usize = MINILM.max_positions;
/// Mean over the tokens, `[CLS]` and `[SEP]` included, not normalised: the length carries how typical a sentence is.
pub(crate) const POOLING: &str = "mean";
/// Tokens in one pass: enough to keep the matrix products busy, few enough for the activations to stay in cache.
const MAX_BATCH_TOKENS: usize = 512;
/// `[CLS]` and `[SEP]`.
const N_SPECIAL_TOKENS: usize = 2;

/// Which weights.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Pretrained,
    Random { seed: u64 },
}

impl Source {
    pub(crate) fn fingerprint(self) -> String {
        match self {
            Source::Pretrained => assets::PRETRAINED_FINGERPRINT.to_owned(),
            Source::Random { seed } => {
                let tokenizer = assets::TOKENIZER_SHA256;
                let text = format!(
                    "ledg-encoder/1 random\nseed {seed}\nconfig {MINILM:?}\ntokenizer {tokenizer}\npooling {POOLING}\n"
                );
                sha256_hex(text.as_bytes())
            }
        }
    }
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(crate) struct Model {
    tokenizer: Tokenizer,
    bert: Bert,
}

impl Model {
    /// The model, or `None` if this build carries none. All encoders of a process that use the pretrained weights at the same
    /// time share one copy of them.
    pub(crate) fn load(source: Source) -> Result<Option<Arc<Self>>> {
        static PRETRAINED: Mutex<Weak<Model>> = Mutex::new(Weak::new());
        let (Some(gguf), Some(tokenizer)) = (assets::weights(), assets::tokenizer()) else { return Ok(None) };
        match source {
            Source::Pretrained => {
                // Held while loading: threads that come second wait and share. A Weak is sound whoever panicked before.
                let mut shared = PRETRAINED.lock();
                if let Some(model) = shared.upgrade() {
                    return Ok(Some(model));
                }
                let damaged = |e: candle_core::Error| asset_error(assets::WEIGHTS_NAME, e);
                let (vb, words) = weights::from_gguf(gguf, &MINILM).map_err(damaged)?;
                let bert = Bert::load(vb, words, &MINILM).map_err(damaged)?;
                let model = Arc::new(Self { tokenizer: load_tokenizer(tokenizer)?, bert });
                *shared = Arc::downgrade(&model);
                Ok(Some(model))
            }
            Source::Random { seed } => {
                let (vb, words) = weights::random(seed, &MINILM);
                let bert = Bert::load(vb, words, &MINILM)?;
                Ok(Some(Arc::new(Self { tokenizer: load_tokenizer(tokenizer)?, bert })))
            }
        }
    }

    /// The token ids of a sentence, or `None` if it has no word.
    fn tokenize(&self, sentence: &str) -> Result<Option<Vec<u32>>> {
        let encoding = self
            .tokenizer
            .encode_fast(sentence, true)
            .map_err(|source| EncoderError::Tokenize { start: start_of(sentence), source })?;
        let length = encoding.len();
        if length > MAX_SENTENCE_TOKENS {
            let (start, limit) = (start_of(sentence), MAX_SENTENCE_TOKENS);
            return Err(EncoderError::TooLong { start, length, limit, unit: "tokens" });
        }
        Ok((length > N_SPECIAL_TOKENS).then(|| encoding.get_ids().to_vec()))
    }

    /// One vector a sentence, in order, rounded to f16. Sentences without a word are returned as the error, by position.
    pub(crate) fn embed(&self, sentences: &[&str]) -> Result<std::result::Result<Vec<Arc<[f32]>>, usize>> {
        let mut by_length: BTreeMap<usize, Vec<(usize, Vec<u32>)>> = BTreeMap::new();
        for (i, sentence) in sentences.iter().enumerate() {
            match self.tokenize(sentence)? {
                Some(ids) => by_length.entry(ids.len()).or_default().push((i, ids)),
                None => return Ok(Err(i)),
            }
        }
        let mut out: Vec<Arc<[f32]>> = vec![Arc::from([]); sentences.len()];
        for (t, same_length) in by_length {
            for batch in same_length.chunks((MAX_BATCH_TOKENS / t).max(1)) {
                let ids = batch.iter().flat_map(|(_, ids)| ids).copied().collect::<Vec<_>>();
                let pooled = self.bert.forward(&ids, batch.len(), t)?.mean(1)?; // (n, hidden)
                for ((i, _), vector) in batch.iter().zip(pooled.to_vec2::<f32>()?) {
                    out[*i] = vector.into_iter().map(|v| f16::from_f32(v).to_f32()).collect();
                }
            }
        }
        Ok(Ok(out))
    }
}

fn load_tokenizer(json: &[u8]) -> Result<Tokenizer> {
    let tokenizer = Tokenizer::from_bytes(json).map_err(|e| asset_error(assets::TOKENIZER_NAME, e))?;
    if tokenizer.get_padding().is_some() || tokenizer.get_truncation().is_some() {
        return Err(asset_error(assets::TOKENIZER_NAME, "it pads or truncates"));
    }
    Ok(tokenizer)
}

fn asset_error(asset: &'static str, reason: impl ToString) -> EncoderError {
    EncoderError::Asset { asset, reason: reason.to_string() }
}
