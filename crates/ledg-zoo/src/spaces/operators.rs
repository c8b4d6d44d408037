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
        let y = written(net, operator);
        net.output(y);
        Ok(())
    })
}

fn name(operator: &Operator) -> String {
    match *operator {
        Operator::BatchedMatMul { batch, m, k, n } => format!("bmm-{batch}x{m}x{k}x{n}"),
        Operator::Linear { batch, m, k, n } => format!("linear-{batch}x{m}x{k}x{n}"),
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

fn written(net: &mut Net, operator: &Operator) -> ValueId {
    match *operator {
        Operator::BatchedMatMul { batch, m, k, n } => {
            let a = net.input("a", DType::F32, &[batch, m, k]);
            let b = net.input("b", DType::F32, &[batch, k, n]);
            net.apply("MatMul", &[a, b])
        }
        Operator::Linear { batch, m, k, n } => {
            let x = net.input("x", DType::F32, &[batch, m, k]);
            net.linear(Map { id: x, channels: k }, n).id
        }
        Operator::Conv { batch, channels, image, out, kernel, stride, pad } => {
            let x = net.input("x", DType::F32, &[batch, channels, image, image]);
            net.conv(Map { id: x, channels }, out, Window { kernel, stride, pad, groups: 1 }).id
        }
        Operator::Unary(op, batch, width) => {
            let x = net.input("x", DType::F32, &[batch, width]);
            match op {
                Unary::Relu => net.apply("Relu", &[x]),
                Unary::Tanh => net.apply("Tanh", &[x]),
                Unary::Gelu => net.gelu(Map { id: x, channels: width }).id,
            }
        }
        Operator::Binary(op, batch, width) => {
            let [a, b] = ["a", "b"].map(|name| net.input(name, DType::F32, &[batch, width]));
            net.apply(op.onnx(), &[a, b])
        }
        Operator::BinaryScalar(op, batch, width) => {
            let x = net.input("x", DType::F32, &[batch, width]);
            // The number itself does not matter; 3 is no special case of a power.
            let scalar = net.scalar(3.0);
            net.apply(op.onnx(), &[x, scalar])
        }
        Operator::Softmax(batch, width) => {
            let x = net.input("x", DType::F32, &[batch, width]);
            net.softmax(x)
        }
        Operator::LayerNorm(batch, width) => {
            let x = net.input("x", DType::F32, &[batch, width]);
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
