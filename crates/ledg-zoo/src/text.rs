//! Transformers on text: BERT (Devlin et al., 2018), GPT-2 (Radford et al., 2019), with GPT-3's sizes (Brown et al., 2020)
//! as well, and OPT (Zhang et al., 2022), as Hugging Face's implementations export them.

use ledg_graph::{Attr, Attrs, DType, ValueId};

use crate::net::{Act, Map, Net};
use crate::vit::feed_forward;
use crate::{ZooConfig, ZooError};

/// Sizes of a transformer on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextSizes {
    /// Width; a multiple of `heads`.
    pub hidden: u64,
    /// Attention heads.
    pub heads: u64,
    /// Layers.
    pub layers: usize,
    /// Entries of the token embedding.
    pub vocabulary: u64,
    /// Entries of the position embedding: the longest sequence.
    pub positions: u64,
}

impl TextSizes {
    const fn new(hidden: u64, heads: u64, layers: usize, vocabulary: u64, positions: u64) -> Self {
        TextSizes { hidden, heads, layers, vocabulary, positions }
    }

    /// The root of a head's size.
    fn root(&self) -> f32 {
        ((self.hidden / self.heads) as f32).sqrt()
    }

    pub(crate) fn check(&self, name: &'static str, sequence: u64) -> Result<(), ZooError> {
        let parts = [("hidden", self.hidden), ("heads", self.heads), ("layers", self.layers as u64)];
        if let Some((what, size)) = parts.into_iter().find(|(_, size)| *size == 0) {
            return Err(ZooError::BadSize { name, what, size, why: "it must be at least 1" });
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(ZooError::BadSize {
                name,
                what: "hidden",
                size: self.hidden,
                why: "it must be a multiple of heads",
            });
        }
        if sequence > self.positions {
            let why = match self.positions {
                512 => "it has 512 positions",
                1024 => "it has 1024 positions",
                _ => "it has fewer positions",
            };
            return Err(ZooError::BadSize { name, what: "sequence", size: sequence, why });
        }
        Ok(())
    }
}

pub(crate) fn bert_base(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    bert(net, config, "bert_base", &TextSizes::new(768, 12, 12, 30_522, 512))
}

pub(crate) fn bert_large(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    bert(net, config, "bert_large", &TextSizes::new(1024, 16, 24, 30_522, 512))
}

pub(crate) fn gpt2_small(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    gpt2(net, config, "gpt2", &TextSizes::new(768, 12, 12, 50_257, 1024))
}

pub(crate) fn gpt2_large(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    gpt2(net, config, "gpt2_large", &TextSizes::new(1280, 20, 36, 50_257, 1024))
}

/// GPT-3's 1.3 billion parameters in GPT-2's implementation; the paper's 24 heads of 128 do not make its width of 2048,
/// 16 do.
pub(crate) fn gpt3_xl(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    gpt2(net, config, "gpt3_xl", &TextSizes::new(2048, 16, 24, 50_257, 2048))
}

pub(crate) fn opt_1_3b(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    opt(net, config, "opt_1_3b", &TextSizes::new(2048, 32, 24, 50_272, 2048))
}

pub(crate) fn axis(axis: i64) -> Attrs {
    Attrs::new().with("axis", Attr::Int(axis))
}

/// A node on integers.
pub(crate) fn int_op(net: &mut Net, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
    net.outputs(op, attrs, &inputs.iter().copied().map(Some).collect::<Vec<_>>(), 1, DType::I64)[0]
}

/// The sequence length as data: element 1 of the ids' shape, a vector of one.
pub(crate) fn sequence_length(net: &mut Net, ids: ValueId) -> ValueId {
    let shape = int_op(net, "Shape", Attrs::new(), &[ids]);
    let one = net.int_tensor(&[], vec![1]);
    let length = int_op(net, "Gather", axis(0), &[shape, one]);
    let zero = net.ints(&[0]);
    int_op(net, "Unsqueeze", Attrs::new(), &[length, zero])
}

/// The embeddings of the positions in use: the first of a table.
fn positions(net: &mut Net, ids: ValueId, name: &str, most: u64, hidden: u64) -> ValueId {
    let table = net.weight(name, &[most, hidden]);
    let all = net.int_tensor(&[1, most], (0..most as i64).collect());
    let (zero, along) = (net.ints(&[0]), net.ints(&[1]));
    let length = sequence_length(net, ids);
    let used = int_op(net, "Slice", Attrs::new(), &[all, zero, length, along]);
    net.op("Gather", axis(0), &[table, used])
}

/// Inputs `input_ids`, `attention_mask` and `token_type_ids`; outputs the last hidden state and the pooled first token.
pub(crate) fn bert(net: &mut Net, config: &ZooConfig, name: &'static str, sizes: &TextSizes) -> Result<(), ZooError> {
    sizes.check(name, config.sequence)?;
    let hidden = sizes.hidden;
    let [ids, mask, types] =
        ["input_ids", "attention_mask", "token_type_ids"].map(|name| net.tokens(name, config.batch, config.sequence));
    let words = net.weight("word_embeddings", &[sizes.vocabulary, hidden]);
    let words = net.op("Gather", axis(0), &[words, ids]);
    let kinds = net.weight("token_type_embeddings", &[2, hidden]);
    let kinds = net.op("Gather", axis(0), &[kinds, types]);
    let places = positions(net, ids, "position_embeddings", sizes.positions, hidden);
    let sum = net.apply("Add", &[words, kinds]);
    let sum = net.apply("Add", &[sum, places]);
    let mut x = net.layer_norm(Map { id: sum, channels: hidden }, 1e-12);
    let mask = additive_mask(net, mask);
    for _ in 0..sizes.layers {
        let y = bert_attention(net, x, mask, sizes);
        let sum = net.add(y, x);
        x = net.layer_norm(sum, 1e-12);
        let y = feed_forward(net, x);
        let sum = net.add(y, x);
        x = net.layer_norm(sum, 1e-12);
    }
    net.output(x.id);
    let zero = net.int_tensor(&[], vec![0]);
    let first = net.op("Gather", axis(1), &[x.id, zero]);
    let pooled = net.gemm(Map { id: first, ..x }, hidden);
    let pooled = net.apply("Tanh", &[pooled.id]);
    net.output(pooled);
    Ok(())
}

/// 0 where attention is allowed, the lowest number where not.
fn additive_mask(net: &mut Net, mask: ValueId) -> ValueId {
    let axes = net.ints(&[1, 2]);
    let mask = int_op(net, "Unsqueeze", Attrs::new(), &[mask, axes]);
    let mask = net.op("Cast", Attrs::new().with("to", Attr::Int(1)), &[mask]);
    let one = net.scalar(1.0);
    let inverse = net.apply("Sub", &[one, mask]);
    let lowest = net.scalar(f32::MIN);
    net.apply("Mul", &[inverse, lowest])
}

/// (batch, steps, hidden) -> (batch, heads, steps, size), or with keys transposed (batch, heads, size, steps)
fn by_head(net: &mut Net, x: ValueId, perm: &[i64], sizes: &TextSizes) -> ValueId {
    let split = net.reshape(x, &[0, 0, sizes.heads as i64, (sizes.hidden / sizes.heads) as i64]);
    net.transpose(split, perm)
}

pub(crate) fn join_heads(net: &mut Net, x: ValueId, hidden: u64) -> ValueId {
    let joined = net.transpose(x, &[0, 2, 1, 3]);
    net.reshape(joined, &[0, 0, hidden as i64])
}

fn bert_attention(net: &mut Net, x: Map, mask: ValueId, sizes: &TextSizes) -> Map {
    let [q, k, v] = [(); 3].map(|()| net.linear(x, sizes.hidden).id);
    let q = by_head(net, q, &[0, 2, 1, 3], sizes);
    let k = by_head(net, k, &[0, 2, 3, 1], sizes);
    let v = by_head(net, v, &[0, 2, 1, 3], sizes);
    let scores = net.apply("MatMul", &[q, k]);
    let root = net.scalar(sizes.root());
    let scores = net.apply("Div", &[scores, root]);
    let scores = net.apply("Add", &[scores, mask]);
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y, sizes.hidden);
    net.linear(Map { id: y, channels: sizes.hidden }, sizes.hidden)
}

/// Prefill of a whole sequence without a cache; the head shares the token embedding. Input `input_ids`, output logits.
pub(crate) fn gpt2(net: &mut Net, config: &ZooConfig, name: &'static str, sizes: &TextSizes) -> Result<(), ZooError> {
    sizes.check(name, config.sequence)?;
    let hidden = sizes.hidden;
    let ids = net.tokens("input_ids", config.batch, config.sequence);
    let table = net.weight("wte.weight", &[sizes.vocabulary, hidden]);
    let words = net.op("Gather", axis(0), &[table, ids]);
    let places = positions(net, ids, "wpe.weight", sizes.positions, hidden);
    let mut x = Map { id: net.apply("Add", &[words, places]), channels: hidden };
    let causal = causal_mask(net, ids, sizes.positions);
    for _ in 0..sizes.layers {
        let y = net.layer_norm(x, 1e-5);
        let y = gpt2_attention(net, y, causal, sizes);
        x = net.add(y, x);
        let y = net.layer_norm(x, 1e-5);
        let y = conv1d(net, y, 4 * hidden);
        let y = tanh_gelu(net, y);
        let y = conv1d(net, y, hidden);
        x = net.add(x, y);
    }
    let x = net.layer_norm(x, 1e-5);
    let rows = net.reshape(x.id, &[-1, hidden as i64]);
    let logits = net.op("Gemm", Attrs::new().with("transB", Attr::Int(1)), &[rows, table]);
    let logits = like_rows(net, x.id, logits, sizes.vocabulary);
    net.output(logits);
    Ok(())
}

/// The part in use of a triangle for the longest sequence.
pub(crate) fn causal_mask(net: &mut Net, ids: ValueId, most: u64) -> ValueId {
    let mut mask = net.buffer("causal", DType::Bool, &[1, 1, most, most]);
    for along in [2, 3] {
        let length = sequence_length(net, ids);
        let (zero, along) = (net.ints(&[0]), net.ints(&[along]));
        let inputs = [mask, zero, length, along].map(Some);
        mask = net.outputs("Slice", Attrs::new(), &inputs, 1, DType::Bool)[0];
    }
    mask
}

/// Hugging Face's Conv1D: a product of rows, shaped back.
fn conv1d(net: &mut Net, x: Map, features: u64) -> Map {
    let rows = net.reshape(x.id, &[-1, x.channels as i64]);
    let name = net.next_name("Gemm");
    let weight = net.weight(format!("{name}.weight"), &[x.channels, features]);
    let bias = net.weight(format!("{name}.bias"), &[features]);
    let product = net.apply("Gemm", &[rows, weight, bias]);
    Map { id: like_rows(net, x.id, product, features), channels: features }
}

/// Shapes rows back to (batch, steps, features), where `x` has batch and steps.
fn like_rows(net: &mut Net, x: ValueId, rows: ValueId, features: u64) -> ValueId {
    let shape = int_op(net, "Shape", Attrs::new(), &[x]);
    let (start, end) = (net.ints(&[0]), net.ints(&[2]));
    let outer = int_op(net, "Slice", Attrs::new(), &[shape, start, end]);
    let last = net.ints(&[features as i64]);
    let target = int_op(net, "Concat", axis(0), &[outer, last]);
    net.apply("Reshape", &[rows, target])
}

fn gpt2_attention(net: &mut Net, x: Map, causal: ValueId, sizes: &TextSizes) -> Map {
    let qkv = conv1d(net, x, 3 * sizes.hidden);
    let thirds = net.ints(&[sizes.hidden as i64; 3]);
    let parts = net.outputs("Split", axis(2), &[Some(qkv.id), Some(thirds)], 3, DType::F32);
    let q = by_head(net, parts[0], &[0, 2, 1, 3], sizes);
    let k = by_head(net, parts[1], &[0, 2, 3, 1], sizes);
    let v = by_head(net, parts[2], &[0, 2, 1, 3], sizes);
    let scores = net.apply("MatMul", &[q, k]);
    let root = net.scalar(sizes.root());
    let scores = net.apply("Div", &[scores, root]);
    let lowest = net.scalar(f32::MIN);
    let scores = net.apply("Where", &[causal, scores, lowest]);
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y, sizes.hidden);
    conv1d(net, Map { id: y, channels: sizes.hidden }, sizes.hidden)
}

/// GELU by the hyperbolic tangent: 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).
fn tanh_gelu(net: &mut Net, x: Map) -> Map {
    let half = net.scalar(0.5);
    let halved = net.apply("Mul", &[x.id, half]);
    let three = net.scalar(3.0);
    let cube = net.apply("Pow", &[x.id, three]);
    let factor = net.scalar(0.044_715);
    let cube = net.apply("Mul", &[cube, factor]);
    let sum = net.apply("Add", &[x.id, cube]);
    let root = net.scalar(0.797_884_6);
    let scaled = net.apply("Mul", &[sum, root]);
    let tanh = net.apply("Tanh", &[scaled]);
    let one = net.scalar(1.0);
    let shifted = net.apply("Add", &[tanh, one]);
    Map { id: net.apply("Mul", &[halved, shifted]), ..x }
}

/// OPT: separate projections, ReLU, a mask that is added, and two positions more than it can use. Inputs `input_ids` and
/// `attention_mask`, output logits.
pub(crate) fn opt(net: &mut Net, config: &ZooConfig, name: &'static str, sizes: &TextSizes) -> Result<(), ZooError> {
    sizes.check(name, config.sequence)?;
    let hidden = sizes.hidden;
    let [ids, padding] = ["input_ids", "attention_mask"].map(|name| net.tokens(name, config.batch, config.sequence));
    let table = net.weight("embed_tokens.weight", &[sizes.vocabulary, hidden]);
    let words = net.op("Gather", axis(0), &[table, ids]);
    let places = positions(net, ids, "embed_positions.weight", sizes.positions + 2, hidden);
    let mut x = Map { id: net.apply("Add", &[words, places]), channels: hidden };
    let causal = causal_mask(net, ids, sizes.positions);
    let padding = additive_mask(net, padding);
    let lowest = net.scalar(f32::MIN);
    let mask = net.apply("Where", &[causal, padding, lowest]);
    for _ in 0..sizes.layers {
        let y = net.layer_norm(x, 1e-5);
        let y = opt_attention(net, y, mask, sizes);
        x = net.add(x, y);
        let y = net.layer_norm(x, 1e-5);
        let y = net.linear(y, 4 * hidden);
        let y = net.act(y, Act::Relu);
        let y = net.linear(y, hidden);
        x = net.add(x, y);
    }
    let x = net.layer_norm(x, 1e-5);
    let head = net.transpose(table, &[1, 0]);
    let logits = net.apply("MatMul", &[x.id, head]);
    net.output(logits);
    Ok(())
}

fn opt_attention(net: &mut Net, x: Map, mask: ValueId, sizes: &TextSizes) -> Map {
    let [q, k, v] = [(); 3].map(|()| net.linear(x, sizes.hidden).id);
    let scale = net.scalar(sizes.root().recip());
    let q = net.apply("Mul", &[q, scale]);
    let q = by_head(net, q, &[0, 2, 1, 3], sizes);
    let k = by_head(net, k, &[0, 2, 3, 1], sizes);
    let v = by_head(net, v, &[0, 2, 1, 3], sizes);
    let scores = net.apply("MatMul", &[q, k]);
    let lowest = net.scalar(f32::MIN);
    let scores = net.apply("Add", &[scores, mask]);
    let scores = net.apply("Max", &[scores, lowest]);
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y, sizes.hidden);
    net.linear(Map { id: y, channels: sizes.hidden }, sizes.hidden)
}
