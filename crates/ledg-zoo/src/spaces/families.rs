//! NNLQP's ten families: well-known networks with other channels, kernels and depths, drawn as nn-Meter draws them.

use std::collections::BTreeMap;

use ledg_graph::Graph;

use super::imported_from;
use super::nasbench201::{self, Cell};
use crate::net::Net;
use crate::{Generator, ZooConfig, ZooError, classic, mobile, resnet};

/// A family of networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// AlexNet.
    AlexNet,
    /// EfficientNet-B0.
    EfficientNet,
    /// GoogLeNet.
    GoogleNet,
    /// MnasNet.
    MnasNet,
    /// MobileNetV2.
    MobileNetV2,
    /// MobileNetV3.
    MobileNetV3,
    /// Cells of NAS-Bench-201, at its sizes.
    NasBench201,
    /// ResNet-18.
    ResNet,
    /// SqueezeNet.
    SqueezeNet,
    /// VGG-16.
    Vgg,
}

impl Family {
    /// All families, in the order of their names.
    pub const ALL: [Family; 10] = [
        Family::AlexNet,
        Family::EfficientNet,
        Family::GoogleNet,
        Family::MnasNet,
        Family::MobileNetV2,
        Family::MobileNetV3,
        Family::NasBench201,
        Family::ResNet,
        Family::SqueezeNet,
        Family::Vgg,
    ];

    /// The name in NNLQP's files.
    pub fn name(self) -> &'static str {
        match self {
            Family::AlexNet => "alexnet",
            Family::EfficientNet => "efficientb0",
            Family::GoogleNet => "googlenet",
            Family::MnasNet => "mnasnet",
            Family::MobileNetV2 => "mobilenetv2",
            Family::MobileNetV3 => "mobilenetv3",
            Family::NasBench201 => "nasbench201",
            Family::ResNet => "resnet18",
            Family::SqueezeNet => "squeezenet",
            Family::Vgg => "vgg16",
        }
    }

    /// The family of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Family::ALL.into_iter().find(|f| f.name() == name)
    }

    fn generator(self) -> Option<Generator> {
        Some(match self {
            Family::AlexNet => classic::alexnet,
            Family::EfficientNet => mobile::efficientnet_b0,
            Family::GoogleNet => classic::googlenet,
            Family::MnasNet => mobile::mnasnet1_0,
            Family::MobileNetV2 => mobile::mobilenet_v2,
            Family::MobileNetV3 => mobile::mobilenet_v3_large,
            Family::ResNet => resnet::resnet18,
            Family::SqueezeNet => classic::squeezenet1_1,
            Family::Vgg => classic::vgg16,
            Family::NasBench201 => return None,
        })
    }
}

/// A member of a family: the same seed gives the same network.
///
/// # Errors
/// [`ZooError::BadSize`] for an empty batch.
pub fn build(family: Family, seed: u64, batch: u64) -> Result<Graph, ZooError> {
    build_sized(family, seed, &ZooConfig { batch, ..ZooConfig::default() })
}

/// A member of a family for images of a size of its own; cells of NAS-Bench-201 keep theirs.
///
/// # Errors
/// [`ZooError::BadSize`] for an empty batch, and for images that the family cannot have.
pub fn build_sized(family: Family, seed: u64, config: &ZooConfig) -> Result<Graph, ZooError> {
    let batch = config.batch;
    let Some(generate) = family.generator() else {
        let cell = Cell::from_code((seed.wrapping_mul(7919) % u64::from(nasbench201::N_CELLS)) as u32)?;
        return nasbench201::build(&cell, &nasbench201::Config { batch, ..nasbench201::Config::default() });
    };
    if batch == 0 {
        return Err(ZooError::BadSize { name: family.name(), what: "batch", size: 0, why: "it must be at least 1" });
    }
    let name = format!("{}-{seed}", family.name());
    imported_from(&name, Net::new(&name, BTreeMap::new()).varied(seed), |net| generate(net, config))
}
