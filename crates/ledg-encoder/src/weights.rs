//! Where the weights come from: the compiled-in 8-bit file, or a seeded generator for the ablation.
//!
//! **Invariant:** the word embeddings, half of the model, are never expanded: rows are made as they are asked for, straight
//! from the compiled-in bytes, so only the pages of words in use become resident.

use std::io::Cursor;

use candle_core::quantized::{GgmlDType, gguf_file::Content};
use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};
use half::f16;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

use crate::bert::BertConfig;

const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";
/// Weights in one block of ggml's Q8_0: an f16 scale, then as many i8.
const Q8_0_BLOCK: usize = 32;
const Q8_0_BLOCK_BYTES: usize = 2 + Q8_0_BLOCK;
/// BERT's initializer_range.
const INIT_STDDEV: f32 = 0.02;

/// Both halves of a model's weights, from a GGUF file that `examples/quantize.rs` wrote.
pub(crate) fn from_gguf(bytes: &'static [u8], cfg: &BertConfig) -> Result<(VarBuilder<'static>, WordEmbeddings)> {
    let content = Content::read(&mut Cursor::new(bytes))?;
    let words = WordEmbeddings::from_gguf(&content, bytes, cfg)?;
    let backend = GgufWeights { content, bytes };
    Ok((VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu), words))
}

/// Both halves of a model's weights, drawn as BERT is initialised before training: matrices from N(0, 0.02), biases zero,
/// layer norms the identity. Every tensor (and word) has its own stream, so that a weight depends on the seed and its name only.
pub(crate) fn random(seed: u64, cfg: &BertConfig) -> (VarBuilder<'static>, WordEmbeddings) {
    let words =
        WordEmbeddings { d: cfg.hidden_size, source: RowSource::Random(Box::new(stream_of(seed, WORD_EMBEDDINGS))) };
    (VarBuilder::from_backend(Box::new(RandomWeights { seed }), DType::F32, Device::Cpu), words)
}

/// The word embedding table: (vocab, d), by rows.
pub(crate) struct WordEmbeddings {
    d: usize,
    source: RowSource,
}

enum RowSource {
    /// Q8_0 blocks, row by row.
    Quantized(&'static [u8]),
    /// One ChaCha stream a word.
    Random(Box<ChaCha8Rng>),
}

impl WordEmbeddings {
    fn from_gguf(content: &Content, bytes: &'static [u8], cfg: &BertConfig) -> Result<Self> {
        let d = cfg.hidden_size;
        let info = content.tensor_infos.get(WORD_EMBEDDINGS);
        let info = info.ok_or_else(|| Error::Msg(format!("no tensor {WORD_EMBEDDINGS}")))?;
        let expected = Shape::from((cfg.vocab_size, d));
        if info.ggml_dtype != GgmlDType::Q8_0 || info.shape != expected || !d.is_multiple_of(Q8_0_BLOCK) {
            candle_core::bail!("{WORD_EMBEDDINGS} is {:?} {:?}, not Q8_0 {expected:?}", info.ggml_dtype, info.shape);
        }
        let n_bytes = cfg.vocab_size * row_bytes(d);
        let start = usize::try_from(content.tensor_data_offset.saturating_add(info.offset)).unwrap_or(usize::MAX);
        match bytes.get(start..start.saturating_add(n_bytes)) {
            Some(rows) => Ok(Self { d, source: RowSource::Quantized(rows) }),
            None => candle_core::bail!("{WORD_EMBEDDINGS} reaches beyond the end of the file"),
        }
    }

    /// # Shapes
    /// n ids -> n · d values
    ///
    /// # Errors
    /// An id outside of the vocabulary.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(ids.len() * self.d);
        for &id in ids {
            match &self.source {
                RowSource::Quantized(bytes) => {
                    let start = id as usize * row_bytes(self.d);
                    let Some(row) = bytes.get(start..start + row_bytes(self.d)) else {
                        candle_core::bail!("token {id} is outside of the vocabulary");
                    };
                    for block in row.chunks_exact(Q8_0_BLOCK_BYTES) {
                        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
                        out.extend(block[2..].iter().map(|&q| f32::from(q as i8) * scale));
                    }
                }
                RowSource::Random(table) => {
                    let mut rng = ChaCha8Rng::clone(table);
                    rng.set_stream(u64::from(id));
                    out.extend(normal(&mut rng, self.d));
                }
            }
        }
        Ok(out)
    }
}

fn row_bytes(d: usize) -> usize {
    d / Q8_0_BLOCK * Q8_0_BLOCK_BYTES
}

/// Expands a tensor at the time it is asked for, so that 8-bit and f32 copies of the whole model never coexist.
struct GgufWeights {
    content: Content,
    bytes: &'static [u8],
}

impl SimpleBackend for GgufWeights {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            candle_core::bail!("{name} is {:?}, not {shape:?}", tensor.shape());
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        self.content.tensor(&mut Cursor::new(self.bytes), name, device)?.dequantize(device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }
}

struct RandomWeights {
    seed: u64,
}

impl SimpleBackend for RandomWeights {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        if name.ends_with(".bias") {
            Tensor::zeros(shape, dtype, device)
        } else if name.ends_with("LayerNorm.weight") {
            Tensor::ones(shape, dtype, device)
        } else {
            let values = normal(&mut stream_of(self.seed, name), shape.elem_count()).collect();
            Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("a random {name} needs a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

fn stream_of(seed: u64, name: &str) -> ChaCha8Rng {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name);
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// `n` draws from N(0, [`INIT_STDDEV`]) by Box and Muller; written out, so that no library update changes the ablation.
fn normal(rng: &mut ChaCha8Rng, n: usize) -> impl Iterator<Item = f32> {
    let mut unit = || (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0; // in (0, 1)
    let pairs = std::iter::repeat_with(move || {
        let radius = (-2.0 * unit().ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * unit()).sin_cos();
        [radius * cos, radius * sin]
    });
    pairs.flatten().map(|z| z as f32 * INIT_STDDEV).take(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bert::MINILM;

    #[test]
    fn random_draws_have_the_stated_moments() {
        let draws: Vec<f32> = normal(&mut stream_of(7, "x"), 20_001).collect();
        let n = draws.len() as f32;
        let mean = draws.iter().sum::<f32>() / n;
        let stddev = (draws.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
        // Three standard errors: 0.02 * 3 / sqrt(20001) = 4.2e-4 and 0.02 * 3 / sqrt(2 * 20001) = 3e-4.
        assert!(mean.abs() < 4.2e-4, "mean {mean}");
        assert!((stddev - INIT_STDDEV).abs() < 3e-4, "standard deviation {stddev}");
    }

    #[test]
    fn a_random_row_depends_on_its_word_only() {
        let (_, words) = random(1, &MINILM);
        let rows = words.rows(&[7, 2023, 7]).unwrap();
        assert_eq!(rows[..384], rows[768..]);
        assert_ne!(rows[..384], rows[384..768]);
        assert_eq!(rows[384..768], words.rows(&[2023]).unwrap());
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn rows_are_those_candle_dequantizes() {
        let bytes = crate::assets::weights().unwrap();
        let (_, words) = from_gguf(bytes, &MINILM).unwrap();
        let content = Content::read(&mut Cursor::new(bytes)).unwrap();
        let table = content.tensor(&mut Cursor::new(bytes), WORD_EMBEDDINGS, &Device::Cpu).unwrap();
        let ids = [0, 101, 9, 30_521];
        let expected = table.embedding(&Tensor::new(&ids, &Device::Cpu).unwrap()).unwrap();
        assert_eq!(words.rows(&ids).unwrap(), expected.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        assert!(words.rows(&[30_522]).unwrap_err().to_string().contains("30522"));
    }
}
