//! What frameworks move: casts, views, layouts, passes, loops. Numbers are counted by hand.

mod common;

use common::{Net, describe, int, ints, none};
use ledg_graph::{Attr, Attrs, Execution, Graph, Magnitudes, Traffic};

fn traffic(graph: &Graph) -> Vec<Traffic> {
    describe(graph).iter().map(|node| node.magnitudes.traffic).collect()
}

#[test]
fn a_normalisation_is_wide_and_the_layer_behind_it_casts() {
    let mut net = Net::new();
    let (x, scale, bias, w) = (net.input(&[1, 4, 8]), net.weight(&[8]), net.weight(&[8]), net.weight(&[8, 16]));
    let norm = net.op("LayerNormalization", ints("axis", &[-1]), &[x, scale, bias], &[1, 4, 8]);
    let y = net.op("MatMul", none(), &[norm, w], &[1, 4, 16]);
    let [norm, layer] = traffic(&net.finish(&[y]))[..] else { panic!("two nodes") };
    // The image is wide, the normalisation reads and writes as wide: twice 32 elements more.
    assert_eq!((norm.eager, norm.eager_mixed), ([64.0; 2], [64.0; 2]));
    // The cast reads 32 wide elements and writes 32 narrow ones.
    assert_eq!((layer.eager, layer.eager_mixed), ([96.0; 2], [96.0; 2]));
    // A compiler writes what the library reads, narrow.
    assert_eq!((norm.compiled, norm.compiled_mixed), (64.0, 32.0));
    assert_eq!((layer.compiled, layer.compiled_mixed), (96.0, 0.0));
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
    assert_eq!(layer.compiled, 64.0);
    assert_eq!(heads(false)[2].eager, [64.0; 2]);
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
    let on = |gpu| Execution::Eager { gpu, channels_last: false, mixed: false, fused_attention: true };
    let node = Magnitudes { traffic: small, ..Magnitudes::default() };
    assert_eq!((node.moved_in(on(true)), node.moved_in(on(false))), (moved * 100_000.0 / 196.0, moved));
}

#[test]
fn attention_without_a_kernel_passes_over_its_scores() {
    let mut net = Net::new();
    let [q, k, v] = [0; 3].map(|_| net.input(&[1, 2, 4, 8]));
    let k = net.op("Transpose", ints("perm", &[0, 1, 3, 2]), &[k], &[1, 2, 8, 4]);
    let scores = net.op("MatMul", none(), &[q, k], &[1, 2, 4, 4]);
    let scale = net.scalar(0.25);
    let scaled = net.op("Mul", none(), &[scores, scale], &[1, 2, 4, 4]);
    let shares = net.op("Softmax", ints("axis", &[-1]), &[scaled], &[1, 2, 4, 4]);
    let y = net.op("MatMul", none(), &[shares, v], &[1, 2, 4, 8]);
    let graph = net.finish(&[y]);
    let [node] = &describe(&graph)[..] else { panic!("one kernel") };
    let moved = |mixed, fused_attention| {
        node.magnitudes.moved_in(Execution::Eager { gpu: true, channels_last: false, mixed, fused_attention })
    };
    assert_eq!(moved(false, true), 4.0 * 64.0);
    assert_eq!(moved(false, false) - moved(false, true), 6.0 * 32.0);
    assert_eq!(moved(true, false) - moved(true, true), 10.0 * 32.0);
    assert_eq!(node.magnitudes.moved_in(Execution::AsStated), node.magnitudes.moved_elems());
}

#[test]
fn without_shapes_everybody_moves_what_is_stated() {
    let mut net = Net::new();
    let x = net.input(&[1, 8]);
    let out = net.ops("com.acme.Magic", none(), &[x], &[None])[0];
    let y = net.ops("Relu", none(), &[out], &[None])[0];
    for node in describe(&net.finish(&[y])) {
        assert!(node.magnitudes.moved_elems() > 0.0);
        for execution in [Execution::Compiled { mixed: true }, eager(true)] {
            assert_eq!(node.magnitudes.moved_in(execution), node.magnitudes.moved_elems(), "{}", node.name);
        }
    }
}

fn eager(mixed: bool) -> Execution {
    Execution::Eager { gpu: true, channels_last: false, mixed, fused_attention: true }
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
