//! ConvNeXt-T (Liu et al., 2022), as torchvision has it: linear layers run with channels last.

use crate::net::{Map, Net, Window};
use crate::{ZooConfig, ZooError};

const EPSILON: f64 = 1e-6;

pub(crate) fn convnext_tiny(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    if config.image < 32 {
        return Err(ZooError::BadSize {
            name: "convnext_tiny",
            what: "image",
            size: config.image,
            why: "it must be at least 32",
        });
    }
    let x = net.image(config.batch, config.image);
    let x = net.conv(x, 96, Window::valid(4, 4));
    let mut x = channel_norm(net, x);
    for (stage, depth) in [3, 3, 9, 3].into_iter().enumerate() {
        if stage > 0 {
            x = channel_norm(net, x);
            x = net.conv(x, 96 << stage, Window::valid(2, 2));
        }
        for _ in 0..depth {
            x = block(net, x);
        }
    }
    let x = Map { id: net.apply("GlobalAveragePool", &[x.id]), ..x };
    let x = channel_norm(net, x);
    let x = net.flat(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

fn last(net: &mut Net, x: Map) -> Map {
    Map { id: net.transpose(x.id, &[0, 2, 3, 1]), ..x }
}

fn first(net: &mut Net, x: Map) -> Map {
    Map { id: net.transpose(x.id, &[0, 3, 1, 2]), ..x }
}

fn channel_norm(net: &mut Net, x: Map) -> Map {
    let x = last(net, x);
    let x = net.layer_norm(x, EPSILON);
    first(net, x)
}

fn block(net: &mut Net, x: Map) -> Map {
    let y = net.conv(x, x.channels, Window::same(7, 1).grouped(x.channels));
    let y = last(net, y);
    let y = net.layer_norm(y, EPSILON);
    let y = net.linear(y, 4 * x.channels);
    let y = net.gelu(y);
    let y = net.linear(y, x.channels);
    let y = first(net, y);
    let name = net.next_name("Mul");
    let scale = net.weight(format!("{name}.layer_scale"), &[x.channels, 1, 1]);
    let y = Map { id: net.apply("Mul", &[scale, y.id]), ..y };
    net.add(y, x)
}
