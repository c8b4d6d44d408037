//! The vocabulary of formulas: the dimensions of one operation, as numbers.
//!
//! Formulas in `configs/templates/*.toml` name these variables, features are computed from them, and `README.md` of that
//! folder lists them. **Invariant:** the struct, the names and the documentation come from the one table below.

/// Declares [`OpDims`] and its table of variables together, so that a variable cannot exist in one of them only.
macro_rules! dims {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Dimensions of one operation; what does not apply is 0, factors that do not apply are 1.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct OpDims { $($(#[doc = $doc])+ pub $name: f64,)+ }

        impl OpDims {
            /// Every variable that a formula may name.
            pub const VARIABLES: &'static [Variable] = &[$(Variable {
                name: stringify!($name),
                doc: concat!($($doc),+),
                get: |d| d.$name,
                set: |d, value| d.$name = value,
            }),+];
        }
    };
}

/// One variable of the formulas.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Reads it.
    pub get: fn(&OpDims) -> f64,
    /// Writes it.
    pub set: fn(&mut OpDims, f64),
}

dims! {
    /// elements of all outputs together
    out_elems,
    /// elements of all activation inputs together, each counted once
    in_elems,
    /// elements of the first activation input
    in0_elems,
    /// elements of all weight inputs together
    weight_elems,
    /// number of activation inputs
    n_inputs,
    /// number of outputs
    n_outputs,
    /// rank of the first output
    rank,
    /// size of the innermost dimension of the first output
    inner,
    /// input channels (convolution, pooling, normalisation)
    cin,
    /// output channels
    cout,
    /// groups of a convolution or a group normalisation
    groups,
    /// elements of the kernel window (its area in two dimensions)
    kernel_elems,
    /// height of the kernel window (1 in one dimension)
    kernel_h,
    /// width of the kernel window
    kernel_w,
    /// largest stride
    stride,
    /// largest dilation
    dilation,
    /// spatial elements of the input, without batch and channels
    in_spatial,
    /// spatial elements of the output
    out_spatial,
    /// rows of one matrix product
    m,
    /// columns of one matrix product
    n,
    /// contracted length of one matrix product
    k,
    /// number of independent matrix products (batch, heads, groups)
    matmuls,
    /// elements combined into one result along the reduced, normalised or gathered axes
    axis_len,
    /// attention heads
    heads,
    /// query positions
    q_len,
    /// key and value positions
    kv_len,
    /// channels of one head's queries and keys
    head_dim,
    /// channels of one head's values
    v_dim,
    /// steps of a recurrence
    steps,
    /// size of the recurrent state
    hidden,
    /// 2 for a bidirectional recurrence
    directions,
    /// 1 if an operand is a weight
    has_weight,
    /// 1 for a convolution with one input channel a group
    depthwise,
    /// 1 for a convolution with a kernel of one element
    pointwise,
    /// 1 if an operand has fewer elements than the output and is repeated
    broadcast,
    /// 1 if several operators were fused into this one
    fused,
    /// operations on every output element that ride on a pass over it made for something else (compiled plans)
    riders,
}

impl Default for OpDims {
    /// Nothing known: sizes 0, factors 1.
    fn default() -> Self {
        OpDims {
            out_elems: 0.0,
            in_elems: 0.0,
            in0_elems: 0.0,
            weight_elems: 0.0,
            n_inputs: 0.0,
            n_outputs: 0.0,
            rank: 0.0,
            inner: 0.0,
            cin: 0.0,
            cout: 0.0,
            groups: 1.0,
            kernel_elems: 1.0,
            kernel_h: 1.0,
            kernel_w: 1.0,
            stride: 1.0,
            dilation: 1.0,
            in_spatial: 0.0,
            out_spatial: 0.0,
            m: 0.0,
            n: 0.0,
            k: 0.0,
            matmuls: 0.0,
            axis_len: 0.0,
            heads: 0.0,
            q_len: 0.0,
            kv_len: 0.0,
            head_dim: 0.0,
            v_dim: 0.0,
            steps: 0.0,
            hidden: 0.0,
            directions: 1.0,
            has_weight: 0.0,
            depthwise: 0.0,
            pointwise: 0.0,
            broadcast: 0.0,
            fused: 0.0,
            riders: 0.0,
        }
    }
}

impl OpDims {
    /// The place of a variable in [`OpDims::VARIABLES`].
    pub(crate) fn index_of(name: &str) -> Option<usize> {
        Self::VARIABLES.iter().position(|v| v.name == name)
    }
}
