//! The zoo's networks have the parameters and multiply-adds that their authors publish.

mod count;

use count::{gmacs, params};
use ledg_zoo::{ZooConfig, build, names};

/// Name, parameters, multiply-adds in 10⁹ (0: nobody publishes them). torchvision's own figures (`_docs` of its weights),
/// Hugging Face's for the language models, and for U-Net those of the common PyTorch implementation.
const PUBLISHED: [(&str, u64, f64); 25] = [
    ("alexnet", 61_100_840, 0.714),
    ("bert_base", 109_482_240, 0.0),
    ("bert_large", 335_141_888, 0.0),
    ("convnext_tiny", 28_589_128, 4.456),
    ("densenet121", 7_978_856, 2.834),
    ("efficientnet_b0", 5_288_548, 0.386),
    ("googlenet", 6_624_904, 1.498),
    ("gpt2", 124_439_808, 0.0),
    ("gpt2_large", 774_030_080, 0.0),
    ("llama2_7b", 6_738_415_616, 0.0),
    ("llama2_7b_decode", 6_738_415_616, 0.0),
    ("mnasnet1_0", 4_383_312, 0.314),
    ("mobilenet_v2", 3_504_872, 0.301),
    ("mobilenet_v3_large", 5_483_032, 0.217),
    ("opt_1_3b", 1_315_758_080, 0.0),
    ("resnet18", 11_689_512, 1.814),
    ("resnet34", 21_797_672, 3.664),
    ("resnet50", 25_557_032, 4.089),
    ("squeezenet1_1", 1_235_496, 0.349),
    ("swin_tiny", 28_288_354, 4.491),
    ("tinyllama", 1_100_048_384, 0.0),
    ("tinyllama_decode", 1_100_048_384, 0.0),
    ("unet", 31_037_633, 0.0),
    ("vgg11", 132_863_336, 7.609),
    ("vgg16", 138_357_544, 15.47),
];

#[test]
fn parameters_and_multiply_adds_are_the_published_ones() {
    for (name, published, published_gmacs) in PUBLISHED {
        let graph = build(name, &ZooConfig::default()).unwrap();
        assert_eq!(params(&graph), published, "{name}");
        if published_gmacs > 0.0 {
            let found = gmacs(&graph);
            let off = (found / published_gmacs - 1.0).abs();
            assert!(off < 0.005, "{name}: {found} G multiply-adds, published {published_gmacs}");
        }
    }
}

/// ViT-B/16's published multiply-adds (17.564 G) count attention's products, torchvision's parameters are 86,567,656.
#[test]
fn vision_transformer() {
    let graph = build("vit_b16", &ZooConfig::default()).unwrap();
    assert_eq!(params(&graph), 86_567_656);
    assert!((gmacs(&graph) - 17.564).abs() < 0.05, "{}", gmacs(&graph));
}

/// BERT-base on 128 tokens: 12 layers of 128·(4·768² + 2·768·3072) + 2·128²·768 multiply-adds, and the pooler's 768².
#[test]
fn bert_by_hand() {
    let graph = build("bert_base", &ZooConfig::default()).unwrap();
    let layer = 128.0 * (4.0 * 768.0 * 768.0 + 2.0 * 768.0 * 3072.0) + 2.0 * 128.0 * 128.0 * 768.0;
    assert_eq!(gmacs(&graph), (12.0 * layer + 768.0 * 768.0) / 1e9);
}

#[test]
fn every_network_has_all_its_shapes_and_scales_with_the_batch() {
    for name in names() {
        let one = build(name, &ZooConfig::default()).unwrap();
        assert!(one.values().iter().all(|v| v.shape.is_some()), "{name}");
        let four = build(name, &ZooConfig { batch: 4, ..ZooConfig::default() }).unwrap();
        assert_eq!(gmacs(&four), 4.0 * gmacs(&one), "{name}");
        assert_eq!(params(&four), params(&one), "{name}");
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let message = |name, config| build(name, &config).unwrap_err().to_string();
    let config = ZooConfig::default();
    assert!(message("resnet19", config).starts_with("there is no network `resnet19`; there are alexnet, bert_base, "));
    assert_eq!(
        message("vit_b16", ZooConfig { image: 100, ..config }),
        "`vit_b16` cannot have image 100: it must be a multiple of 16"
    );
    assert_eq!(
        message("bert_base", ZooConfig { sequence: 513, ..config }),
        "`bert_base` cannot have sequence 513: it has 512 positions"
    );
    assert_eq!(message("unet", ZooConfig { batch: 0, ..config }), "`unet` cannot have batch 0: it must be at least 1");
}
