//! What frameworks move: casts, views, layouts, passes, loops. Numbers are counted by hand.

mod common;

use common::{Net, describe, int, ints, none};
use ledg_graph::{Attr, Attrs, Execution, Graph, Magnitudes, Traffic};

fn traffic(graph: &Graph) -> Vec<Traffic> {
    describe(graph).iter().map(|node| node.magnitudes.traffic).collect()
}

#[test]
fn a_normalisation_runs_narrow() {
    let mut net = Net::new();
    let (x, scale, bias, w) = (net.input(&[1, 4, 8]), net.weight(&[8]), net.weight(&[8]), net.weight(&[8, 16]));
    let norm = net.op("LayerNormalization", ints("axis", &[-1]), &[x, scale, bias], &[1, 4, 8]);
    let y = net.op("MatMul", none(), &[norm, w], &[1, 4, 16]);
    let [norm, layer] = traffic(&net.finish(&[y]))[..] else { panic!("two nodes") };
    // The image is wide: the cast reads 32 wide elements and writes 32 narrow ones.
    assert_eq!((norm.eager, norm.eager_mixed), ([64.0; 2], [96.0; 2]));
    assert_eq!((layer.eager, layer.eager_mixed), ([96.0; 2], [0.0; 2]));
    assert_eq!((norm.compiled, norm.compiled_mixed), (64.0, 32.0), "a loop reads wide and writes narrow");
    assert_eq!((layer.compiled, layer.compiled_mixed), (96.0, 0.0));
}

#[test]
fn a_power_is_wide_and_the_layer_behind_it_casts() {
    let mut net = Net::new();
    let (x, into, out) = (net.input(&[1, 4, 8]), net.weight(&[8, 8]), net.weight(&[8, 16]));
    let (narrow, two) = (net.op("MatMul", none(), &[x, into], &[1, 4, 8]), net.scalar(2.0));
    let square = net.op("Pow", none(), &[narrow, two], &[1, 4, 8]);
    let y = net.op("MatMul", none(), &[square, out], &[1, 4, 16]);
    let [_, square, layer] = traffic(&net.finish(&[y]))[..] else { panic!("three nodes") };
    // A cast reads 32 narrow elements and writes 32 wide ones, the power reads and writes as wide.
    assert_eq!((square.eager, square.eager_mixed), ([64.0; 2], [96.0 + 64.0; 2]));
    assert_eq!((layer.eager, layer.eager_mixed), ([96.0; 2], [96.0; 2]));
    // A compiler writes what the library reads, narrow.
    assert_eq!((square.compiled, square.compiled_mixed), (64.0, 0.0));
}

#[test]
fn a_weight_widens_what_it_multiplies() {
    let mut net = Net::new();
    let (x, w, scale) = (net.input(&[1, 3, 4, 4]), net.weight(&[8, 3, 1, 1]), net.weight(&[8, 1, 1]));
    let conv = net.op("Conv", none(), &[x, w], &[1, 8, 4, 4]);
    let scaled = net.op("Mul", none(), &[conv, scale], &[1, 8, 4, 4]);
    let half = net.scalar(0.5);
    let y = net.op("Mul", none(), &[scaled, half], &[1, 8, 4, 4]);
    let [conv, scaled, halved] = traffic(&net.finish(&[y]))[..] else { panic!("three nodes") };
    assert_eq!(conv.eager_mixed, [3.0 * 48.0; 2], "the image is cast");
    assert_eq!(scaled.eager_mixed, [128.0; 2], "reads narrow, writes wide");
    assert_eq!(halved.eager_mixed, [256.0; 2], "a number does not widen, but what it multiplies is wide");
    // Fused, the first product never reaches memory.
    assert_eq!((scaled.compiled, halved.compiled), (128.0, 128.0));
}

#[test]
fn the_bias_of_a_convolution_is_a_pass() {
    let conv = |biased: bool, activated: bool| {
        let mut net = Net::new();
        let (x, w, b) = (net.input(&[1, 3, 4, 4]), net.weight(&[8, 3, 1, 1]), net.weight(&[8]));
        let operands = if biased { vec![x, w, b] } else { vec![x, w] };
        let conv = net.op("Conv", none(), &operands, &[1, 8, 4, 4]);
        let y = if activated { net.op("Relu", none(), &[conv], &[1, 8, 4, 4]) } else { conv };
        traffic(&net.finish(&[y]))[0]
    };
    assert_eq!(conv(false, false).eager, [48.0 + 128.0; 2]);
    assert_eq!(conv(true, false).eager, [48.0 + 128.0 + 256.0; 2]);
    assert_eq!(conv(true, false).compiled, 48.0 + 128.0 + 256.0);
    assert_eq!(conv(true, true).compiled, 48.0 + 128.0, "the activation takes it along");
}

#[test]
fn transpositions_cost_where_a_reshape_cannot_follow() {
    let heads = |merged: bool| {
        let mut net = Net::new();
        let (x, w, out) = (net.input(&[1, 4, 8]), net.weight(&[8, 8]), net.weight(&[8, 8]));
        let rows = net.op("MatMul", none(), &[x, w], &[1, 4, 8]);
        let (split, joined) = (net.ints(&[1, 4, 2, 4]), net.ints(&[1, 4, 8]));
        let split = net.op("Reshape", none(), &[rows, split], &[1, 4, 2, 4]);
        // Positions behind heads, of which a reshape to (4, 8) would mix both; or nothing moved.
        let perm: &[i64] = if merged { &[0, 2, 1, 3] } else { &[0, 1, 2, 3] };
        let shape: &[u64] = if merged { &[1, 2, 4, 4] } else { &[1, 4, 2, 4] };
        let turned = net.op("Transpose", ints("perm", perm), &[split], shape);
        let joined = net.op("Reshape", none(), &[turned, joined], &[1, 4, 8]);
        let y = net.op("MatMul", none(), &[joined, out], &[1, 4, 8]);
        traffic(&net.finish(&[y]))
    };
    let [_, turned, layer] = heads(true)[..] else { panic!("three nodes") };
    assert_eq!(turned, Traffic::default(), "a view");
    assert_eq!(layer.eager, [64.0 + 64.0; 2], "the reshape copied 32 elements");
    assert_eq!(layer.compiled, 64.0 + 64.0, "of what a library wrote, compiled as well");
    let [_, _, layer] = heads(false)[..] else { panic!("three nodes") };
    assert_eq!((layer.eager, layer.compiled), ([64.0; 2], 64.0));
}

#[test]
fn images_given_as_channels_last_need_no_copy_behind_a_normalisation_of_channels() {
    let mut net = Net::new();
    let (x, w, scale, bias) = (net.input(&[1, 4, 6, 6]), net.weight(&[8, 4, 1, 1]), net.weight(&[8]), net.weight(&[8]));
    let conv = net.op("Conv", none(), &[x, w], &[1, 8, 6, 6]);
    let last = net.op("Transpose", ints("perm", &[0, 2, 3, 1]), &[conv], &[1, 6, 6, 8]);
    let y = net.op("LayerNormalization", ints("axis", &[-1]), &[last, scale, bias], &[1, 6, 6, 8]);
    let norm = traffic(&net.finish(&[y]))[2];
    let elements = 8.0 * 36.0;
    assert_eq!(norm.eager, [4.0 * elements, 2.0 * elements], "channels first has to be copied to be contiguous");
}

#[test]
fn given_statistics_take_any_layout_softmax_does_not() {
    let behind = |op: &str, weights: usize| {
        let mut net = Net::new();
        let (x, w) = (net.input(&[1, 4, 6, 6]), net.weight(&[8, 4, 1, 1]));
        let mut operands = vec![net.op("Conv", none(), &[x, w], &[1, 8, 6, 6])];
        operands.extend((0..weights).map(|_| net.weight(&[8])));
        let y = net.op(op, none(), &operands, &[1, 8, 6, 6]);
        traffic(&net.finish(&[y])).last().copied().unwrap().eager
    };
    let elements = 8.0 * 36.0;
    // A batch normalisation behind a convolution is folded; one in front of everything is not.
    let mut net = Net::new();
    let operands = [net.input(&[1, 8, 6, 6]), net.weight(&[8]), net.weight(&[8]), net.weight(&[8]), net.weight(&[8])];
    let y = net.op("BatchNormalization", none(), &operands, &[1, 8, 6, 6]);
    assert_eq!(traffic(&net.finish(&[y]))[0].eager, [2.0 * elements; 2]);
    assert_eq!(behind("Softmax", 0), [2.0 * elements, 4.0 * elements], "channels-last is copied");
    assert_eq!(behind("InstanceNormalization", 2), [2.0 * elements, 4.0 * elements]);
}

/// (channels read, channels written, groups) of a convolution of 6 x 6 positions behind one that makes its image.
fn convolution((from, to, groups): (u64, u64, u64)) -> Traffic {
    let mut net = Net::new();
    let (x, into, w) =
        (net.input(&[1, 16, 6, 6]), net.weight(&[from, 16, 1, 1]), net.weight(&[to, from / groups, 1, 1]));
    let image = net.op("Conv", none(), &[x, into], &[1, from, 6, 6]);
    let y = net.op("Conv", int("group", groups as i64), &[image, w], &[1, to, 6, 6]);
    traffic(&net.finish(&[y])).last().copied().unwrap()
}

#[test]
fn channels_last_is_copied_for_groups_and_channels_that_have_no_kernel() {
    let of = |from: u64, to: u64| 36.0 * (from + to) as f64;
    for (shape, copies) in
        [((32, 32, 1), 0.0), ((32, 30, 1), 2.0), ((64, 64, 4), 0.0), ((48, 48, 2), 2.0), ((30, 30, 30), 0.0)]
    {
        let (own, moved) = (of(shape.0, shape.1), convolution(shape));
        assert_eq!(moved.eager, [own, own * (1.0 + copies)], "{shape:?}");
    }
}

#[test]
fn a_compiler_lays_out_as_channels_last_unless_groups_weigh_most() {
    let own = 36.0 * 96.0;
    // As many operations in groups as in the dense convolution in front: channels first, which matrix units copy, unless their
    // kernels for groups take them.
    let grouped = convolution((48, 48, 3));
    assert_eq!((grouped.compiled, grouped.compiled_half), (own, 0.0));
    let unusual = convolution((72, 72, 3));
    assert_eq!((unusual.compiled, unusual.compiled_mixed, unusual.compiled_half), (1.5 * own, 0.0, 3.0 * own));
    let dense = convolution((48, 48, 1));
    assert_eq!((dense.compiled, dense.compiled_half), (own, 0.0));
    // Few operations in groups: channels-last, and a width of three has no kernel for it.
    let few = convolution((48, 48, 16));
    assert_eq!((few.compiled, few.compiled_half), (own + 2.0 * own, 0.0));
}

#[test]
fn a_part_of_the_channels_is_copied_for_a_compiled_convolution() {
    let mut net = Net::new();
    let (x, w) = (net.input(&[1, 16, 6, 6]), net.weight(&[8, 8, 1, 1]));
    let parts = net.ops("Split", int("axis", 1), &[x], &[Some(&[1, 8, 6, 6]), Some(&[1, 8, 6, 6])]);
    let y = net.op("Conv", none(), &[parts[0], w], &[1, 8, 6, 6]);
    let conv = traffic(&net.finish(&[y, parts[1]])).last().copied().unwrap();
    let image = 8.0 * 36.0;
    assert_eq!(conv.compiled, 2.0 * image + 2.0 * image);
}

#[test]
fn interpolation_of_a_small_image_leaves_most_threads_idle() {
    let resampled = |mode: &str, side: u64| {
        let mut net = Net::new();
        let (x, none_given, sizes) =
            (net.input(&[1, 4, 7, 7]), net.weight(&[0]), net.ints(&[1, 4, side as i64, side as i64]));
        let attrs = Attrs::new().with("mode", Attr::Str(mode.into()));
        let y = net.op("Resize", attrs, &[x, none_given, none_given, sizes], &[1, 4, side, side]);
        traffic(&net.finish(&[y]))[0]
    };
    let moved = 4.0 * (49.0 + 196.0);
    // As many threads as positions, of the hundred thousand that memory would serve; channels-last has a thread an element.
    let small = resampled("linear", 14);
    assert_eq!((small.eager, small.compiled), ([moved; 2], moved));
    assert_eq!(small.idle, [moved * (100_000.0 / 196.0 - 1.0), 0.0]);
    assert_eq!(resampled("nearest", 14).idle, [0.0; 2]);
    assert_eq!(resampled("linear", 512).idle, [0.0; 2], "threads enough");
    let on = |gpu| Execution::Eager {
        gpu,
        channels_last: false,
        mixed: false,
        fused_attention: true,
        wide_attention: false,
    };
    let node = Magnitudes { traffic: small, ..Magnitudes::default() };
    assert_eq!((node.moved_in(on(true)), node.moved_in(on(false))), (moved * 100_000.0 / 196.0, moved));
}

/// Attention of queries and keys of that shape and values of that size, with a bias or without.
fn attention(shape: &[u64], size: u64, biased: bool) -> Magnitudes {
    let mut net = Net::new();
    let with = |a: u64, b: u64| [&shape[..shape.len() - 2], &[a, b]].concat();
    let &[.., n, d] = shape else { panic!("two axes or more") };
    let (q, k, v) = (net.input(shape), net.input(&with(d, n)), net.input(&with(n, size)));
    let scores = net.op("MatMul", none(), &[q, k], &with(n, n));
    let scale = net.scalar(0.25);
    let mut scores = net.op("Mul", none(), &[scores, scale], &with(n, n));
    if biased {
        let bias = net.weight(&[n, n]);
        scores = net.op("Add", none(), &[scores, bias], &with(n, n));
    }
    let shares = net.op("Softmax", ints("axis", &[-1]), &[scores], &with(n, n));
    let y = net.op("MatMul", none(), &[shares, v], &with(n, size));
    let graph = net.finish(&[y]);
    let [node] = &describe(&graph)[..] else { panic!("one kernel") };
    node.magnitudes
}

#[test]
fn attention_without_a_kernel_passes_over_its_scores() {
    let node = attention(&[1, 2, 4, 8], 8, false);
    let moved = |mixed, fused_attention| {
        node.moved_in(Execution::Eager {
            gpu: true,
            channels_last: false,
            mixed,
            fused_attention,
            wide_attention: false,
        })
    };
    assert_eq!(moved(false, true), 4.0 * 64.0);
    assert_eq!(moved(false, false) - moved(false, true), 6.0 * 32.0);
    assert_eq!(moved(true, false) - moved(true, true), 10.0 * 32.0);
    assert_eq!(node.moved_in(Execution::AsStated), node.moved_elems());
}

#[test]
fn attention_that_no_kernel_takes_passes_over_its_scores_anywhere() {
    let passes = |shape: &[u64], size: u64, biased: bool| {
        let t = attention(shape, size, biased).traffic;
        // What is left besides queries, keys, values and the answer.
        let own = 2.0 * shape.iter().product::<u64>() as f64;
        let values = 2.0 * (shape.iter().product::<u64>() / shape[shape.len() - 1] * size) as f64;
        let scores = (shape[..shape.len() - 1].iter().product::<u64>() * shape[shape.len() - 2]) as f64;
        [t.eager[0], t.compiled].map(|moved| (moved - own - values) / scores)
    };
    assert_eq!(passes(&[1, 2, 4, 8], 8, true), [0.0, 0.0], "a bias has kernels");
    assert_eq!(passes(&[1, 2, 4, 8], 16, false), [0.0, 0.0], "so have wide values");
    assert_eq!(passes(&[1, 2, 4, 8], 16, true), [8.0, 4.0], "both are somebody's own code");
    assert_eq!(passes(&[1, 3, 2, 4, 8], 8, false), [6.0, 4.0], "five axes have none");
}

#[test]
fn attention_of_many_heads_to_one_has_no_kernel_and_is_wide() {
    let mut net = Net::new();
    let (q, k, v) = (net.input(&[1, 2, 4, 8]), net.input(&[1, 1, 8, 4]), net.input(&[1, 1, 4, 8]));
    let scores = net.op("MatMul", none(), &[q, k], &[1, 2, 4, 4]);
    let scale = net.scalar(0.25);
    let scores = net.op("Mul", none(), &[scores, scale], &[1, 2, 4, 4]);
    let shares = net.op("Softmax", ints("axis", &[-1]), &[scores], &[1, 2, 4, 4]);
    let y = net.op("MatMul", none(), &[shares, v], &[1, 2, 4, 8]);
    let graph = net.finish(&[y]);
    let [node] = &describe(&graph)[..] else { panic!("one kernel") };
    let node = node.magnitudes;
    let (scores, operands, own) = (32.0, 64.0, 64.0 + 2.0 * 32.0 + 64.0);
    assert_eq!((node.traffic.eager[0], node.traffic.compiled), (own + 6.0 * scores, own + 4.0 * scores));
    // Keys and values count for every head.
    assert_eq!(node.traffic.wide_attention, [5.5 * scores + 6.0 * 3.0 * operands, 4.0 * scores + 2.0 * 3.0 * operands]);
    assert_eq!(node.traffic.attention_flops, 2.0 * scores * 16.0);
    let eager = |gpu, wide_attention| {
        let execution =
            Execution::Eager { gpu, channels_last: false, mixed: false, fused_attention: true, wide_attention };
        (node.moved_in(execution), node.vector_flops_in(execution))
    };
    let [wide, _] = node.traffic.wide_attention;
    assert_eq!(eager(true, false), (own + 6.0 * scores, 0.0));
    assert_eq!(eager(true, true), (own + 6.0 * scores + wide, node.traffic.attention_flops));
    let compiled = |wide_attention| Execution::Compiled { gpu: true, mixed: false, half: true, wide_attention };
    assert_eq!(node.vector_flops_in(compiled(true)), 0.0, "compiled, matrix units take it");
    assert_eq!(node.moved_in(compiled(true)) - node.moved_in(compiled(false)), node.traffic.wide_attention[1]);
    assert_eq!(attention(&[1, 2, 4, 8], 8, false).traffic.wide_attention, [0.0; 2], "as many heads have a kernel");
}

#[test]
fn loops_that_hand_each_other_values_read_one_once() {
    let mut net = Net::new();
    let (x, w, factor) = (net.input(&[1, 3, 4, 4]), net.weight(&[8, 3, 1, 1]), net.weight(&[1, 8, 1, 1]));
    let shape = [1, 8, 4, 4];
    let conv = net.op("Conv", none(), &[x, w], &shape);
    let scaled = net.op("Mul", none(), &[conv, factor], &shape);
    let gate = net.op("Tanh", none(), &[scaled], &shape);
    let y = net.op("Mul", none(), &[conv, gate], &shape);
    let compiled: Vec<f64> = traffic(&net.finish(&[y])).iter().map(|t| t.compiled).collect();
    assert_eq!(compiled, [48.0 + 128.0, 128.0, 0.0, 128.0], "the product of both reads neither again");
}

#[test]
fn long_concatenations_are_written() {
    let compiled = |operands: usize| {
        let mut net = Net::new();
        let parts: Vec<_> = (0..operands).map(|_| net.input(&[1, 2, 4])).collect();
        let shape = [1, 2 * operands as u64, 4];
        let all = net.op("Concat", ints("axis", &[1]), &parts, &shape);
        let y = net.op("Relu", none(), &[all], &shape);
        traffic(&net.finish(&[y])).iter().map(|t| t.compiled / (8 * operands) as f64).collect::<Vec<_>>()
    };
    assert_eq!(compiled(8), [1.0, 1.0]);
    assert_eq!(compiled(9), [2.0, 2.0]);
}

#[test]
fn depthwise_convolutions_leave_matrix_units_idle() {
    let flops = |groups: u64, window: u64, execution| {
        let mut net = Net::new();
        let (x, w) = (net.input(&[1, 8, 16, 16]), net.weight(&[8, 8 / groups, window, window]));
        let conv = net.op("Conv", int("group", groups as i64), &[x, w], &[1, 8, 16, 16]);
        let graph = net.finish(&[conv]);
        let node = describe(&graph)[0].magnitudes;
        node.vector_flops_in(execution) / node.flops
    };
    let one_by_one = |gpu, channels_last| Execution::Eager {
        gpu,
        channels_last,
        mixed: true,
        fused_attention: true,
        wide_attention: true,
    };
    let compiled = |gpu| Execution::Compiled { gpu, mixed: true, half: true, wide_attention: true };
    for execution in [one_by_one(true, false), one_by_one(true, true), compiled(true)] {
        assert_eq!(flops(1, 3, execution), 0.0);
        assert_eq!(flops(8, 3, execution), 1.0);
    }
    assert_eq!(flops(8, 9, one_by_one(true, false)), 16.0);
    assert_eq!(flops(8, 9, one_by_one(true, true)), 74.0);
    assert_eq!(flops(8, 9, compiled(true)), 74.0, "laid out as channels-last");
    for execution in [one_by_one(false, false), compiled(false), Execution::AsStated] {
        assert_eq!(flops(8, 9, execution), 0.0, "no GPU's kernels");
    }
}

#[test]
fn without_shapes_everybody_moves_what_is_stated() {
    let mut net = Net::new();
    let x = net.input(&[1, 8]);
    let out = net.ops("com.acme.Magic", none(), &[x], &[None])[0];
    let y = net.ops("Relu", none(), &[out], &[None])[0];
    for node in describe(&net.finish(&[y])) {
        assert!(node.magnitudes.moved_elems() > 0.0);
        for execution in
            [Execution::Compiled { gpu: true, mixed: true, half: true, wide_attention: false }, eager(true)]
        {
            assert_eq!(node.magnitudes.moved_in(execution), node.magnitudes.moved_elems(), "{}", node.name);
        }
    }
}

fn eager(mixed: bool) -> Execution {
    Execution::Eager { gpu: true, channels_last: false, mixed, fused_attention: true, wide_attention: false }
}

#[test]
fn a_part_is_picked_along_an_axis_counted_from_either_end() {
    let behind = |axis: i64| {
        let mut net = Net::new();
        let (x, w) = (net.input(&[1, 4, 3, 8]), net.weight(&[8, 8]));
        let turned = net.op("Transpose", ints("perm", &[0, 2, 1, 3]), &[x], &[1, 3, 4, 8]);
        let first = net.number(0);
        let part = net.op("Gather", int("axis", axis), &[turned, first], &[1, 4, 8]);
        let y = net.op("MatMul", none(), &[part, w], &[1, 4, 8]);
        traffic(&net.finish(&[y])).last().copied().unwrap()
    };
    assert_eq!(behind(1), behind(-3));
    // What is left of the axes lies in rows; of an image given as channels last it does not, and 32 elements are copied.
    assert_eq!(behind(1).eager, [64.0, 64.0 + 64.0]);
}
