//! Writing networks down: a graph builder that names things and knows the layers that networks share.
//!
//! **Invariant:** layers know channels only; shapes of activations are left to the importer.

use std::collections::BTreeMap;

use ledg_graph::{Attr, Attrs, ConstData, DType, Graph, GraphBuilder, GraphError, OpType, Shape, ValueId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A feature map or a sequence of vectors: a value and the number of its channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map {
    pub id: ValueId,
    pub channels: u64,
}

/// A square convolution or pooling window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub kernel: u64,
    pub stride: u64,
    pub pad: u64,
    pub groups: u64,
}

impl Window {
    /// A window of odd size that keeps the extent at stride 1.
    pub(crate) fn same(kernel: u64, stride: u64) -> Self {
        Window { kernel, stride, pad: kernel / 2, groups: 1 }
    }

    /// A window without padding.
    pub(crate) fn valid(kernel: u64, stride: u64) -> Self {
        Window { kernel, stride, pad: 0, groups: 1 }
    }

    pub(crate) fn grouped(self, groups: u64) -> Self {
        Window { groups, ..self }
    }
}

/// An activation function as the exporter spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    None,
    Relu,
    /// Clip to 0..6.
    Relu6,
    /// x · sigmoid(x).
    Silu,
    HardSwish,
}

pub(crate) struct Net {
    builder: GraphBuilder,
    nodes: usize,
    constants: usize,
    /// Shapes to declare, by value name.
    shapes: BTreeMap<String, Shape>,
    /// Draws sizes around those of the network; none: the network itself.
    vary: Option<ChaCha8Rng>,
}

impl Net {
    pub(crate) fn new(name: &str, shapes: BTreeMap<String, Shape>) -> Self {
        Net { builder: GraphBuilder::new(name), nodes: 0, constants: 0, shapes, vary: None }
    }

    /// A network whose sizes are drawn around those that the generator asks for.
    pub(crate) fn varied(mut self, seed: u64) -> Self {
        self.vary = Some(ChaCha8Rng::seed_from_u64(seed));
        self
    }

    /// So many channels; varied: 0.2 to 1.8 times as many, as nn-Meter draws them.
    pub(crate) fn channels(&mut self, usual: u64) -> u64 {
        let Some(rng) = &mut self.vary else { return usual };
        ((usual as f64 * rng.random_range(0.2..1.8)).round() as u64).max(1)
    }

    /// A kernel of that size; varied: any odd one from 3 to 7. A kernel of 1 stays.
    pub(crate) fn kernel(&mut self, usual: u64) -> u64 {
        match &mut self.vary {
            Some(rng) if usual > 1 => 3 + 2 * rng.random_range(0..3),
            _ => usual,
        }
    }

    /// So many layers; varied: up to one more or less, but one.
    pub(crate) fn depth(&mut self, usual: usize) -> usize {
        let Some(rng) = &mut self.vary else { return usual };
        (usual + rng.random_range(0..3)).saturating_sub(1).max(1)
    }

    pub(crate) fn finish(self) -> Result<Graph, GraphError> {
        self.builder.finish()
    }

    pub(crate) fn image(&mut self, batch: u64, side: u64) -> Map {
        Map { id: self.builder.input("input", DType::F32, &[batch, 3, side, side]), channels: 3 }
    }

    pub(crate) fn input(&mut self, name: &str, dtype: DType, shape: &[u64]) -> ValueId {
        self.builder.input(name, dtype, shape)
    }

    pub(crate) fn tokens(&mut self, name: &str, batch: u64, sequence: u64) -> ValueId {
        self.builder.input(name, DType::I64, &[batch, sequence])
    }

    pub(crate) fn output(&mut self, value: ValueId) {
        self.builder.output(value);
    }

    pub(crate) fn weight(&mut self, name: impl Into<String>, shape: &[u64]) -> ValueId {
        self.builder.weight(name, DType::F32, shape)
    }

    /// A large constant whose values do not matter here.
    pub(crate) fn buffer(&mut self, name: &str, dtype: DType, shape: &[u64]) -> ValueId {
        self.builder.constant(name, dtype, shape, None)
    }

    pub(crate) fn ints(&mut self, values: &[i64]) -> ValueId {
        self.int_tensor(&[values.len() as u64], values.to_vec())
    }

    pub(crate) fn int_tensor(&mut self, shape: &[u64], values: Vec<i64>) -> ValueId {
        let name = self.constant_name();
        self.builder.constant(name, DType::I64, shape, Some(ConstData::Ints(values)))
    }

    pub(crate) fn scalar(&mut self, value: f32) -> ValueId {
        let name = self.constant_name();
        self.builder.constant(name, DType::F32, &[], Some(ConstData::Floats(vec![f64::from(value)])))
    }

    fn constant_name(&mut self) -> String {
        self.constants += 1;
        format!("const_{}", self.constants)
    }

    /// Adds a node with one output.
    pub(crate) fn op(&mut self, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
        self.outputs(op, attrs, &inputs.iter().copied().map(Some).collect::<Vec<_>>(), 1, DType::F32)[0]
    }

    /// Adds a node without attributes.
    pub(crate) fn apply(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.op(op, Attrs::new(), inputs)
    }

    /// Adds a node.
    pub(crate) fn outputs(
        &mut self,
        op: &str,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        n: usize,
        dtype: DType,
    ) -> Vec<ValueId> {
        let name = self.next_name(op);
        let mut output = |k: usize| {
            let name = format!("{name}_out{k}");
            let shape = self.shapes.get(&name).map(Vec::as_slice);
            self.builder.activation(name, dtype, shape)
        };
        let outputs: Vec<ValueId> = (0..n).map(&mut output).collect();
        self.builder.node(name, OpType::onnx(op), attrs, inputs, &outputs);
        self.nodes += 1;
        outputs
    }

    /// The name that the next node of that operator will have; its weights are named after it.
    pub(crate) fn next_name(&self, op: &str) -> String {
        format!("{op}_{}", self.nodes)
    }

    /// A convolution with bias.
    pub(crate) fn conv(&mut self, x: Map, channels: u64, window: Window) -> Map {
        self.conv_named(x, channels, window, "bias")
    }

    /// A convolution into which a BatchNorm was folded; its shift is the bias.
    pub(crate) fn conv_norm(&mut self, x: Map, channels: u64, window: Window, act: Act) -> Map {
        let x = self.conv_named(x, channels, window, "folded_bias");
        self.act(x, act)
    }

    /// A convolution without bias, where a norm or an addition of its own follows.
    pub(crate) fn conv_without_bias(&mut self, x: Map, channels: u64, window: Window) -> Map {
        let name = self.next_name("Conv");
        let shape = [channels, x.channels / window.groups, window.kernel, window.kernel];
        let weight = self.weight(format!("{name}.weight"), &shape);
        Map { id: self.op("Conv", conv_attrs(window), &[x.id, weight]), channels }
    }

    /// A norm that no convolution precedes, and that stays.
    pub(crate) fn batch_norm(&mut self, x: Map) -> Map {
        let name = self.next_name("BatchNormalization");
        let [weight, bias, mean, var] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.weight(format!("{name}.{part}"), &[x.channels]));
        let attrs = Attrs::new().with("epsilon", Attr::Float(1e-5)).with("momentum", Attr::Float(0.9));
        Map { id: self.op("BatchNormalization", attrs, &[x.id, weight, bias, mean, var]), ..x }
    }

    fn conv_named(&mut self, x: Map, channels: u64, window: Window, bias: &str) -> Map {
        let name = self.next_name("Conv");
        let Window { kernel, groups, .. } = window;
        let weight = self.weight(format!("{name}.weight"), &[channels, x.channels / groups, kernel, kernel]);
        let bias = self.weight(format!("{name}.{bias}"), &[channels]);
        Map { id: self.op("Conv", conv_attrs(window), &[x.id, weight, bias]), channels }
    }

    pub(crate) fn act(&mut self, x: Map, act: Act) -> Map {
        let id = match act {
            Act::None => x.id,
            Act::Relu => self.apply("Relu", &[x.id]),
            Act::Relu6 => {
                let (low, high) = (self.scalar(0.0), self.scalar(6.0));
                self.apply("Clip", &[x.id, low, high])
            }
            Act::Silu => {
                let gate = self.apply("Sigmoid", &[x.id]);
                self.apply("Mul", &[x.id, gate])
            }
            Act::HardSwish => self.apply("HardSwish", &[x.id]),
        };
        Map { id, ..x }
    }

    pub(crate) fn max_pool(&mut self, x: Map, window: Window, ceil: bool) -> Map {
        Map { id: self.op("MaxPool", pool_attrs(window, ceil), &[x.id]), ..x }
    }

    pub(crate) fn average_pool(&mut self, x: Map, window: Window) -> Map {
        Map { id: self.op("AveragePool", pool_attrs(window, false), &[x.id]), ..x }
    }

    pub(crate) fn add(&mut self, a: Map, b: Map) -> Map {
        Map { id: self.apply("Add", &[a.id, b.id]), ..a }
    }

    pub(crate) fn mul(&mut self, a: Map, b: Map) -> Map {
        Map { id: self.apply("Mul", &[a.id, b.id]), ..a }
    }

    /// Joins along channels.
    pub(crate) fn concat(&mut self, maps: &[Map]) -> Map {
        let ids: Vec<ValueId> = maps.iter().map(|m| m.id).collect();
        let channels = maps.iter().map(|m| m.channels).sum();
        Map { id: self.op("Concat", Attrs::new().with("axis", Attr::Int(1)), &ids), channels }
    }

    /// Global average, flattened.
    pub(crate) fn pooled(&mut self, x: Map) -> Map {
        let id = self.apply("GlobalAveragePool", &[x.id]);
        self.flat(Map { id, ..x })
    }

    pub(crate) fn flat(&mut self, x: Map) -> Map {
        Map { id: self.op("Flatten", Attrs::new().with("axis", Attr::Int(1)), &[x.id]), ..x }
    }

    /// A fully connected layer on vectors.
    pub(crate) fn gemm(&mut self, x: Map, features: u64) -> Map {
        let name = self.next_name("Gemm");
        let weight = self.weight(format!("{name}.weight"), &[features, x.channels]);
        let bias = self.weight(format!("{name}.bias"), &[features]);
        let attrs =
            Attrs::new().with("alpha", Attr::Float(1.0)).with("beta", Attr::Float(1.0)).with("transB", Attr::Int(1));
        Map { id: self.op("Gemm", attrs, &[x.id, weight, bias]), channels: features }
    }

    /// A fully connected layer on sequences: product and bias apart, as exported.
    pub(crate) fn linear(&mut self, x: Map, features: u64) -> Map {
        let name = self.next_name("MatMul");
        let weight = self.weight(format!("{name}.weight"), &[x.channels, features]);
        let product = self.apply("MatMul", &[x.id, weight]);
        let bias = self.weight(format!("{name}.bias"), &[features]);
        Map { id: self.apply("Add", &[bias, product]), channels: features }
    }

    /// Normalisation over the last axis.
    pub(crate) fn layer_norm(&mut self, x: Map, epsilon: f64) -> Map {
        let name = self.next_name("LayerNormalization");
        let weight = self.weight(format!("{name}.weight"), &[x.channels]);
        let bias = self.weight(format!("{name}.bias"), &[x.channels]);
        let attrs = Attrs::new().with("axis", Attr::Int(-1)).with("epsilon", Attr::Float(epsilon));
        Map { id: self.op("LayerNormalization", attrs, &[x.id, weight, bias]), ..x }
    }

    /// GELU with the error function: x · (erf(x / √2) + 1) · 0.5.
    pub(crate) fn gelu(&mut self, x: Map) -> Map {
        let root = self.scalar(std::f32::consts::SQRT_2);
        let scaled = self.apply("Div", &[x.id, root]);
        let erf = self.apply("Erf", &[scaled]);
        let one = self.scalar(1.0);
        let shifted = self.apply("Add", &[erf, one]);
        let product = self.apply("Mul", &[x.id, shifted]);
        let half = self.scalar(0.5);
        Map { id: self.apply("Mul", &[product, half]), ..x }
    }

    pub(crate) fn transpose(&mut self, x: ValueId, perm: &[i64]) -> ValueId {
        self.op("Transpose", Attrs::new().with("perm", Attr::Ints(perm.to_vec())), &[x])
    }

    /// A reshape; 0 keeps a dimension, -1 takes what is left.
    pub(crate) fn reshape(&mut self, x: ValueId, shape: &[i64]) -> ValueId {
        let shape = self.ints(shape);
        self.apply("Reshape", &[x, shape])
    }

    pub(crate) fn softmax(&mut self, x: ValueId) -> ValueId {
        self.op("Softmax", Attrs::new().with("axis", Attr::Int(-1)), &[x])
    }
}

fn four(n: u64) -> Attr {
    Attr::Ints(vec![n as i64; 4])
}

fn two(n: u64) -> Attr {
    Attr::Ints(vec![n as i64; 2])
}

fn conv_attrs(w: Window) -> Attrs {
    Attrs::new()
        .with("dilations", two(1))
        .with("group", Attr::Int(w.groups as i64))
        .with("kernel_shape", two(w.kernel))
        .with("pads", four(w.pad))
        .with("strides", two(w.stride))
}

fn pool_attrs(w: Window, ceil: bool) -> Attrs {
    Attrs::new()
        .with("ceil_mode", Attr::Int(i64::from(ceil)))
        .with("kernel_shape", two(w.kernel))
        .with("pads", four(w.pad))
        .with("strides", two(w.stride))
}
