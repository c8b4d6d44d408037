//! Transformers on text: BERT-base (Devlin et al., 2018) and GPT-2 small (Radford et al., 2019), as Hugging Face's
//! implementations export them.

use ledg_graph::{Attr, Attrs, DType, ValueId};

use crate::net::{Map, Net};
use crate::vit::feed_forward;
use crate::{ZooConfig, ZooError};

const HIDDEN: u64 = 768;
const HEADS: i64 = 12;
const LAYERS: usize = 12;

fn axis(axis: i64) -> Attrs {
    Attrs::new().with("axis", Attr::Int(axis))
}

/// A node on integers.
fn int_op(net: &mut Net, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
    net.outputs(op, attrs, &inputs.iter().copied().map(Some).collect::<Vec<_>>(), 1, DType::I64)[0]
}

/// The sequence length as data: element 1 of the ids' shape, a vector of one.
fn sequence_length(net: &mut Net, ids: ValueId) -> ValueId {
    let shape = int_op(net, "Shape", Attrs::new(), &[ids]);
    let one = net.int_tensor(&[], vec![1]);
    let length = int_op(net, "Gather", axis(0), &[shape, one]);
    let zero = net.ints(&[0]);
    int_op(net, "Unsqueeze", Attrs::new(), &[length, zero])
}

/// The embeddings of the positions in use: the first of a table.
fn positions(net: &mut Net, ids: ValueId, name: &str, most: u64) -> ValueId {
    let table = net.weight(name, &[most, HIDDEN]);
    let all = net.int_tensor(&[1, most], (0..most as i64).collect());
    let (zero, along) = (net.ints(&[0]), net.ints(&[1]));
    let length = sequence_length(net, ids);
    let used = int_op(net, "Slice", Attrs::new(), &[all, zero, length, along]);
    net.op("Gather", axis(0), &[table, used])
}

fn too_long(name: &'static str, config: &ZooConfig, most: u64, why: &'static str) -> Result<(), ZooError> {
    if config.sequence <= most {
        Ok(())
    } else {
        Err(ZooError::BadSize { name, what: "sequence", size: config.sequence, why })
    }
}

/// Inputs `input_ids`, `attention_mask` and `token_type_ids`; outputs the last hidden state and the pooled first token.
pub(crate) fn bert_base(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    too_long("bert_base", config, 512, "it has 512 positions")?;
    let [ids, mask, types] =
        ["input_ids", "attention_mask", "token_type_ids"].map(|name| net.tokens(name, config.batch, config.sequence));
    let words = net.weight("word_embeddings", &[30_522, HIDDEN]);
    let words = net.op("Gather", axis(0), &[words, ids]);
    let kinds = net.weight("token_type_embeddings", &[2, HIDDEN]);
    let kinds = net.op("Gather", axis(0), &[kinds, types]);
    let places = positions(net, ids, "position_embeddings", 512);
    let sum = net.apply("Add", &[words, kinds]);
    let sum = net.apply("Add", &[sum, places]);
    let mut x = net.layer_norm(Map { id: sum, channels: HIDDEN }, 1e-12);
    let mask = additive_mask(net, mask);
    for _ in 0..LAYERS {
        let y = bert_attention(net, x, mask);
        let sum = net.add(y, x);
        x = net.layer_norm(sum, 1e-12);
        let y = feed_forward(net, x);
        let sum = net.add(y, x);
        x = net.layer_norm(sum, 1e-12);
    }
    net.output(x.id);
    let zero = net.int_tensor(&[], vec![0]);
    let first = net.op("Gather", axis(1), &[x.id, zero]);
    let pooled = net.gemm(Map { id: first, ..x }, HIDDEN);
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
fn by_head(net: &mut Net, x: ValueId, perm: &[i64]) -> ValueId {
    let split = net.reshape(x, &[0, 0, HEADS, HIDDEN as i64 / HEADS]);
    net.transpose(split, perm)
}

fn join_heads(net: &mut Net, x: ValueId) -> ValueId {
    let joined = net.transpose(x, &[0, 2, 1, 3]);
    net.reshape(joined, &[0, 0, HIDDEN as i64])
}

fn bert_attention(net: &mut Net, x: Map, mask: ValueId) -> Map {
    let [q, k, v] = [(); 3].map(|()| net.linear(x, HIDDEN).id);
    let q = by_head(net, q, &[0, 2, 1, 3]);
    let k = by_head(net, k, &[0, 2, 3, 1]);
    let v = by_head(net, v, &[0, 2, 1, 3]);
    let scores = net.apply("MatMul", &[q, k]);
    let root = net.scalar(8.0);
    let scores = net.apply("Div", &[scores, root]);
    let scores = net.apply("Add", &[scores, mask]);
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y);
    net.linear(Map { id: y, channels: HIDDEN }, HIDDEN)
}

/// Prefill of a whole sequence without a cache; the head shares the token embedding. Input `input_ids`, output logits.
pub(crate) fn gpt2(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    too_long("gpt2", config, 1024, "it has 1024 positions")?;
    const VOCABULARY: u64 = 50_257;
    let ids = net.tokens("input_ids", config.batch, config.sequence);
    let table = net.weight("wte.weight", &[VOCABULARY, HIDDEN]);
    let words = net.op("Gather", axis(0), &[table, ids]);
    let places = positions(net, ids, "wpe.weight", 1024);
    let mut x = Map { id: net.apply("Add", &[words, places]), channels: HIDDEN };
    let causal = causal_mask(net, ids);
    for _ in 0..LAYERS {
        let y = net.layer_norm(x, 1e-5);
        let y = gpt2_attention(net, y, causal);
        x = net.add(y, x);
        let y = net.layer_norm(x, 1e-5);
        let y = conv1d(net, y, 4 * HIDDEN);
        let y = tanh_gelu(net, y);
        let y = conv1d(net, y, HIDDEN);
        x = net.add(x, y);
    }
    let x = net.layer_norm(x, 1e-5);
    let rows = net.reshape(x.id, &[-1, HIDDEN as i64]);
    let logits = net.op("Gemm", Attrs::new().with("transB", Attr::Int(1)), &[rows, table]);
    let logits = like_rows(net, x.id, logits, VOCABULARY);
    net.output(logits);
    Ok(())
}

/// The part in use of a triangle for the longest sequence.
fn causal_mask(net: &mut Net, ids: ValueId) -> ValueId {
    let mut mask = net.buffer("causal", DType::Bool, &[1, 1, 1024, 1024]);
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

fn gpt2_attention(net: &mut Net, x: Map, causal: ValueId) -> Map {
    let qkv = conv1d(net, x, 3 * HIDDEN);
    let sizes = net.ints(&[HIDDEN as i64; 3]);
    let parts = net.outputs("Split", axis(2), &[Some(qkv.id), Some(sizes)], 3, DType::F32);
    let q = by_head(net, parts[0], &[0, 2, 1, 3]);
    let k = by_head(net, parts[1], &[0, 2, 3, 1]);
    let v = by_head(net, parts[2], &[0, 2, 1, 3]);
    let scores = net.apply("MatMul", &[q, k]);
    let root = net.scalar(8.0);
    let scores = net.apply("Div", &[scores, root]);
    let lowest = net.scalar(f32::MIN);
    let scores = net.apply("Where", &[causal, scores, lowest]);
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, v]);
    let y = join_heads(net, y);
    conv1d(net, Map { id: y, channels: HIDDEN }, HIDDEN)
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
