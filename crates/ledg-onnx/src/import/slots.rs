//! Which inputs of an operator are parameters and which are its data: what tells weights from data where the file does not.

/// What an operator does with one of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A learned parameter.
    Parameter,
    /// What the operator transforms; can only be data.
    Data,
    /// Can be anything.
    Any,
}

/// The slot of input `i` of an operator. Names are unique across the domains that matter, so the domain is not asked.
pub(crate) fn slot(op: &str, i: usize) -> Slot {
    let parameters = match op {
        "Conv" | "ConvTranspose" | "DeformConv" | "InstanceNormalization" | "GroupNormalization" => 1..=2,
        "ConvInteger" | "FusedConv" => 1..=2,
        "Gemm" => 1..=2,
        "BatchNormalization" => 1..=4,
        "LayerNormalization" | "GroupNorm" => 1..=2,
        "RMSNormalization" | "SimplifiedLayerNormalization" | "PRelu" => 1..=1,
        "SkipLayerNormalization" => 2..=4,
        "SkipSimplifiedLayerNormalization" => 2..=3,
        "EmbedLayerNormalization" => 2..=6,
        "BiasGelu" => 1..=1,
        "LSTM" | "GRU" | "RNN" => 1..=3,
        "QLinearConv" => 3..=8,
        "QGemm" => 3..=6,
        "MatMulNBits" => 1..=5,
        _ => return Slot::Any,
    };
    if parameters.contains(&i) {
        Slot::Parameter
    } else if i == 0
        && matches!(
            op,
            "Conv" | "ConvTranspose" | "InstanceNormalization" | "BatchNormalization" | "LSTM" | "GRU" | "RNN"
        )
    {
        Slot::Data
    } else {
        Slot::Any
    }
}
