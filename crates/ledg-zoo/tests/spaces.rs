//! Networks of search spaces have the parameters and multiply-adds of their sources.

mod count;

use count::{gmacs, params};
use ledg_graph::Graph;
use ledg_zoo::families::Family;
use ledg_zoo::nasbench201::{Cell, ZeroEdges};
use ledg_zoo::{accel_nasbench, families, fbnet, nasbench101, nasbench201};

fn nb201(text: &str, zeros: ZeroEdges) -> Graph {
    let config = nasbench201::Config { zeros, ..nasbench201::Config::default() };
    nasbench201::build(&text.parse().unwrap(), &config).unwrap()
}

fn macs(graph: &Graph) -> u64 {
    (gmacs(graph) * 1e9).round() as u64
}

/// An independent generator's figures: parameters with norms as 2C, multiply-adds of convolutions and fully connected
/// layers, nodes as exported.
const NB201: [(&str, u64, u64, usize); 3] = [
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        129_306,
        15_647_360,
        140,
    ),
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        830_426,
        117_883_520,
        185,
    ),
    ("|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|", 185_306, 23_511_680, 155),
];

#[test]
fn nasbench201_by_reference() {
    for (text, parameters, multiply_adds, nodes) in NB201 {
        for zeros in [ZeroEdges::Run, ZeroEdges::Drop, ZeroEdges::Fold] {
            let graph = nb201(text, zeros);
            assert_eq!(params(&graph), parameters, "{text}");
            assert_eq!(macs(&graph), multiply_adds, "{text}");
            assert!(zeros != ZeroEdges::Drop || graph.nodes().len() == nodes, "{text}: {}", graph.nodes().len());
        }
    }
}

/// Stem 3·16·9 and norm 32; two reductions of c·2c·9 + 2c·2c·9 + c·2c and norms of 2·4c; last norm 2·64; 64·10 + 10.
#[test]
fn nasbench201_by_hand() {
    let empty = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|";
    let reduction = |c: u64| c * 2 * c * 9 + 2 * c * 2 * c * 9 + c * 2 * c + 2 * 4 * c;
    let around = 3 * 16 * 9 + 32 + reduction(16) + reduction(32) + 2 * 64 + 650;
    assert_eq!(params(&nb201(empty, ZeroEdges::Run)), around);
    // Fifteen more 3x3 convolutions, five a stage.
    let one = empty.replacen("skip_connect~0", "nor_conv_3x3~0", 1);
    let convs: u64 = [16u64, 32, 64].iter().map(|c| 5 * (c * c * 9 + 2 * c)).sum();
    assert_eq!(params(&nb201(&one, ZeroEdges::Run)), around + convs);
}

#[test]
fn nasbench201_codes_and_text() {
    // NNLQP's 10062 = 3·3125 + 1·625 + 0 + 2·25 + 2·5 + 2.
    let text = "|nor_conv_1x1~0|+|avg_pool_3x3~0|none~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
    let cell = Cell::from_code(10_062).unwrap();
    assert_eq!(cell.to_string(), text);
    for code in (0..nasbench201::N_CELLS).step_by(97) {
        let cell = Cell::from_code(code).unwrap();
        assert_eq!(cell.code(), code);
        assert_eq!(cell.to_string().parse::<Cell>().unwrap(), cell);
    }
    let error = |text: &str| text.parse::<Cell>().unwrap_err().to_string();
    assert!(error("|none~0|+|none~0|none~1|").contains("three nodes"));
    assert!(error(&text.replace("none~1", "none~2")).contains("`none~2` is no operator~1"));
    assert!(Cell::from_code(15_625).unwrap_err().to_string().contains("below 15625"));
}

/// A cell with a convolution on 0→1, of which nothing is read, and a skip on 0→3.
#[test]
fn edges_that_nothing_needs_run_unless_they_are_dropped() {
    let text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|";
    let count = |zeros, op: &str| nb201(text, zeros).nodes().iter().filter(|n| n.op.is_onnx(op)).count();
    // Stem, two reductions of three; and in each of fifteen cells the convolution, and four products with zero.
    assert_eq!(count(ZeroEdges::Run, "Conv"), 1 + 6 + 15);
    assert_eq!(count(ZeroEdges::Run, "Mul"), 4 * 15);
    assert_eq!(count(ZeroEdges::Drop, "Conv"), 1 + 6);
    assert_eq!(count(ZeroEdges::Drop, "Mul"), 0);
    // 1→3 is a convolution of zeros: an exporter keeps it, a compiler does not.
    let cut = "|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|";
    let convs = |zeros| nb201(cut, zeros).nodes().iter().filter(|n| n.op.is_onnx("Conv")).count();
    assert_eq!([ZeroEdges::Run, ZeroEdges::Drop, ZeroEdges::Fold].map(convs), [22, 22, 7]);
}

#[test]
fn fbnet_by_reference() {
    let cases = [
        ("7-8-1-8-4-8-8-8-7-4-1-4-7-3-2-7-3-2-4-2-4-5", 1_790_500, 67_605_376, 118),
        ("5-3-5-5-0-4-7-5-5-2-0-2-4-5-1-3-7-2-6-0-4-0", 1_695_572, 61_564_288, 154),
        ("4-4-4-1-0-2-7-8-2-3-6-3-6-1-7-6-0-6-8-8-0-7", 1_949_596, 66_041_088, 121),
    ];
    for (text, parameters, multiply_adds, nodes) in cases {
        let architecture = fbnet::Architecture::parse(text).unwrap();
        let graph = fbnet::build(&architecture, fbnet::Target::Cifar100, 1).unwrap();
        assert_eq!(params(&graph), parameters, "{text}");
        assert_eq!(macs(&graph), multiply_adds, "{text}");
        assert_eq!(graph.nodes().len(), nodes, "{text}");
        fbnet::build(&architecture, fbnet::Target::ImageNet, 2).unwrap();
    }
    assert!(fbnet::Architecture::parse("1-2-3").is_err());
    assert!(fbnet::Architecture::parse(&["9"; 22].join("-")).is_err());
}

#[test]
fn accel_nasbench_by_reference() {
    let stage = |(expansion, kernel, layers, squeeze)| accel_nasbench::Stage { expansion, kernel, layers, squeeze };
    let small = [(6, 3, 1), (4, 5, 2), (6, 3, 3), (6, 5, 3), (6, 5, 2), (1, 3, 2), (1, 3, 2)];
    let stages = small.map(|(e, k, l)| stage((e, k, l, false)));
    for (activation, nodes) in [(accel_nasbench::Activation::Silu, 110), (accel_nasbench::Activation::Relu, 82)] {
        let graph = accel_nasbench::build(&stages, activation, 1).unwrap();
        assert_eq!((params(&graph), macs(&graph)), (2_501_160, 375_723_888));
        assert_eq!(graph.nodes().len(), nodes);
    }
    // EfficientNet-B0 is of this space, but for its first stage without expansion.
    let b0 = [(1, 3, 1), (6, 3, 2), (6, 5, 2), (6, 3, 3), (6, 5, 3), (6, 5, 4), (6, 3, 1)];
    let b0 = b0.map(|(e, k, l)| stage((e, k, l, true)));
    assert_eq!(params(&accel_nasbench::build(&b0, accel_nasbench::Activation::Silu, 1).unwrap()), 5_288_548);
}

#[test]
fn nasbench101_by_hand() {
    // Input, 3x3, output: one projection and one convolution a cell, and the rest.
    let cell = nasbench101::Cell::parse("010001000", "-1-0--2").unwrap();
    let conv = |k: u64, i: u64, o: u64| k * k * i * o + 2 * o;
    let cells: u64 = [(128, 128), (128, 256), (256, 512)]
        .iter()
        .map(|&(i, w)| conv(1, i, w) + 2 * conv(1, w, w) + 3 * conv(3, w, w))
        .sum();
    let graph = nasbench101::build("cell", &cell, 1).unwrap();
    assert_eq!(params(&graph), conv(3, 3, 128) + cells + 512 * 10 + 10);
    let error = |adjacency, ops| nasbench101::Cell::parse(adjacency, ops).unwrap_err().to_string();
    assert!(error("010001", "-1-0--2").contains("9 digits"));
    assert!(error("010001100", "-1-0--2").contains("earlier to a later"));
    assert!(error("001000000", "-1-0--2").contains("on a way"));
}

#[test]
fn families_vary_by_seed_and_scale_with_the_batch() {
    for family in Family::ALL {
        let graphs: Vec<Graph> = (0..8).map(|seed| families::build(family, seed, 1).unwrap()).collect();
        let sizes: std::collections::BTreeSet<u64> = graphs.iter().map(params).collect();
        assert!(sizes.len() >= 7, "{}: {sizes:?}", family.name());
        let again = families::build(family, 3, 1).unwrap();
        assert_eq!(again.content_hash(), graphs[3].content_hash(), "{}", family.name());
        let four = families::build(family, 3, 4).unwrap();
        assert_eq!(macs(&four), 4 * macs(&again), "{}", family.name());
        assert!(graphs.iter().all(|g| g.values().iter().all(|v| v.shape.is_some())), "{}", family.name());
        assert_eq!(Family::from_name(family.name()), Some(family));
    }
}
