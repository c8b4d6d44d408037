//! FBNet (Wu et al., 2019) as HW-NAS-Bench measures it: 22 layers, each one of nine blocks.

use ledg_graph::Graph;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{bad, imported};
use crate::ZooError;
use crate::net::{Act, Map, Net, Window};

const SPACE: &str = "FBNet";

/// Number of layers that an architecture chooses.
pub const N_LAYERS: usize = 22;

/// Kernel, expansion, groups of the blocks 0 to 7; 8 skips.
const BLOCKS: [(u64, u64, u64); 8] =
    [(3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1), (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1)];
const SKIP: usize = BLOCKS.len();

/// Layers and channels of the seven stages.
const STAGES: [(usize, u64); 7] = [(1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352)];

/// The data set a network is made for, which sets strides, image, last width and classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Target {
    /// Images of 32, 100 classes: what the benchmark measures.
    #[default]
    Cifar100,
    /// Images of 224, 1000 classes.
    ImageNet,
}

/// An architecture: the block of each layer, 0 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Architecture([u8; N_LAYERS]);

impl Architecture {
    /// Reads `7-8-1-…`, as HELP's tables write it.
    ///
    /// # Errors
    /// [`ZooError::BadArchitecture`] unless it is 22 numbers of 0 to 8.
    pub fn parse(text: &str) -> Result<Self, ZooError> {
        let blocks: Option<Vec<u8>> =
            text.split('-').map(|n| n.parse().ok().filter(|&n| usize::from(n) <= SKIP)).collect();
        let blocks = blocks.and_then(|b| <[u8; N_LAYERS]>::try_from(b).ok());
        blocks.map(Architecture).ok_or_else(|| bad(SPACE, text, "it is 22 numbers of 0 to 8 joined by -"))
    }
}

impl Architecture {
    /// An architecture drawn by a seed.
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Architecture([(); N_LAYERS].map(|()| rng.random_range(0..=SKIP as u8)))
    }
}

/// The network of an architecture.
///
/// # Errors
/// [`ZooError::BadSize`] for an empty batch.
pub fn build(architecture: &Architecture, target: Target, batch: u64) -> Result<Graph, ZooError> {
    if batch == 0 {
        return Err(ZooError::BadSize { name: SPACE, what: "batch", size: 0, why: "it must be at least 1" });
    }
    let digits: String = architecture.0.iter().map(|&b| char::from(b'0' + b)).collect();
    imported(&format!("fbnet-{digits}"), |net| {
        network(net, architecture, target, batch);
        Ok(())
    })
}

fn network(net: &mut Net, architecture: &Architecture, target: Target, batch: u64) {
    let is_small = target == Target::Cifar100;
    let (mut side, first) = if is_small { (32, 1) } else { (224, 2) };
    let strides: [u64; 7] = if is_small { [1, 1, 2, 2, 1, 2, 1] } else { [1, 2, 2, 2, 1, 2, 1] };
    let x = net.image(batch, side);
    let mut x = net.conv_norm(x, 16, Window::same(3, first), Act::Relu);
    side /= first;
    let mut blocks = architecture.0.iter();
    for ((depth, channels), stage_stride) in STAGES.into_iter().zip(strides) {
        for (i, &block) in blocks.by_ref().take(depth).enumerate() {
            let stride = if i == 0 { stage_stride } else { 1 };
            x = match BLOCKS.get(usize::from(block)) {
                Some(&shape) => inverted_residual(net, x, channels, stride, side, shape),
                None if stride != 1 || x.channels != channels => {
                    net.conv_norm(x, channels, Window::valid(1, stride), Act::Relu)
                }
                None => x,
            };
            side /= stride;
        }
    }
    let (width, classes) = if is_small { (1504, 100) } else { (1984, 1000) };
    let x = net.conv_norm(x, width, Window::same(1, 1), Act::Relu);
    let x = net.pooled(x);
    let x = net.gemm(x, classes);
    net.output(x.id);
}

fn inverted_residual(
    net: &mut Net,
    x: Map,
    channels: u64,
    stride: u64,
    side: u64,
    (kernel, expansion, groups): (u64, u64, u64),
) -> Map {
    let expanded = x.channels * expansion;
    let mut y = net.conv_norm(x, expanded, Window::same(1, 1).grouped(groups), Act::Relu);
    if groups > 1 {
        y = shuffle(net, y, side, groups);
    }
    let y = net.conv_norm(y, expanded, Window::same(kernel, stride).grouped(expanded), Act::Relu);
    let y = net.conv_norm(y, channels, Window::same(1, 1).grouped(groups), Act::None);
    if stride == 1 && x.channels == channels { net.add(y, x) } else { y }
}

/// Channels of the groups are interleaved.
fn shuffle(net: &mut Net, x: Map, side: u64, groups: u64) -> Map {
    let (side, groups, channels) = (side as i64, groups as i64, x.channels as i64);
    // (batch, groups, channels of a group, h, w)
    let split = net.reshape(x.id, &[0, groups, channels / groups, side, side]);
    let split = net.transpose(split, &[0, 2, 1, 3, 4]);
    Map { id: net.reshape(split, &[0, channels, side, side]), ..x }
}
