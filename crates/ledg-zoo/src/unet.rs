//! U-Net (Ronneberger et al., 2015) with padded convolutions and transposed convolutions upwards, one class.

use ledg_graph::{Attr, Attrs};

use crate::net::{Act, Map, Net, Window};
use crate::{ZooConfig, ZooError};

pub(crate) fn unet(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    if !config.image.is_multiple_of(16) {
        return Err(ZooError::BadSize {
            name: "unet",
            what: "image",
            size: config.image,
            why: "it must be a multiple of 16",
        });
    }
    let x = net.image(config.batch, config.image);
    let mut x = double_conv(net, x, 64);
    let mut skips = Vec::new();
    for channels in [128, 256, 512, 1024] {
        skips.push(x);
        x = net.max_pool(x, Window::valid(2, 2), false);
        x = double_conv(net, x, channels);
    }
    while let Some(skip) = skips.pop() {
        let up = up(net, x);
        let joined = net.concat(&[skip, up]);
        x = double_conv(net, joined, skip.channels);
    }
    let x = net.conv(x, 1, Window::same(1, 1));
    net.output(x.id);
    Ok(())
}

fn double_conv(net: &mut Net, x: Map, channels: u64) -> Map {
    let x = net.conv_norm(x, channels, Window::same(3, 1), Act::Relu);
    net.conv_norm(x, channels, Window::same(3, 1), Act::Relu)
}

/// Twice the size, half the channels.
fn up(net: &mut Net, x: Map) -> Map {
    let name = net.next_name("ConvTranspose");
    let channels = x.channels / 2;
    let weight = net.weight(format!("{name}.weight"), &[x.channels, channels, 2, 2]);
    let bias = net.weight(format!("{name}.bias"), &[channels]);
    let attrs = Attrs::new()
        .with("dilations", Attr::Ints(vec![1, 1]))
        .with("group", Attr::Int(1))
        .with("kernel_shape", Attr::Ints(vec![2, 2]))
        .with("pads", Attr::Ints(vec![0; 4]))
        .with("strides", Attr::Ints(vec![2, 2]));
    Map { id: net.op("ConvTranspose", attrs, &[x.id, weight, bias]), channels }
}
