//! Single operators, as operator benchmarks measure them: products, convolutions, elementwise, softmax, layer norm.

use ledg_graph::{DType, Graph, ValueId};

use super::imported;
use crate::ZooError;
use crate::net::{Map, Net, Window};

/// A function of one value, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unary {
    /// max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// GELU with the error function, spelled out as exported.
    Gelu,
}

/// A function of two values, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binary {
    /// Sum.
    Add,
    /// Quotient.
    Div,
    /// Product.
    Mul,
    /// Power.
    Pow,
}

/// One operator with its sizes. The first size of each is the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Products of (batch, m, k) and (batch, k, n).
    BatchedMatMul {
        /// Number of products.
        batch: u64,
        /// Rows of the left matrix.
        m: u64,
        /// What is summed over.
        k: u64,
        /// Columns of the right matrix.
        n: u64,
    },
    /// A fully connected layer with bias on (batch, m, k), n features.
    Linear {
        /// Sequences.
        batch: u64,
        /// Rows of a sequence.
        m: u64,
        /// Features in.
        k: u64,
        /// Features out.
        n: u64,
    },
    /// The same on rows without sequences, as exporters write it then: one `Gemm`.
    Gemm {
        /// Rows.
        m: u64,
        /// Features in.
        k: u64,
        /// Features out.
        n: u64,
    },
    /// A square convolution with bias.
    Conv {
        /// Images.
        batch: u64,
        /// Channels in.
        channels: u64,
        /// Height and width.
        image: u64,
        /// Channels out.
        out: u64,
        /// Kernel.
        kernel: u64,
        /// Stride.
        stride: u64,
        /// Padding on each side.
        pad: u64,
    },
    /// A function of each element of (batch, width).
    Unary(Unary, u64, u64),
    /// A function of two values of (batch, width).
    Binary(Binary, u64, u64),
    /// The same with a scalar as second operand.
    BinaryScalar(Binary, u64, u64),
    /// Softmax over rows of (batch, width).
    Softmax(u64, u64),
    /// Layer norm with scale and shift over rows of (batch, width).
    LayerNorm(u64, u64),
}

/// The operator as a graph of its own.
///
/// # Errors
/// What the importer refuses, such as a convolution whose window does not fit.
pub fn build(operator: &Operator) -> Result<Graph, ZooError> {
    imported(&name(operator), |net| {
        let y = written(net, operator, &[]);
        net.output(y);
        Ok(())
    })
}

/// The operator as a graph whose batch is one more size in front, 1: what is the batch of [`build`] is part of a sample, as heads and
/// steps are in a network.
///
/// # Errors
/// As [`build`]; a convolution has no place for one more size.
pub fn build_in_sample(operator: &Operator) -> Result<Graph, ZooError> {
    imported(&format!("{}-in-sample", name(operator)), |net| {
        let y = written(net, operator, &[1]);
        net.output(y);
        Ok(())
    })
}

impl Operator {
    /// The operator with another batch: its first size.
    #[must_use]
    pub fn with_batch(self, batch: u64) -> Self {
        match self {
            Operator::BatchedMatMul { m, k, n, .. } => Operator::BatchedMatMul { batch, m, k, n },
            Operator::Linear { m, k, n, .. } => Operator::Linear { batch, m, k, n },
            Operator::Gemm { k, n, .. } => Operator::Gemm { m: batch, k, n },
            Operator::Conv { channels, image, out, kernel, stride, pad, .. } => {
                Operator::Conv { batch, channels, image, out, kernel, stride, pad }
            }
            Operator::Unary(op, _, width) => Operator::Unary(op, batch, width),
            Operator::Binary(op, _, width) => Operator::Binary(op, batch, width),
            Operator::BinaryScalar(op, _, width) => Operator::BinaryScalar(op, batch, width),
            Operator::Softmax(_, width) => Operator::Softmax(batch, width),
            Operator::LayerNorm(_, width) => Operator::LayerNorm(batch, width),
        }
    }
}

fn name(operator: &Operator) -> String {
    match *operator {
        Operator::BatchedMatMul { batch, m, k, n } => format!("bmm-{batch}x{m}x{k}x{n}"),
        Operator::Linear { batch, m, k, n } => format!("linear-{batch}x{m}x{k}x{n}"),
        Operator::Gemm { m, k, n } => format!("gemm-{m}x{k}x{n}"),
        Operator::Conv { batch, channels, image, out, kernel, stride, pad } => {
            format!("conv-{batch}x{channels}x{image}-{out}k{kernel}s{stride}p{pad}")
        }
        Operator::Unary(op, batch, width) => format!("{op:?}-{batch}x{width}").to_lowercase(),
        Operator::Binary(op, batch, width) => format!("{op:?}-{batch}x{width}").to_lowercase(),
        Operator::BinaryScalar(op, batch, width) => format!("{op:?}-scalar-{batch}x{width}").to_lowercase(),
        Operator::Softmax(batch, width) => format!("softmax-{batch}x{width}"),
        Operator::LayerNorm(batch, width) => format!("layernorm-{batch}x{width}"),
    }
}

/// The nodes of an operator with sizes in `front` of its own.
fn written(net: &mut Net, operator: &Operator, front: &[u64]) -> ValueId {
    let input = |net: &mut Net, name: &str, shape: &[u64]| net.input(name, DType::F32, &[front, shape].concat());
    match *operator {
        Operator::BatchedMatMul { batch, m, k, n } => {
            let a = input(net, "a", &[batch, m, k]);
            let b = input(net, "b", &[batch, k, n]);
            net.apply("MatMul", &[a, b])
        }
        Operator::Linear { batch, m, k, n } => {
            let x = input(net, "x", &[batch, m, k]);
            net.linear(Map { id: x, channels: k }, n).id
        }
        Operator::Gemm { m, k, n } => {
            let x = input(net, "x", &[m, k]);
            let rows = if front.is_empty() { x } else { net.reshape(x, &[-1, k as i64]) };
            net.gemm(Map { id: rows, channels: k }, n).id
        }
        Operator::Conv { batch, channels, image, out, kernel, stride, pad } => {
            let x = input(net, "x", &[batch, channels, image, image]);
            net.conv(Map { id: x, channels }, out, Window { kernel, stride, pad, groups: 1 }).id
        }
        Operator::Unary(op, batch, width) => {
            let x = input(net, "x", &[batch, width]);
            match op {
                Unary::Relu => net.apply("Relu", &[x]),
                Unary::Tanh => net.apply("Tanh", &[x]),
                Unary::Gelu => net.gelu(Map { id: x, channels: width }).id,
            }
        }
        Operator::Binary(op, batch, width) => {
            let [a, b] = ["a", "b"].map(|name| input(net, name, &[batch, width]));
            net.apply(op.onnx(), &[a, b])
        }
        Operator::BinaryScalar(op, batch, width) => {
            let x = input(net, "x", &[batch, width]);
            // The number itself does not matter; 3 is no special case of a power.
            let scalar = net.scalar(3.0);
            net.apply(op.onnx(), &[x, scalar])
        }
        Operator::Softmax(batch, width) => {
            let x = input(net, "x", &[batch, width]);
            net.softmax(x)
        }
        Operator::LayerNorm(batch, width) => {
            let x = input(net, "x", &[batch, width]);
            net.layer_norm(Map { id: x, channels: width }, 1e-5).id
        }
    }
}

impl Binary {
    fn onnx(self) -> &'static str {
        match self {
            Binary::Add => "Add",
            Binary::Div => "Div",
            Binary::Mul => "Mul",
            Binary::Pow => "Pow",
        }
    }
}
