//! ResNets (He et al., 2015; stride in the 3x3 convolution, as torchvision has it).

use crate::net::{Act, Map, Net, Window};
use crate::{ZooConfig, ZooError};

pub(crate) fn resnet18(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    resnet(net, config, [2, 2, 2, 2], basic)
}

pub(crate) fn resnet34(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    resnet(net, config, [3, 4, 6, 3], basic)
}

pub(crate) fn resnet50(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    resnet(net, config, [3, 4, 6, 3], bottleneck)
}

type Block = fn(&mut Net, Map, u64, u64) -> Map;

fn resnet(net: &mut Net, config: &ZooConfig, depths: [usize; 4], block: Block) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(64), net.kernel(7));
    let x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::Relu);
    let mut x = net.max_pool(x, Window::same(3, 2), false);
    for (stage, depth) in depths.into_iter().enumerate() {
        let width = net.channels(64 << stage);
        for i in 0..net.depth(depth) {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            x = block(net, x, width, stride);
        }
    }
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

fn basic(net: &mut Net, x: Map, width: u64, stride: u64) -> Map {
    let (inner, kernels) = (net.channels(width), [(); 2].map(|()| net.kernel(3)));
    let y = net.conv_norm(x, inner, Window::same(kernels[0], stride), Act::Relu);
    let y = net.conv_norm(y, width, Window::same(kernels[1], 1), Act::None);
    join(net, x, y, stride)
}

fn bottleneck(net: &mut Net, x: Map, width: u64, stride: u64) -> Map {
    let y = net.conv_norm(x, width, Window::same(1, 1), Act::Relu);
    let y = net.conv_norm(y, width, Window::same(3, stride), Act::Relu);
    let y = net.conv_norm(y, 4 * width, Window::same(1, 1), Act::None);
    join(net, x, y, stride)
}

/// The shortcut is a 1x1 convolution where shapes differ.
fn join(net: &mut Net, x: Map, y: Map, stride: u64) -> Map {
    let shortcut = if stride != 1 || x.channels != y.channels {
        net.conv_norm(x, y.channels, Window::valid(1, stride), Act::None)
    } else {
        x
    };
    let sum = net.add(y, shortcut);
    net.act(sum, Act::Relu)
}
