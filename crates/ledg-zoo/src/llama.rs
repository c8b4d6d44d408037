//! Decoders of Llama's kind (Touvron et al., 2023), as Hugging Face's implementation exports them: RMS norm, rotary positions,
//! fewer key than query heads, gated SiLU. Prefill of a whole sequence, and decoding of one token with cached keys and
//! values.

use ledg_graph::{Attr, Attrs, DType, ValueId};

use crate::net::{Act, Map, Net};
use crate::text::{axis, causal_mask, int_op, join_heads, sequence_length};
use crate::{ZooConfig, ZooError};

/// Sizes of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LlamaSizes {
    /// Width; a multiple of `heads`, with heads of even size.
    pub hidden: u64,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Layers.
    pub layers: usize,
    /// Width between the linear layers of the gated unit.
    pub inner: u64,
    /// Entries of the token embedding.
    pub vocabulary: u64,
    /// The longest sequence.
    pub positions: u64,
}

/// What a decoder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reads a whole sequence.
    Prefill,
    /// Reads one token after a sequence whose keys and values are inputs.
    Decode,
}

const TINY: LlamaSizes =
    LlamaSizes { hidden: 2048, heads: 32, kv_heads: 4, layers: 22, inner: 5632, vocabulary: 32_000, positions: 2048 };

const LLAMA2_7B: LlamaSizes = LlamaSizes {
    hidden: 4096,
    heads: 32,
    kv_heads: 32,
    layers: 32,
    inner: 11_008,
    vocabulary: 32_000,
    positions: 4096,
};

pub(crate) fn tinyllama(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    llama(net, config, "tinyllama", &TINY, Phase::Prefill)
}

pub(crate) fn tinyllama_decode(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    llama(net, config, "tinyllama_decode", &TINY, Phase::Decode)
}

pub(crate) fn llama2_7b(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    llama(net, config, "llama2_7b", &LLAMA2_7B, Phase::Prefill)
}

pub(crate) fn llama2_7b_decode(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    llama(net, config, "llama2_7b_decode", &LLAMA2_7B, Phase::Decode)
}

impl LlamaSizes {
    fn head(&self) -> u64 {
        self.hidden / self.heads
    }

    fn check(&self, name: &'static str, sequence: u64) -> Result<(), ZooError> {
        let bad = |what, size, why| Err(ZooError::BadSize { name, what, size, why });
        let sizes =
            [("hidden", self.hidden), ("heads", self.heads), ("kv_heads", self.kv_heads), ("inner", self.inner)];
        if let Some((what, size)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return bad(what, size, "it must be at least 1");
        }
        if !self.hidden.is_multiple_of(2 * self.heads) {
            return bad("hidden", self.hidden, "it must be heads of even size");
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad("heads", self.heads, "it must be a multiple of kv_heads");
        }
        if sequence > self.positions {
            return bad("sequence", sequence, "it has fewer positions");
        }
        Ok(())
    }
}

/// Input `input_ids`; when decoding, also keys and values of a past of `sequence` tokens by layer. Outputs logits and the
/// keys and values of each layer.
pub(crate) fn llama(
    net: &mut Net,
    config: &ZooConfig,
    name: &'static str,
    sizes: &LlamaSizes,
    phase: Phase,
) -> Result<(), ZooError> {
    let (batch, sequence) = (config.batch, config.sequence);
    // The new token takes a position too.
    sizes.check(name, sequence + u64::from(phase == Phase::Decode))?;
    let ids = net.tokens("input_ids", batch, if phase == Phase::Decode { 1 } else { sequence });
    let pasts: Vec<[ValueId; 2]> = match phase {
        Phase::Prefill => Vec::new(),
        Phase::Decode => {
            let shape = [batch, sizes.kv_heads, sequence, sizes.head()];
            let past = |net: &mut Net, i: usize, part: &str| net.input(&format!("past.{i}.{part}"), DType::F32, &shape);
            (0..sizes.layers).map(|i| ["key", "value"].map(|part| past(net, i, part))).collect()
        }
    };
    let table = net.weight("embed_tokens.weight", &[sizes.vocabulary, sizes.hidden]);
    let mut x = Map { id: net.op("Gather", axis(0), &[table, ids]), channels: sizes.hidden };
    let rotary = rotary(net, ids, pasts.first().map(|past| past[0]), sizes);
    let causal = (phase == Phase::Prefill).then(|| causal_mask(net, ids, sizes.positions));
    let mut caches = Vec::with_capacity(2 * sizes.layers);
    for i in 0..sizes.layers {
        let y = rms_norm(net, x);
        let (y, cache) = attention(net, y, sizes, rotary, causal, pasts.get(i));
        caches.extend(cache);
        x = net.add(x, y);
        let y = rms_norm(net, x);
        let gate = bare(net, y, sizes.inner);
        let gate = net.act(gate, Act::Silu);
        let up = bare(net, y, sizes.inner);
        let y = net.mul(gate, up);
        let y = bare(net, y, sizes.hidden);
        x = net.add(x, y);
    }
    let x = rms_norm(net, x);
    let logits = bare(net, x, sizes.vocabulary);
    net.output(logits.id);
    caches.into_iter().for_each(|cache| net.output(cache));
    Ok(())
}

/// A linear layer without bias.
fn bare(net: &mut Net, x: Map, features: u64) -> Map {
    let name = net.next_name("MatMul");
    let weight = net.weight(format!("{name}.weight"), &[x.channels, features]);
    Map { id: net.apply("MatMul", &[x.id, weight]), channels: features }
}

/// x / √(mean(x²) + ε), scaled.
fn rms_norm(net: &mut Net, x: Map) -> Map {
    let two = net.scalar(2.0);
    let square = net.apply("Pow", &[x.id, two]);
    let attrs = Attrs::new().with("axes", Attr::Ints(vec![-1])).with("keepdims", Attr::Int(1));
    let mean = net.op("ReduceMean", attrs, &[square]);
    let epsilon = net.scalar(1e-5);
    let sum = net.apply("Add", &[mean, epsilon]);
    let root = net.apply("Sqrt", &[sum]);
    let one = net.scalar(1.0);
    let inverse = net.apply("Div", &[one, root]);
    let scaled = net.apply("Mul", &[x.id, inverse]);
    let name = net.next_name("Mul");
    let weight = net.weight(format!("{name}.weight"), &[x.channels]);
    Map { id: net.apply("Mul", &[weight, scaled]), ..x }
}

/// Cosines and sines of the positions in use: the first ones, or the one after the past.
fn rotary(net: &mut Net, ids: ValueId, past_key: Option<ValueId>, sizes: &LlamaSizes) -> [ValueId; 2] {
    let steps = sequence_length(net, ids);
    let (start, end) = match past_key {
        None => (net.ints(&[0]), steps),
        Some(key) => {
            let shape = int_op(net, "Shape", Attrs::new(), &[key]);
            let two = net.ints(&[2]);
            let past = int_op(net, "Gather", axis(0), &[shape, two]);
            (past, int_op(net, "Add", Attrs::new(), &[past, steps]))
        }
    };
    ["cos", "sin"].map(|name| {
        let table = net.buffer(&format!("rotary.{name}"), DType::F32, &[sizes.positions, sizes.head()]);
        let along = net.ints(&[0]);
        net.apply("Slice", &[table, start, end, along])
    })
}

/// x · cos + (−second half, first half) · sin
fn rotated(net: &mut Net, x: ValueId, [cos, sin]: [ValueId; 2], size: u64) -> ValueId {
    let half = |net: &mut Net, from: u64, to: u64| {
        let (start, end, along) = (net.ints(&[from as i64]), net.ints(&[to as i64]), net.ints(&[3]));
        net.apply("Slice", &[x, start, end, along])
    };
    let (first, second) = (half(net, 0, size / 2), half(net, size / 2, size));
    let negative = net.apply("Neg", &[second]);
    let turned = net.op("Concat", axis(3), &[negative, first]);
    let a = net.apply("Mul", &[x, cos]);
    let b = net.apply("Mul", &[turned, sin]);
    net.apply("Add", &[a, b])
}

/// Attention, and the keys and values to keep: (batch, kv_heads, steps, size).
fn attention(
    net: &mut Net,
    x: Map,
    sizes: &LlamaSizes,
    rotary: [ValueId; 2],
    causal: Option<ValueId>,
    past: Option<&[ValueId; 2]>,
) -> (Map, [ValueId; 2]) {
    let size = sizes.head();
    let mut project = |heads: u64| {
        let y = bare(net, x, heads * size);
        let split = net.reshape(y.id, &[0, 0, heads as i64, size as i64]);
        net.transpose(split, &[0, 2, 1, 3])
    };
    let [q, k, v] = [sizes.heads, sizes.kv_heads, sizes.kv_heads].map(&mut project);
    let q = rotated(net, q, rotary, size);
    let mut kept = [rotated(net, k, rotary, size), v];
    if let Some(past) = past {
        kept = [0, 1].map(|i| net.op("Concat", axis(2), &[past[i], kept[i]]));
    }
    let [k, v] = kept.map(|cache| repeated(net, cache, sizes));
    let k = net.transpose(k, &[0, 1, 3, 2]);
    let scores = net.apply("MatMul", &[q, k]);
    let root = net.scalar((size as f32).sqrt());
    let mut scores = net.apply("Div", &[scores, root]);
    if let Some(causal) = causal {
        let lowest = net.scalar(f32::MIN);
        scores = net.apply("Where", &[causal, scores, lowest]);
    }
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y, sizes.hidden);
    (bare(net, Map { id: y, channels: sizes.hidden }, sizes.hidden), kept)
}

/// Each key or value head once for every query head that reads it.
fn repeated(net: &mut Net, x: ValueId, sizes: &LlamaSizes) -> ValueId {
    let times = sizes.heads / sizes.kv_heads;
    if times == 1 {
        return x;
    }
    let along = net.ints(&[2]);
    let x = net.apply("Unsqueeze", &[x, along]);
    // (batch, kv_heads, times, steps, size)
    let shape = net.ints(&[1, 1, times as i64, 1, 1]);
    let x = net.apply("Expand", &[x, shape]);
    net.reshape(x, &[0, sizes.heads as i64, -1, sizes.head() as i64])
}
