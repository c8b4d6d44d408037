//! Accel-NASBench (Ahmad et al., 2024): networks between MnasNet and EfficientNet-B0 on images of 224.

use ledg_graph::Graph;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{bad, imported};
use crate::ZooError;
use crate::mobile::{Block, Squeeze, divisible, inverted_residual};
use crate::net::{Act, Net, Window};

const SPACE: &str = "Accel-NASBench";

/// Channels and stride of the seven stages.
const STAGES: [(u64, u64); 7] = [(16, 1), (24, 2), (40, 2), (80, 2), (112, 1), (192, 2), (320, 1)];

/// One stage of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Factor by which blocks widen.
    pub expansion: u64,
    /// Kernel of the depthwise convolution, odd.
    pub kernel: u64,
    /// Number of blocks.
    pub layers: usize,
    /// Whether blocks have squeeze-and-excitation.
    pub squeeze: bool,
}

/// The activation: GPUs and TPUs ran SiLU with sigmoid gates, the FPGAs ReLU with hard sigmoid gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// SiLU.
    #[default]
    Silu,
    /// ReLU.
    Relu,
}

/// Stages drawn by a seed from what the benchmark has: expansions 1, 4, 6, kernels 3, 5, one to three blocks.
pub fn random(seed: u64) -> [Stage; 7] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    [(); 7].map(|()| Stage {
        expansion: [1, 4, 6][rng.random_range(0..3)],
        kernel: [3, 5][rng.random_range(0..2)],
        layers: rng.random_range(1..=3),
        squeeze: rng.random(),
    })
}

/// The network of seven stages.
///
/// # Errors
/// [`ZooError::BadArchitecture`] for a stage without blocks, an even kernel or no expansion; [`ZooError::BadSize`] for an
/// empty batch.
pub fn build(stages: &[Stage; 7], activation: Activation, batch: u64) -> Result<Graph, ZooError> {
    if batch == 0 {
        return Err(ZooError::BadSize { name: SPACE, what: "batch", size: 0, why: "it must be at least 1" });
    }
    if let Some(stage) = stages.iter().find(|s| s.layers == 0 || s.expansion == 0 || s.kernel.is_multiple_of(2)) {
        return Err(bad(SPACE, &format!("{stage:?}"), "a stage has blocks, an expansion and an odd kernel"));
    }
    let stage = |s: &Stage| format!("{}{}{}{}", s.expansion, s.kernel, s.layers, if s.squeeze { "s" } else { "" });
    let name: Vec<String> = stages.iter().map(stage).collect();
    imported(&format!("accel-nasbench-{}", name.join("-")), |net| {
        network(net, stages, activation, batch);
        Ok(())
    })
}

fn network(net: &mut Net, stages: &[Stage; 7], activation: Activation, batch: u64) {
    let (act, gate) = match activation {
        Activation::Silu => (Act::Silu, "Sigmoid"),
        Activation::Relu => (Act::Relu, "HardSigmoid"),
    };
    let x = net.image(batch, 224);
    let mut x = net.conv_norm(x, 32, Window::same(3, 2), act);
    for (stage, (out, first)) in stages.iter().zip(STAGES) {
        for i in 0..stage.layers {
            let squeeze = stage.squeeze.then(|| Squeeze { channels: (x.channels / 4).max(1), inner: act, gate });
            let (stride, expanded) = (if i == 0 { first } else { 1 }, divisible(x.channels * stage.expansion));
            x = inverted_residual(net, x, &Block { kernel: stage.kernel, stride, expanded, out, act, squeeze });
        }
    }
    let x = net.conv_norm(x, 1280, Window::same(1, 1), act);
    let x = net.pooled(x);
    let x = net.gemm(x, 1000);
    net.output(x.id);
}
