//! Swin-T (Liu et al., 2021): attention in windows of 7x7, every second time shifted by 3.

use ledg_graph::{Attr, Attrs, ValueId};

use crate::net::{Map, Net, Window};
use crate::vit::{attention, feed_forward};
use crate::{ZooConfig, ZooError};

const EPSILON: f64 = 1e-5;
const SIDE: u64 = 7;
const SHIFT: i64 = 3;

pub(crate) fn swin_tiny(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    if !config.image.is_multiple_of(224) {
        return Err(ZooError::BadSize {
            name: "swin_tiny",
            what: "image",
            size: config.image,
            why: "it must be a multiple of 224",
        });
    }
    let x = net.image(config.batch, config.image);
    let x = net.conv(x, 96, Window::valid(4, 4));
    let x = Map { id: net.transpose(x.id, &[0, 2, 3, 1]), ..x };
    let mut x = net.layer_norm(x, EPSILON);
    let mut extent = config.image / 4;
    for (stage, depth) in [2, 2, 6, 2].into_iter().enumerate() {
        if stage > 0 {
            x = merge(net, x);
            extent /= 2;
        }
        for i in 0..depth {
            x = block(net, x, 3 << stage, extent, i % 2 == 1 && extent > SIDE);
        }
    }
    let x = net.layer_norm(x, EPSILON);
    let x = Map { id: net.transpose(x.id, &[0, 3, 1, 2]), ..x };
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

/// Four neighbours become one position of twice the channels.
fn merge(net: &mut Net, x: Map) -> Map {
    let parts: Vec<ValueId> = [(0, 0), (1, 0), (0, 1), (1, 1)]
        .into_iter()
        .map(|(row, column)| {
            let rows = slice(net, x.id, row, i64::MAX, 1, 2);
            slice(net, rows, column, i64::MAX, 2, 2)
        })
        .collect();
    let joined = net.op("Concat", Attrs::new().with("axis", Attr::Int(-1)), &parts);
    let x = net.layer_norm(Map { id: joined, channels: 4 * x.channels }, EPSILON);
    let name = net.next_name("MatMul");
    let weight = net.weight(format!("{name}.weight"), &[x.channels, x.channels / 2]);
    Map { id: net.apply("MatMul", &[x.id, weight]), channels: x.channels / 2 }
}

fn slice(net: &mut Net, x: ValueId, start: i64, end: i64, axis: i64, step: i64) -> ValueId {
    let [start, end, axis, step] = [start, end, axis, step].map(|v| net.ints(&[v]));
    net.apply("Slice", &[x, start, end, axis, step])
}

fn block(net: &mut Net, x: Map, heads: u64, extent: u64, shifted: bool) -> Map {
    let y = net.layer_norm(x, EPSILON);
    let y = window_attention(net, y, heads, extent, shifted);
    let x = net.add(x, y);
    let y = net.layer_norm(x, EPSILON);
    let y = feed_forward(net, y);
    net.add(x, y)
}

fn window_attention(net: &mut Net, x: Map, heads: u64, extent: u64, shifted: bool) -> Map {
    let (c, n, side) = (x.channels as i64, (extent / SIDE) as i64, SIDE as i64);
    let tokens = SIDE * SIDE;
    let rolled = if shifted { roll(net, x.id, SHIFT) } else { x.id };
    let windows = net.reshape(rolled, &[-1, n, side, n, side, c]);
    let windows = net.transpose(windows, &[0, 1, 3, 2, 4, 5]);
    let windows = net.reshape(windows, &[-1, tokens as i64, c]);
    let name = net.next_name("attention");
    let bias = |net: &mut Net, scores: ValueId| {
        // The table of (2·7-1)² biases a head, gathered by exporters' constant folding.
        let table = net.weight(format!("{name}.position_bias"), &[1, heads, tokens, tokens]);
        let scores = net.apply("Add", &[scores, table]);
        if !shifted {
            return scores;
        }
        let mask = net.weight(format!("{name}.mask"), &[1, (n * n) as u64, 1, tokens, tokens]);
        let by_window = net.reshape(scores, &[-1, n * n, heads as i64, tokens as i64, tokens as i64]);
        let masked = net.apply("Add", &[by_window, mask]);
        net.reshape(masked, &[-1, heads as i64, tokens as i64, tokens as i64])
    };
    let y = attention(net, Map { id: windows, ..x }, heads, Some(&bias));
    let y_windows = net.reshape(y.id, &[-1, n, n, side, side, c]);
    let y_rows = net.transpose(y_windows, &[0, 1, 3, 2, 4, 5]);
    let y_map = net.reshape(y_rows, &[-1, extent as i64, extent as i64, c]);
    let id = if shifted { roll(net, y_map, extent as i64 - SHIFT) } else { y_map };
    Map { id, ..x }
}

/// Rotates rows and columns: what is before `by` comes last.
fn roll(net: &mut Net, mut x: ValueId, by: i64) -> ValueId {
    for axis in [1, 2] {
        let tail = slice(net, x, by, i64::MAX, axis, 1);
        let head = slice(net, x, 0, by, axis, 1);
        x = net.op("Concat", Attrs::new().with("axis", Attr::Int(axis)), &[tail, head]);
    }
    x
}
