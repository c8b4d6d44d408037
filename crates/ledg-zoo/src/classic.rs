//! AlexNet, VGG, SqueezeNet and GoogLeNet, as torchvision has them.

use crate::net::{Act, Map, Net, Window};
use crate::{ZooConfig, ZooError};

pub(crate) fn alexnet(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    if config.image != 224 {
        return Err(bad_image("alexnet", config, "its classifier is made for 224"));
    }
    let mut x = net.image(config.batch, config.image);
    let layers = [
        (64, Window { kernel: 11, stride: 4, pad: 2, groups: 1 }, true),
        (192, Window::same(5, 1), true),
        (384, Window::same(3, 1), false),
        (256, Window::same(3, 1), false),
        (256, Window::same(3, 1), true),
    ];
    for (channels, window, pooled) in layers {
        let channels = net.channels(channels);
        // The first window is padded to give 55, which the classifier is made for; it stays.
        let window = if window.stride == 1 { Window::same(net.kernel(window.kernel), 1) } else { window };
        x = net.conv(x, channels, window);
        x = net.act(x, Act::Relu);
        if pooled {
            x = net.max_pool(x, Window::valid(3, 2), false);
        }
    }
    classifier(net, x, 6);
    Ok(())
}

pub(crate) fn vgg11(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    vgg(net, config, "vgg11", [1, 1, 2, 2, 2])
}

pub(crate) fn vgg16(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    vgg(net, config, "vgg16", [2, 2, 3, 3, 3])
}

fn vgg(net: &mut Net, config: &ZooConfig, name: &'static str, depths: [usize; 5]) -> Result<(), ZooError> {
    if !config.image.is_multiple_of(224) {
        return Err(bad_image(name, config, "it must be a multiple of 224"));
    }
    let mut x = net.image(config.batch, config.image);
    for (depth, channels) in depths.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..net.depth(depth) {
            let (channels, kernel) = (net.channels(channels), net.kernel(3));
            x = net.conv(x, channels, Window::same(kernel, 1));
            x = net.act(x, Act::Relu);
        }
        x = net.max_pool(x, Window::valid(2, 2), false);
    }
    let window = config.image / 224;
    if window > 1 {
        x = net.average_pool(x, Window::valid(window, window));
    }
    classifier(net, x, 7);
    Ok(())
}

fn bad_image(name: &'static str, config: &ZooConfig, why: &'static str) -> ZooError {
    ZooError::BadSize { name, what: "image", size: config.image, why }
}

/// Three fully connected layers on a map of `side` x `side`.
fn classifier(net: &mut Net, x: Map, side: u64) {
    let flat = net.flat(x);
    let mut x = Map { channels: x.channels * side * side, ..flat };
    for _ in 0..2 {
        let features = net.channels(4096);
        x = net.gemm(x, features);
        x = net.act(x, Act::Relu);
    }
    let x = net.gemm(x, 1000);
    net.output(x.id);
}

pub(crate) fn squeezenet1_1(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let channels = net.channels(64);
    let x = net.conv(x, channels, Window::valid(3, 2));
    let mut x = net.act(x, Act::Relu);
    let fires: [&[u64]; 3] = [&[16, 16], &[32, 32], &[48, 48, 64, 64]];
    for squeezes in fires {
        x = net.max_pool(x, Window::valid(3, 2), true);
        for &squeeze in squeezes {
            x = fire(net, x, squeeze);
        }
    }
    let x = net.conv(x, 1000, Window::same(1, 1));
    let x = net.act(x, Act::Relu);
    let x = net.pooled(x);
    net.output(x.id);
    Ok(())
}

/// Squeeze by a 1x1 convolution, expand by 1x1 and 3x3 to eight times the width.
fn fire(net: &mut Net, x: Map, squeeze: u64) -> Map {
    let squeezed = net.channels(squeeze);
    let x = net.conv(x, squeezed, Window::same(1, 1));
    let x = net.act(x, Act::Relu);
    let parts = [1, 3].map(|kernel| {
        let (channels, kernel) = (net.channels(4 * squeeze), net.kernel(kernel));
        let part = net.conv(x, channels, Window::same(kernel, 1));
        net.act(part, Act::Relu)
    });
    net.concat(&parts)
}

/// Channels of an Inception block: 1x1; 3x3 reduced and full; "5x5" (3x3 in torchvision) reduced and full; pool.
type Inception = [u64; 6];

const GOOGLENET: [&[Inception]; 3] = [
    &[[64, 96, 128, 16, 32, 32], [128, 128, 192, 32, 96, 64]],
    &[
        [192, 96, 208, 16, 48, 64],
        [160, 112, 224, 24, 64, 64],
        [128, 128, 256, 24, 64, 64],
        [112, 144, 288, 32, 64, 64],
        [256, 160, 320, 32, 128, 128],
    ],
    &[[256, 160, 320, 32, 128, 128], [384, 192, 384, 48, 128, 128]],
];

/// Without the auxiliary classifiers, which inference does not run.
pub(crate) fn googlenet(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let (channels, kernel) = (net.channels(64), net.kernel(7));
    let x = net.conv_norm(x, channels, Window::same(kernel, 2), Act::Relu);
    let x = net.max_pool(x, Window::valid(3, 2), true);
    let channels = net.channels(64);
    let x = net.conv_norm(x, channels, Window::same(1, 1), Act::Relu);
    let (channels, kernel) = (net.channels(192), net.kernel(3));
    let mut x = net.conv_norm(x, channels, Window::same(kernel, 1), Act::Relu);
    for (stage, blocks) in GOOGLENET.into_iter().enumerate() {
        let window = if stage == 2 { Window::valid(2, 2) } else { Window::valid(3, 2) };
        x = net.max_pool(x, window, true);
        for &block in blocks {
            x = inception(net, x, block);
        }
    }
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

fn inception(net: &mut Net, x: Map, channels: Inception) -> Map {
    let [one, reduce3, three, reduce5, five, pool] = channels.map(|c| net.channels(c));
    let (point, windows) = (Window::same(1, 1), [(); 2].map(|()| Window::same(net.kernel(3), 1)));
    let a = net.conv_norm(x, one, point, Act::Relu);
    let b = net.conv_norm(x, reduce3, point, Act::Relu);
    let b = net.conv_norm(b, three, windows[0], Act::Relu);
    let c = net.conv_norm(x, reduce5, point, Act::Relu);
    let c = net.conv_norm(c, five, windows[1], Act::Relu);
    let d = net.max_pool(x, Window::same(3, 1), true);
    let d = net.conv_norm(d, pool, point, Act::Relu);
    net.concat(&[a, b, c, d])
}
