//! Networks of inverted residuals: MobileNetV2, MobileNetV3-Large, EfficientNet-B0, as torchvision has them.

use crate::net::{Act, Map, Net, Window};
use crate::{ZooConfig, ZooError};

/// One inverted residual.
pub(crate) struct Block {
    pub kernel: u64,
    pub stride: u64,
    pub expanded: u64,
    pub out: u64,
    pub act: Act,
    pub squeeze: Option<Squeeze>,
}

/// Squeeze-and-excitation.
pub(crate) struct Squeeze {
    pub channels: u64,
    pub inner: Act,
    pub gate: &'static str,
}

pub(crate) fn inverted_residual(net: &mut Net, x: Map, block: &Block) -> Map {
    let mut y = x;
    if block.expanded != x.channels {
        y = net.conv_norm(y, block.expanded, Window::same(1, 1), block.act);
    }
    y = net.conv_norm(y, block.expanded, Window::same(block.kernel, block.stride).grouped(block.expanded), block.act);
    if let Some(squeeze) = &block.squeeze {
        y = squeezed(net, y, squeeze);
    }
    y = net.conv_norm(y, block.out, Window::same(1, 1), Act::None);
    if block.stride == 1 && x.channels == block.out { net.add(x, y) } else { y }
}

fn squeezed(net: &mut Net, x: Map, squeeze: &Squeeze) -> Map {
    let mean = Map { id: net.apply("GlobalAveragePool", &[x.id]), ..x };
    let small = net.conv(mean, squeeze.channels, Window::same(1, 1));
    let small = net.act(small, squeeze.inner);
    let gate = net.conv(small, x.channels, Window::same(1, 1));
    let gate = if squeeze.gate == "HardSigmoid" {
        // PyTorch's slope is 1/6, ONNX's default 0.2.
        let attrs = ledg_graph::Attrs::new().with("alpha", ledg_graph::Attr::Float(f64::from(1.0f32 / 6.0)));
        Map { id: net.op("HardSigmoid", attrs, &[gate.id]), ..gate }
    } else {
        Map { id: net.apply(squeeze.gate, &[gate.id]), ..gate }
    };
    net.mul(x, gate)
}

pub(crate) fn mobilenet_v2(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(32), net.kernel(3));
    let mut x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::Relu6);
    // Expansion, channels, blocks, stride of the first.
    let stages =
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
    for (expansion, out, depth, first) in stages {
        let out = net.channels(out);
        for i in 0..net.depth(depth) {
            let (stride, expanded) = (if i == 0 { first } else { 1 }, expanded(net, x, expansion));
            let block = Block { kernel: net.kernel(3), stride, expanded, out, act: Act::Relu6, squeeze: None };
            x = inverted_residual(net, x, &block);
        }
    }
    let channels = net.channels(1280);
    let x = net.conv_norm(x, channels, Window::same(1, 1), Act::Relu6);
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

/// Channels inside a block: as many as outside where it does not expand.
fn expanded(net: &mut Net, x: Map, expansion: u64) -> u64 {
    if expansion == 1 { x.channels } else { net.channels(expansion * x.channels) }
}

/// MnasNet-B1 (Tan et al., 2018): a separable convolution, then inverted residuals without squeeze-and-excitation.
pub(crate) fn mnasnet1_0(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(32), net.kernel(3));
    let x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::Relu);
    let (out, kernel) = (net.channels(16), net.kernel(3));
    let x = net.conv_norm(x, channels, Window::same(kernel, 1).grouped(channels), Act::Relu);
    let mut x = net.conv_norm(x, out, Window::same(1, 1), Act::None);
    // Expansion, kernel, stride of the first, channels, blocks.
    let stages =
        [(3, 3, 2, 24, 3), (3, 5, 2, 40, 3), (6, 5, 2, 80, 3), (6, 3, 1, 96, 2), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)];
    for (expansion, kernel, first, out, depth) in stages {
        let out = net.channels(out);
        for i in 0..net.depth(depth) {
            let (stride, expanded) = (if i == 0 { first } else { 1 }, expanded(net, x, expansion));
            let kernel = net.kernel(kernel);
            let block = Block { kernel, stride, expanded, out, act: Act::Relu, squeeze: None };
            x = inverted_residual(net, x, &block);
        }
    }
    let channels = net.channels(1280);
    let x = net.conv_norm(x, channels, Window::same(1, 1), Act::Relu);
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

pub(crate) fn mobilenet_v3_large(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(16), net.kernel(3));
    let mut x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::HardSwish);
    // Kernel, expanded, out, squeeze, activation, stride.
    let (relu, swish) = (Act::Relu, Act::HardSwish);
    let blocks = [
        (3, 16, 16, false, relu, 1),
        (3, 64, 24, false, relu, 2),
        (3, 72, 24, false, relu, 1),
        (5, 72, 40, true, relu, 2),
        (5, 120, 40, true, relu, 1),
        (5, 120, 40, true, relu, 1),
        (3, 240, 80, false, swish, 2),
        (3, 200, 80, false, swish, 1),
        (3, 184, 80, false, swish, 1),
        (3, 184, 80, false, swish, 1),
        (3, 480, 112, true, swish, 1),
        (3, 672, 112, true, swish, 1),
        (5, 672, 160, true, swish, 2),
        (5, 960, 160, true, swish, 1),
        (5, 960, 160, true, swish, 1),
    ];
    let mut usual = 16;
    for (kernel, expanded, out, has_squeeze, act, stride) in blocks {
        // Blocks that keep the channels keep them when varied, so that their shortcut stays.
        let keeps = stride == 1 && out == usual;
        usual = out;
        let out = if keeps { x.channels } else { net.channels(out) };
        let expands = expanded != x.channels;
        let (expanded, kernel) = (if expands { net.channels(expanded) } else { expanded }, net.kernel(kernel));
        let squeeze =
            has_squeeze.then(|| Squeeze { channels: divisible(expanded / 4), inner: Act::Relu, gate: "HardSigmoid" });
        x = inverted_residual(net, x, &Block { kernel, stride, expanded, out, act, squeeze });
    }
    let channels = net.channels(960);
    let x = net.conv_norm(x, channels, Window::same(1, 1), Act::HardSwish);
    let x = net.pooled(x);
    let features = net.channels(1280);
    let x = net.gemm(x, features);
    let x = net.act(x, Act::HardSwish);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

/// The nearest multiple of 8, not more than a tenth below.
pub(crate) fn divisible(channels: u64) -> u64 {
    let near = ((channels + 4) / 8 * 8).max(8);
    if near * 10 < channels * 9 { near + 8 } else { near }
}

pub(crate) fn efficientnet_b0(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(32), net.kernel(3));
    let mut x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::Silu);
    // Expansion, kernel, stride of the first, channels, blocks.
    let stages = [
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ];
    for (expansion, kernel, first, out, depth) in stages {
        let out = net.channels(out);
        for i in 0..net.depth(depth) {
            let squeeze = Some(Squeeze { channels: (x.channels / 4).max(1), inner: Act::Silu, gate: "Sigmoid" });
            let (stride, expanded) = (if i == 0 { first } else { 1 }, expanded(net, x, expansion));
            let kernel = net.kernel(kernel);
            x = inverted_residual(net, x, &Block { kernel, stride, expanded, out, act: Act::Silu, squeeze });
        }
    }
    let channels = net.channels(1280);
    let x = net.conv_norm(x, channels, Window::same(1, 1), Act::Silu);
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}
