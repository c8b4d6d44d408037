//! Vision Transformers (Dosovitskiy et al., 2020), and the attention block that others share.

use ledg_graph::{Attr, Attrs, DType, ValueId};

use crate::net::{Map, Net, Window};
use crate::{ZooConfig, ZooError};

const EPSILON: f64 = 1e-6;

pub(crate) fn vit_b16(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    vit(net, config, "vit_b16", &VitSizes { hidden: 768, heads: 12, layers: 12, patch: 16 })
}

pub(crate) fn vit_s16(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    vit(net, config, "vit_s16", &VitSizes { hidden: 384, heads: 6, layers: 12, patch: 16 })
}

/// Sizes of a Vision Transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VitSizes {
    /// Width; a multiple of `heads`.
    pub hidden: u64,
    /// Attention heads.
    pub heads: u64,
    /// Layers.
    pub layers: usize,
    /// Height and width of a patch.
    pub patch: u64,
}

pub(crate) fn vit(net: &mut Net, config: &ZooConfig, name: &'static str, sizes: &VitSizes) -> Result<(), ZooError> {
    let &VitSizes { hidden, heads, layers, patch } = sizes;
    if patch == 0 || !config.image.is_multiple_of(patch) {
        let why = if patch == 16 { "it must be a multiple of 16" } else { "it must be a multiple of the patch" };
        return Err(ZooError::BadSize { name, what: "image", size: config.image, why });
    }
    if heads == 0 || !hidden.is_multiple_of(heads) {
        return Err(ZooError::BadSize { name, what: "hidden", size: hidden, why: "it must be a multiple of heads" });
    }
    let patches = (config.image / patch).pow(2);
    let x = net.image(config.batch, config.image);
    let x = net.conv(x, hidden, Window::valid(patch, patch));
    let rows = net.reshape(x.id, &[0, hidden as i64, -1]);
    let rows = net.transpose(rows, &[0, 2, 1]);
    let class = class_token(net, rows, hidden);
    let joined = net.op("Concat", Attrs::new().with("axis", Attr::Int(1)), &[class, rows]);
    let positions = net.weight("position_embedding", &[1, patches + 1, hidden]);
    let mut x = Map { id: net.apply("Add", &[joined, positions]), channels: hidden };
    for _ in 0..layers {
        let y = net.layer_norm(x, EPSILON);
        let y = attention(net, y, heads, None);
        x = net.add(x, y);
        let y = net.layer_norm(x, EPSILON);
        let y = feed_forward(net, y);
        x = net.add(x, y);
    }
    let x = net.layer_norm(x, EPSILON);
    let zero = net.int_tensor(&[], vec![0]);
    let first = net.op("Gather", Attrs::new().with("axis", Attr::Int(1)), &[x.id, zero]);
    let x = net.gemm(Map { id: first, ..x }, 1000);
    net.output(x.id);
    Ok(())
}

/// The class token, repeated for each item of the batch.
fn class_token(net: &mut Net, rows: ValueId, hidden: u64) -> ValueId {
    let token = net.weight("class_token", &[1, 1, hidden]);
    let shape = net.outputs("Shape", Attrs::new(), &[Some(rows)], 1, DType::I64)[0];
    let (start, end) = (net.ints(&[0]), net.ints(&[1]));
    let batch = net.outputs("Slice", Attrs::new(), &[Some(shape), Some(start), Some(end)], 1, DType::I64)[0];
    let rest = net.ints(&[1, 1]);
    let along = Attrs::new().with("axis", Attr::Int(0));
    let target = net.outputs("Concat", along, &[Some(batch), Some(rest)], 1, DType::I64)[0];
    net.apply("Expand", &[token, target])
}

/// Adds something to attention's scores.
pub(crate) type Bias<'a> = &'a dyn Fn(&mut Net, ValueId) -> ValueId;

/// Multi-head attention of a sequence with itself; `bias` is added to the scores.
pub(crate) fn attention(net: &mut Net, x: Map, heads: u64, bias: Option<Bias>) -> Map {
    let hidden = x.channels;
    let size = hidden / heads;
    let qkv = net.linear(x, 3 * hidden);
    let split = net.reshape(qkv.id, &[0, -1, 3, heads as i64, size as i64]);
    // (3, batch, heads, steps, size)
    let split = net.transpose(split, &[2, 0, 3, 1, 4]);
    let sizes = net.ints(&[1, 1, 1]);
    let parts =
        net.outputs("Split", Attrs::new().with("axis", Attr::Int(0)), &[Some(split), Some(sizes)], 3, DType::F32);
    let parts: Vec<ValueId> = parts
        .into_iter()
        .map(|part| {
            let axis = net.ints(&[0]);
            net.apply("Squeeze", &[part, axis])
        })
        .collect();
    let scale = net.scalar((size as f32).powf(-0.5));
    let q = net.apply("Mul", &[parts[0], scale]);
    let k = net.transpose(parts[1], &[0, 1, 3, 2]);
    let scores = net.apply("MatMul", &[q, k]);
    let scores = match bias {
        Some(bias) => bias(net, scores),
        None => scores,
    };
    let weights = net.softmax(scores);
    let y = net.apply("MatMul", &[weights, parts[2]]);
    let y = net.transpose(y, &[0, 2, 1, 3]);
    let y = net.reshape(y, &[0, 0, hidden as i64]);
    net.linear(Map { id: y, channels: hidden }, hidden)
}

/// Two linear layers with GELU between.
pub(crate) fn feed_forward(net: &mut Net, x: Map) -> Map {
    let y = net.linear(x, 4 * x.channels);
    let y = net.gelu(y);
    net.linear(y, x.channels)
}
