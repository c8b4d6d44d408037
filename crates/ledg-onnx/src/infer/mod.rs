//! Shape rules: from the facts of a node's inputs to those of its outputs, one file a topic.
//!
//! A rule is a function of a [`Call`]; the tables below say which operator has which. A rule may give an output its data
//! (Shape does); what else is computed at import is the business of [`crate::fold`].
//!
//! **Invariant:** rules use checked arithmetic on sizes and never index without a check: shapes come from files.

mod attention;
mod conv;
mod elementwise;
mod generate;
mod index;
mod layout;
mod linalg;
mod norm;
mod pool;
mod quant;
mod recurrent;
mod reduce;
mod resize;
mod vision;

use crate::fact::{Call, Fact, Stop};

pub(crate) use index::slice_plan;
pub(crate) use layout::{split_sizes, transpose_axes};
pub(crate) use reduce::reduced_axes;

/// The facts of all outputs that the operator has, or at least of those the node names.
pub(crate) type Inferred = Result<Vec<Fact>, Stop>;

type Rule = fn(&Call) -> Inferred;

/// Applies the operator's rule.
pub(crate) fn infer(call: &Call) -> Inferred {
    let rule = match call.domain {
        "" => onnx_rule(call.op),
        "com.microsoft" => microsoft_rule(call.op),
        _ => None,
    };
    rule.ok_or(Stop::NoRule)?(call)
}

/// Rules of ONNX's own operators.
fn onnx_rule(op: &str) -> Option<Rule> {
    Some(match op {
        "Abs"
        | "Acos"
        | "Acosh"
        | "Asin"
        | "Asinh"
        | "Atan"
        | "Atanh"
        | "BitwiseNot"
        | "Ceil"
        | "Celu"
        | "Clip"
        | "Cos"
        | "Cosh"
        | "CumProd"
        | "CumSum"
        | "Elu"
        | "Erf"
        | "Exp"
        | "Floor"
        | "Gelu"
        | "HardSigmoid"
        | "HardSwish"
        | "Hardmax"
        | "Identity"
        | "LRN"
        | "LeakyRelu"
        | "Log"
        | "LogSoftmax"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "Mish"
        | "Neg"
        | "Not"
        | "PRelu"
        | "Reciprocal"
        | "Relu"
        | "ReverseSequence"
        | "Round"
        | "Scatter"
        | "ScatterElements"
        | "ScatterND"
        | "Selu"
        | "Shrink"
        | "Sigmoid"
        | "Sign"
        | "Sin"
        | "Sinh"
        | "Softmax"
        | "Softplus"
        | "Softsign"
        | "Sqrt"
        | "Swish"
        | "Tan"
        | "Tanh"
        | "TensorScatter"
        | "ThresholdedRelu"
        | "Trilu" => elementwise::same,
        "Cast" => elementwise::cast,
        "CastLike" => elementwise::cast_like,
        "IsNaN" | "IsInf" => elementwise::same_but_bool,
        "Dropout" => elementwise::dropout,
        "Add" | "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "Div" | "Max" | "Mean" | "Min" | "Mod"
        | "Mul" | "Pow" | "Sub" | "Sum" => elementwise::broadcasting,
        "And" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Or" | "Xor" => {
            elementwise::comparison
        }
        "Where" => elementwise::select,
        "Conv" | "DeformConv" => conv::conv,
        "ConvInteger" => conv::conv_integer,
        "QLinearConv" => conv::qlinear_conv,
        "ConvTranspose" => conv::conv_transpose,
        "AveragePool" | "LpPool" | "MaxPool" => pool::pool,
        "GlobalAveragePool" | "GlobalLpPool" | "GlobalMaxPool" => pool::global_pool,
        "MaxUnpool" => pool::max_unpool,
        "Gemm" => linalg::gemm,
        "MatMul" => linalg::matmul,
        "MatMulInteger" => linalg::matmul_integer,
        "QLinearMatMul" => linalg::qlinear_matmul,
        "Einsum" => linalg::einsum,
        "Det" => linalg::det,
        "Attention" => attention::attention,
        "RotaryEmbedding" => elementwise::same,
        "BatchNormalization" => norm::batch_norm,
        "GroupNormalization" | "InstanceNormalization" => elementwise::same,
        "LayerNormalization" => norm::layer_norm,
        "RMSNormalization" => elementwise::same,
        "Concat" => layout::concat,
        "DepthToSpace" => layout::depth_to_space,
        "Expand" => layout::expand,
        "Flatten" => layout::flatten,
        "Pad" => layout::pad,
        "Reshape" => layout::reshape,
        "Shape" => generate::shape,
        "Size" => generate::element_count,
        "SpaceToDepth" => layout::space_to_depth,
        "Split" => layout::split,
        "Squeeze" => layout::squeeze,
        "Tile" => layout::tile,
        "Transpose" => layout::transpose,
        "Unsqueeze" => layout::unsqueeze,
        "ConstantOfShape" => generate::constant_of_shape,
        "Bernoulli" | "EyeLike" | "RandomNormalLike" | "RandomUniformLike" => generate::like,
        "Multinomial" => generate::multinomial,
        "NonZero" => generate::non_zero,
        "OneHot" => generate::one_hot,
        "RandomNormal" | "RandomUniform" => generate::random,
        "Range" => generate::range,
        "Compress" => index::compress,
        "Gather" => index::gather,
        "GatherElements" => index::gather_elements,
        "GatherND" => index::gather_nd,
        "NonMaxSuppression" | "Unique" => index::data_dependent,
        "Slice" => index::slice,
        "TopK" => index::top_k,
        "ArgMax" | "ArgMin" => reduce::arg,
        "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax" | "ReduceMean" | "ReduceMin"
        | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" => reduce::reduce,
        "GRU" | "LSTM" | "RNN" => recurrent::recurrent,
        "DequantizeLinear" => quant::dequantize,
        "DynamicQuantizeLinear" => quant::dynamic_quantize,
        "QuantizeLinear" => quant::quantize,
        "Resize" => resize::resize,
        "Upsample" => resize::upsample,
        "AffineGrid" => vision::affine_grid,
        "CenterCropPad" => vision::center_crop_pad,
        "Col2Im" => vision::col2im,
        "GridSample" => vision::grid_sample,
        "MaxRoiPool" => vision::max_roi_pool,
        "RoiAlign" => vision::roi_align,
        _ => return None,
    })
}

/// Rules of ONNX Runtime's fused and quantised operators.
fn microsoft_rule(op: &str) -> Option<Rule> {
    Some(match op {
        "BiasAdd"
        | "BiasGelu"
        | "BiasSoftmax"
        | "FastGelu"
        | "Gelu"
        | "GroupNorm"
        | "QLinearLeakyRelu"
        | "QLinearSigmoid"
        | "QLinearSoftmax"
        | "QuickGelu"
        | "RotaryEmbedding"
        | "SimplifiedLayerNormalization" => elementwise::same,
        "Attention" | "QAttention" => attention::fused_attention,
        "MultiHeadAttention" => attention::multi_head_attention,
        "GroupQueryAttention" => attention::group_query_attention,
        "EmbedLayerNormalization" => norm::embed_layer_norm,
        "LayerNormalization" => norm::layer_norm,
        "SkipLayerNormalization" | "SkipSimplifiedLayerNormalization" => norm::skip_layer_norm,
        "BiasSplitGelu" => elementwise::bias_split_gelu,
        "FusedConv" => conv::conv,
        "FusedGemm" => linalg::gemm,
        "FusedMatMul" | "TransposeMatMul" => linalg::fused_matmul,
        "MatMulNBits" => linalg::matmul_n_bits,
        "DynamicQuantizeMatMul" | "MatMulIntegerToFloat" => linalg::matmul_to_float,
        "QGemm" => quant::qgemm,
        "QLinearAdd" | "QLinearMul" => quant::qlinear_binary,
        "QLinearAveragePool" => pool::pool,
        "QLinearGlobalAveragePool" => pool::qlinear_global_pool,
        "QLinearConcat" => quant::qlinear_concat,
        "QuantizeLinear" => quant::quantize,
        "DequantizeLinear" => quant::dequantize,
        _ => return None,
    })
}
