//! BERT (Devlin et al. 2018, arXiv:1810.04805), the encoder only: post-norm transformer, absolute positions, gelu (erf).
//!
//! **Invariant:** no attention mask. All sentences of a batch have the same token count, so there is no padding to mask; and
//! as no sum runs across sentences, each row of a batch has the bits it has alone.
//!
//! **Invariant:** no sum and no activation is of [`MAX_ELEMENTS`] or more: candle gives those to threads that it keeps for as
//! long as the process lives, which a library must not leave behind in a compiler.

use candle_core::{D, Module, Result, Tensor};
use candle_nn::{LayerNorm, Linear, VarBuilder, layer_norm, linear, ops::softmax_last_dim};

use crate::weights::WordEmbeddings;

/// Elements from which on candle's elementwise operations start its threads.
const MAX_ELEMENTS: usize = 64 * 1024;

/// A function of rows, of a few rows at a time: none of its tensors has [`MAX_ELEMENTS`] elements if none is wider than `width`.
///
/// # Shapes
/// (rows, a) -> (rows, b)
fn by_rows(x: &Tensor, width: usize, f: impl Fn(usize, &Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let (n, at_once) = (x.dim(0)?, ((MAX_ELEMENTS - 1) / width).max(1));
    let part = |start: usize| f(start, &x.narrow(0, start, at_once.min(n - start))?);
    let parts = (0..n).step_by(at_once).map(part).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&parts, 0)
}

/// The sizes of a BERT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BertConfig {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) n_layers: usize,
    pub(crate) n_heads: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) max_positions: usize,
    pub(crate) layer_norm_eps: f64,
}

/// all-MiniLM-L6-v2.
pub(crate) const MINILM: BertConfig = BertConfig {
    vocab_size: 30_522,
    hidden_size: 384,
    n_layers: 6,
    n_heads: 12,
    intermediate_size: 1536,
    max_positions: 512,
    layer_norm_eps: 1e-12,
};

pub(crate) struct Bert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
}

impl Bert {
    /// Weight names are those of the Hugging Face checkpoint, without the `bert.` prefix.
    pub(crate) fn load(vb: VarBuilder, words: WordEmbeddings, cfg: &BertConfig) -> Result<Self> {
        let embeddings = Embeddings::load(vb.pp("embeddings"), words, cfg)?;
        let layers =
            (0..cfg.n_layers).map(|i| Layer::load(vb.pp(format!("encoder.layer.{i}")), cfg)).collect::<Result<_>>()?;
        Ok(Self { embeddings, layers })
    }

    /// # Shapes
    /// `ids`: n sentences of t tokens each, one after the other -> (n, t, hidden)
    pub(crate) fn forward(&self, ids: &[u32], n: usize, t: usize) -> Result<Tensor> {
        let mut x = self.embeddings.forward(ids, n, t)?;
        for layer in &self.layers {
            x = layer.forward(&x, n, t)?;
        }
        x.reshape((n, t, ()))
    }
}

struct Embeddings {
    words: WordEmbeddings,
    /// Positions plus the segment embedding, which is always the first segment's: (max_positions, hidden).
    positions: Tensor,
    norm: LayerNorm,
}

impl Embeddings {
    fn load(vb: VarBuilder, words: WordEmbeddings, cfg: &BertConfig) -> Result<Self> {
        let d = cfg.hidden_size;
        let positions = vb.get((cfg.max_positions, d), "position_embeddings.weight")?;
        let segments = vb.get((2, d), "token_type_embeddings.weight")?;
        let segment = segments.narrow(0, 0, 1)?;
        Ok(Self {
            words,
            positions: by_rows(&positions, d, |_, rows| rows.broadcast_add(&segment))?,
            norm: layer_norm(d, cfg.layer_norm_eps, vb.pp("LayerNorm"))?,
        })
    }

    /// # Shapes
    /// n · t ids -> (n · t, hidden)
    fn forward(&self, ids: &[u32], n: usize, t: usize) -> Result<Tensor> {
        let d = self.positions.dim(1)?;
        let words = Tensor::from_vec(self.words.rows(ids)?, (n * t, d), self.positions.device())?;
        let positions = self.positions.narrow(0, 0, t)?.repeat((n, 1))?;
        let sum = by_rows(&words, d, |at, rows| rows + positions.narrow(0, at, rows.dim(0)?)?)?;
        self.norm.forward(&sum)
    }
}

struct Layer {
    attention: SelfAttention,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

impl Layer {
    fn load(vb: VarBuilder, cfg: &BertConfig) -> Result<Self> {
        let (d, ffn, eps) = (cfg.hidden_size, cfg.intermediate_size, cfg.layer_norm_eps);
        Ok(Self {
            attention: SelfAttention::load(vb.pp("attention"), cfg)?,
            attention_norm: layer_norm(d, eps, vb.pp("attention.output.LayerNorm"))?,
            intermediate: linear(d, ffn, vb.pp("intermediate.dense"))?,
            output: linear(ffn, d, vb.pp("output.dense"))?,
            output_norm: layer_norm(d, eps, vb.pp("output.LayerNorm"))?,
        })
    }

    /// # Shapes
    /// (n · t, hidden) -> (n · t, hidden)
    fn forward(&self, x: &Tensor, n: usize, t: usize) -> Result<Tensor> {
        let attended = self.attention.forward(x, n, t)?;
        by_rows(x, self.intermediate.weight().dim(0)?, |at, x| {
            let x = self.attention_norm.forward(&(x + attended.narrow(0, at, x.dim(0)?)?)?)?;
            let h = self.output.forward(&self.intermediate.forward(&x)?.gelu_erf()?)?;
            self.output_norm.forward(&(x + h)?)
        })
    }
}

struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    n_heads: usize,
}

impl SelfAttention {
    fn load(vb: VarBuilder, cfg: &BertConfig) -> Result<Self> {
        let d = cfg.hidden_size;
        Ok(Self {
            query: linear(d, d, vb.pp("self.query"))?,
            key: linear(d, d, vb.pp("self.key"))?,
            value: linear(d, d, vb.pp("self.value"))?,
            output: linear(d, d, vb.pp("output.dense"))?,
            n_heads: cfg.n_heads,
        })
    }

    /// # Shapes
    /// (n · t, hidden) -> (n · t, hidden)
    fn forward(&self, x: &Tensor, n: usize, t: usize) -> Result<Tensor> {
        let d = x.dim(1)?;
        let linear = |layer: &Linear, x: &Tensor| by_rows(x, d, |_, rows| layer.forward(rows));
        let heads = |h: Tensor| h.reshape((n, t, self.n_heads, ()))?.transpose(1, 2)?.contiguous(); // (n, heads, t, d/heads)
        let q = heads(linear(&self.query, x)?)?;
        let k = heads(linear(&self.key, x)?)?;
        let v = heads(linear(&self.value, x)?)?;
        let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
        let scores = (q.matmul(&k.t()?)? * scale)?; // (n, heads, t, t)
        let h = softmax_last_dim(&scores)?.matmul(&v)?; // (n, heads, t, d/heads)
        linear(&self.output, &h.transpose(1, 2)?.reshape((n * t, d))?)
    }
}
