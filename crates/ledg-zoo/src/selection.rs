//! A selection of the zoo to measure a processor with: 305 networks of 23 families, by sizes and batch, most of
//! them some hundred milliseconds at most on one core.
//!
//! **Invariant:** a member's name says what it is, begins with its family, and is that of no other member.

use ledg_graph::Graph;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nasbench201::{self, Cell, N_CELLS};
use crate::transformers::{self, LlamaSizes, Phase, TextSizes, Transformer, VitSizes};
use crate::{ZooConfig, ZooError, accel_nasbench, families, fbnet, nasbench101};
use families::Family;

/// Members of a family that is drawn.
const DRAWN: u64 = 15;

/// Image and batch of drawn networks of images, in turn.
const IMAGES: [(u64, u64); 7] = [(224, 1), (160, 2), (128, 1), (192, 1), (96, 4), (160, 1), (128, 2)];
/// The same for families that compute much.
const SMALL_IMAGES: [(u64, u64); 7] = [(128, 1), (96, 1), (64, 2), (112, 1), (64, 1), (96, 2), (128, 1)];

/// Seeds of VGGs that take a second or so; others take several.
const SMALL_VGGS: [u64; 3] = [3, 4, 6];

/// One network.
#[derive(Debug, Clone)]
pub struct Member {
    /// Family: what an evaluation on unseen families holds out.
    pub family: &'static str,
    /// Name: `family.description`.
    pub name: String,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Named(&'static str, ZooConfig),
    Varied(Family, u64, ZooConfig),
    NasBench201(Cell, nasbench201::Config),
    NasBench101(u64, u64),
    FbNet(u64, fbnet::Target, u64),
    AccelNasBench(u64, u64),
    Transformer(Transformer, ZooConfig),
}

impl Member {
    fn new(family: &'static str, description: String, source: Source) -> Self {
        Member { family, name: format!("{family}.{description}"), source }
    }

    /// The network, under its name.
    ///
    /// # Errors
    /// None for [`members`], which a test excludes.
    pub fn build(&self) -> Result<Graph, ZooError> {
        match &self.source {
            Source::Named(name, config) => crate::build(name, config),
            Source::Varied(family, seed, config) => families::build_sized(*family, *seed, config),
            Source::NasBench201(cell, config) => nasbench201::build(cell, config),
            Source::NasBench101(seed, batch) => {
                nasbench101::build(&self.name, &nasbench101::Cell::random(*seed), *batch)
            }
            Source::FbNet(seed, target, batch) => fbnet::build(&fbnet::Architecture::random(*seed), *target, *batch),
            Source::AccelNasBench(seed, batch) => {
                let activation = accel_nasbench::Activation::default();
                accel_nasbench::build(&accel_nasbench::random(*seed), activation, *batch)
            }
            Source::Transformer(transformer, config) => transformers::build(&self.name, transformer, config),
        }
    }
}

/// All members, family by family.
pub fn members() -> Vec<Member> {
    let mut all = Vec::new();
    for family in Family::ALL.into_iter().filter(|&f| f != Family::NasBench201) {
        // The classifiers of AlexNet and VGG are made for one size of image.
        let (sizes, seeds) = match family {
            Family::AlexNet => ([1, 2, 1, 4, 1, 2, 1].map(|batch| (224, batch)), (0..DRAWN).collect()),
            Family::Vgg => ([(224, 1); 7], SMALL_VGGS.to_vec()),
            Family::ResNet => (SMALL_IMAGES, (0..DRAWN).collect()),
            _ => (IMAGES, (0..DRAWN).collect::<Vec<u64>>()),
        };
        all.extend(seeds.into_iter().map(|seed| {
            let (image, batch) = sizes[(seed % 7) as usize];
            let config = ZooConfig { image, batch, ..ZooConfig::default() };
            Member::new(family.name(), format!("s{seed}-i{image}-b{batch}"), Source::Varied(family, seed, config))
        }));
    }
    all.extend((0..DRAWN).map(cell));
    all.extend((0..DRAWN).map(|seed| {
        let batch = 1 + u64::from(seed % 5 == 4);
        Member::new("nasbench101", format!("s{seed}-b{batch}"), Source::NasBench101(seed, batch))
    }));
    all.extend((0..DRAWN).map(|seed| {
        let (target, of, batch) = match seed % 3 {
            0 => (fbnet::Target::Cifar100, "cifar100", 8),
            1 => (fbnet::Target::Cifar100, "cifar100", 1),
            _ => (fbnet::Target::ImageNet, "imagenet", 1),
        };
        Member::new("fbnet", format!("s{seed}-{of}-b{batch}"), Source::FbNet(seed, target, batch))
    }));
    all.extend((0..DRAWN).map(|seed| {
        let batch = 1 + u64::from(seed % 4 == 3);
        Member::new("accelnasbench", format!("s{seed}-b{batch}"), Source::AccelNasBench(seed, batch))
    }));
    for kind in ["vit", "bert", "gpt2", "opt", "llama"] {
        all.extend((0..DRAWN).map(|seed| transformer(kind, seed)));
    }
    let images = |family: &'static str, name: &'static str, sizes: &[(u64, u64)]| -> Vec<Member> {
        let member = |&(image, batch): &(u64, u64)| {
            let config = ZooConfig { image, batch, ..ZooConfig::default() };
            let of = if family == name { String::new() } else { format!("{name}-") };
            Member::new(family, format!("{of}i{image}-b{batch}"), Source::Named(name, config))
        };
        sizes.iter().map(member).collect()
    };
    let many = [(64, 1), (64, 4), (96, 1), (96, 2), (128, 1), (128, 2), (160, 1), (192, 1), (224, 1)];
    all.extend(images("densenet121", "densenet121", &many));
    all.extend(images(Family::ResNet.name(), "resnet50", &many));
    all.extend(images("convnext_tiny", "convnext_tiny", &many));
    let few = [(32, 1), (32, 2), (32, 4), (48, 1), (48, 2), (64, 1), (64, 2), (80, 1), (96, 1)];
    all.extend(images("unet", "unet", &few));
    all.extend(images("swin_tiny", "swin_tiny", &[(224, 1), (224, 2)]));
    for (sequence, batch) in [(16, 1), (16, 8), (32, 1), (32, 4), (64, 1), (64, 2), (128, 1), (128, 2), (256, 1)] {
        let config = ZooConfig { sequence, batch, ..ZooConfig::default() };
        let source = Source::Named("lstm_classifier", config);
        all.push(Member::new("lstm_classifier", format!("t{sequence}-b{batch}"), source));
    }
    all
}

/// A cell of NAS-Bench-201, evenly over the space.
fn cell(seed: u64) -> Member {
    let code = (seed * u64::from(N_CELLS) / DRAWN + 97) as u32;
    let (batch, channels) = ([1, 2, 8][(seed % 3) as usize], [16, 24, 32][(seed / 3 % 3) as usize]);
    let config = nasbench201::Config { batch, channels, ..nasbench201::Config::default() };
    let cell = Cell::from_code(code).unwrap_or_else(|_| unreachable!("the code is below {N_CELLS}"));
    Member::new("nasbench201", format!("c{code:05}-w{channels}-b{batch}"), Source::NasBench201(cell, config))
}

/// A transformer of moderate size.
fn transformer(kind: &'static str, seed: u64) -> Member {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let heads = rng.random_range(2..=8);
    let (hidden, layers) = (64 * heads, rng.random_range(2..=8));
    let sequence = [16, 32, 48, 64, 96, 128][rng.random_range(0..6)];
    let batch = if sequence <= 48 { rng.random_range(1..=4) } else { 1 };
    let text = TextSizes { hidden, heads, layers, vocabulary: 30_522, positions: 512 };
    let inner = hidden * rng.random_range(2..=4);
    let kv_heads = if heads.is_multiple_of(2) { heads / 2 } else { heads };
    let llama = LlamaSizes { hidden, heads, kv_heads, layers, inner, vocabulary: 32_000, positions: 2048 };
    let (image, patch) = [(224, 16), (224, 32), (112, 16), (112, 14), (224, 28)][rng.random_range(0..5)];
    let (transformer, size) = match kind {
        "vit" => (Transformer::Vit(VitSizes { hidden, heads, layers, patch }), format!("i{image}-p{patch}")),
        "bert" => (Transformer::Bert(text), format!("t{sequence}")),
        "gpt2" => (Transformer::Gpt2(text), format!("t{sequence}")),
        "opt" => (Transformer::Opt(text), format!("t{sequence}")),
        _ if seed.is_multiple_of(2) => (Transformer::Llama(llama, Phase::Prefill), format!("t{sequence}-prefill")),
        _ => (Transformer::Llama(llama, Phase::Decode), format!("t{sequence}-decode")),
    };
    let config = ZooConfig { batch, image, sequence };
    let description = format!("s{seed}-d{hidden}-l{layers}-{size}-b{batch}");
    Member::new(kind, description, Source::Transformer(transformer, config))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn members_have_names_of_their_own_and_can_be_built() {
        let all = members();
        assert_eq!(all.len(), 305);
        let names: BTreeSet<&str> = all.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        let families: BTreeSet<&str> = all.iter().map(|m| m.family).collect();
        assert_eq!(families.len(), 23);
        for member in &all {
            let graph = member.build().unwrap_or_else(|e| panic!("{}: {e}", member.name));
            assert!(!graph.nodes().is_empty());
            assert!(member.name.starts_with(&format!("{}.", member.family)));
        }
    }
}
