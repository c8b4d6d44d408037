//! The numeric features of a node: a fixed, versioned schema shared by training and inference.
//!
//! Sizes enter as `ln(1 + x)`, shares and flags as numbers in 0..=1. **Invariant:** every feature is finite; a change of
//! order, number or meaning raises [`FEATURE_SCHEMA`]. What a node is to its readers is no feature of it; models that are
//! told append it (`ledg-cost-model`, `DescribedGraph::numbers`).

use ledg_graph::Magnitudes;

use crate::dims::OpDims;

/// The version of the schema. A model refuses features of another version.
pub const FEATURE_SCHEMA: u32 = 1;

/// A feature of an operation, from its magnitudes and its dimensions.
type Feature = fn(&Magnitudes, &OpDims) -> f64;

/// The schema: name and definition, in order.
const FEATURES: [(&str, Feature); 47] = [
    // How much is computed and moved.
    ("ln_flops", |m, _| m.flops.ln_1p()),
    ("ln_read", |m, _| m.read_elems.ln_1p()),
    ("ln_write", |m, _| m.write_elems.ln_1p()),
    ("ln_weights", |m, _| m.weight_elems.ln_1p()),
    ("ln_params", |m, _| m.params.ln_1p()),
    // Operations an element moved.
    ("ln_intensity", |m, _| (m.flops / m.moved_elems().max(1.0)).ln_1p()),
    // Channels, windows, spatial extents.
    ("ln_cin", |_, d| d.cin.ln_1p()),
    ("ln_cout", |_, d| d.cout.ln_1p()),
    ("ln_in_spatial", |_, d| d.in_spatial.ln_1p()),
    ("ln_out_spatial", |_, d| d.out_spatial.ln_1p()),
    ("ln_kernel_elems", |_, d| d.kernel_elems.ln_1p()),
    ("ln_kernel_h", |_, d| d.kernel_h.ln_1p()),
    ("ln_kernel_w", |_, d| d.kernel_w.ln_1p()),
    ("ln_stride", |_, d| d.stride.ln_1p()),
    ("ln_dilation", |_, d| d.dilation.ln_1p()),
    ("ln_groups", |_, d| d.groups.ln_1p()),
    ("ln_cin_per_group", |_, d| (d.cin / d.groups.max(1.0)).ln_1p()),
    ("ln_cout_per_group", |_, d| (d.cout / d.groups.max(1.0)).ln_1p()),
    // Matrix products.
    ("ln_m", |_, d| d.m.ln_1p()),
    ("ln_n", |_, d| d.n.ln_1p()),
    ("ln_k", |_, d| d.k.ln_1p()),
    ("ln_matmuls", |_, d| d.matmuls.ln_1p()),
    // Reductions and layout.
    ("ln_axis_len", |_, d| d.axis_len.ln_1p()),
    ("ln_inner", |_, d| d.inner.ln_1p()),
    ("rank", |_, d| d.rank.min(8.0) / 8.0),
    ("ln_n_inputs", |_, d| d.n_inputs.ln_1p()),
    ("ln_n_outputs", |_, d| d.n_outputs.ln_1p()),
    // Attention and recurrence.
    ("ln_heads", |_, d| d.heads.ln_1p()),
    ("ln_q_len", |_, d| d.q_len.ln_1p()),
    ("ln_kv_len", |_, d| d.kv_len.ln_1p()),
    ("ln_head_dim", |_, d| d.head_dim.ln_1p()),
    ("ln_v_dim", |_, d| d.v_dim.ln_1p()),
    ("ln_steps", |_, d| d.steps.ln_1p()),
    ("ln_hidden", |_, d| d.hidden.ln_1p()),
    // What kind of operation it is.
    ("has_weight", |_, d| d.has_weight),
    ("depthwise", |_, d| d.depthwise),
    ("pointwise", |_, d| d.pointwise),
    ("broadcast", |_, d| d.broadcast),
    ("fused", |_, d| d.fused),
    // Whether sizes fill vector units and tiles: 1 for a multiple, 0 if it does not apply.
    ("cin_per_group_by_8", |_, d| aligned(d.cin / d.groups.max(1.0), 8.0)),
    ("cout_per_group_by_8", |_, d| aligned(d.cout / d.groups.max(1.0), 8.0)),
    ("k_by_8", |_, d| aligned(d.k, 8.0)),
    ("n_by_8", |_, d| aligned(d.n, 8.0)),
    ("inner_by_8", |_, d| aligned(d.inner, 8.0)),
    ("cout_by_64", |_, d| aligned(d.cout, 64.0)),
    ("n_by_64", |_, d| aligned(d.n, 64.0)),
    // How full the last tile of 64 columns is.
    ("n_tile_fill", |_, d| if d.n > 0.0 { d.n / ((d.n / 64.0).ceil() * 64.0) } else { 0.0 }),
];

/// Number of features of a node.
pub const N_FEATURES: usize = FEATURES.len();

/// Names of the features, in order.
pub const FEATURE_NAMES: [&str; N_FEATURES] = {
    let mut names = [""; N_FEATURES];
    let mut i = 0;
    while i < N_FEATURES {
        names[i] = FEATURES[i].0;
        i += 1;
    }
    names
};

fn aligned(size: f64, to: f64) -> f64 {
    f64::from(size > 0.0 && size % to == 0.0)
}

/// The features of an operation.
pub(crate) fn features(magnitudes: &Magnitudes, dims: &OpDims) -> [f32; N_FEATURES] {
    FEATURES.map(|(_, feature)| feature(magnitudes, dims) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_values_finite() {
        let mut names = FEATURE_NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), N_FEATURES);
        let zero = features(&Magnitudes::default(), &OpDims::default());
        assert!(zero.iter().all(|v| v.is_finite()));
    }
}
