//! DenseNet-121 (Huang et al., 2016). Norms before an activation cannot be folded and stay.

use crate::net::{Act, Map, Net, Window};
use crate::{ZooConfig, ZooError};

const GROWTH: u64 = 32;

pub(crate) fn densenet121(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let x = net.image(config.batch, config.image);
    let x = net.conv_norm(x, 64, Window::same(7, 2), Act::Relu);
    let mut x = net.max_pool(x, Window::same(3, 2), false);
    for (stage, depth) in [6, 12, 24, 16].into_iter().enumerate() {
        if stage > 0 {
            x = norm_relu(net, x);
            x = net.conv_without_bias(x, x.channels / 2, Window::same(1, 1));
            x = net.average_pool(x, Window::valid(2, 2));
        }
        let mut maps = vec![x];
        for _ in 0..depth {
            let all = if maps.len() > 1 { net.concat(&maps) } else { maps[0] };
            let y = norm_relu(net, all);
            let y = net.conv_norm(y, 4 * GROWTH, Window::same(1, 1), Act::Relu);
            maps.push(net.conv_without_bias(y, GROWTH, Window::same(3, 1)));
        }
        x = net.concat(&maps);
    }
    let x = norm_relu(net, x);
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
    Ok(())
}

fn norm_relu(net: &mut Net, x: Map) -> Map {
    let x = net.batch_norm(x);
    net.act(x, Act::Relu)
}
