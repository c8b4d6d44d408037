//! The inputs of benches and of the table of speeds: graphs of given sizes, platforms.

// The bench and the table each use their own part of this module.
#![allow(dead_code)]

use ledg_cost_model::graph::{Attr, Attrs, DType, Graph, GraphBuilder, OpType, ValueId};
use ledg_cost_model::predictor::{
    GraphBatch, GraphInput, Mode, PlatformBatch, PlatformInput, Predictor, PredictorConfig, PredictorError, Query,
    QuotientGraph,
};
use ledg_cost_model::{Bundle, CostModel, Edit, HardwareRegistry, Platform, RawPlatform};
use ledg_zoo::ZooConfig;

/// ResNet-50: 122 nodes.
pub fn resnet50() -> Graph {
    ledg_zoo::build("resnet50", &ZooConfig::default()).expect("a network of the zoo")
}

/// A residual network of about `n_nodes` nodes whose widths go through 48 values, so that blocks repeat as they do in
/// large networks: some, not all.
pub fn residual(n_nodes: usize) -> Graph {
    let mut b = GraphBuilder::new(format!("residual{n_nodes}"));
    let mut x = b.input("input", DType::F32, &[1, 64, 28, 28]);
    let (mut channels, mut block) = (64, 0);
    while b.node_count() + 6 <= n_nodes {
        let next = 64 + 8 * ((block * 7) % 48) as u64;
        x = conv(&mut b, &format!("b{block}.in"), x, [channels, next], 1);
        let shortcut = x;
        x = op(&mut b, &format!("b{block}.relu0"), "Relu", &[x], next);
        x = conv(&mut b, &format!("b{block}.conv"), x, [next, next], 3);
        x = op(&mut b, &format!("b{block}.relu1"), "Relu", &[x], next);
        x = op(&mut b, &format!("b{block}.add"), "Add", &[x, shortcut], next);
        x = op(&mut b, &format!("b{block}.sigmoid"), "Sigmoid", &[x], next);
        (channels, block) = (next, block + 1);
    }
    b.output(x);
    b.finish().expect("a valid graph")
}

fn op(b: &mut GraphBuilder, name: &str, kind: &str, inputs: &[ValueId], channels: u64) -> ValueId {
    let out = b.activation(format!("{name}.out"), DType::F32, Some(&[1, channels, 28, 28]));
    let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
    b.node(name, OpType::onnx(kind), Attrs::new(), &inputs, &[out]);
    out
}

fn conv(b: &mut GraphBuilder, name: &str, x: ValueId, [from, to]: [u64; 2], kernel: u64) -> ValueId {
    let weight = b.weight(format!("{name}.weight"), DType::F32, &[to, from, kernel, kernel]);
    let out = b.activation(format!("{name}.out"), DType::F32, Some(&[1, to, 28, 28]));
    let (k, pad) = (kernel as i64, (kernel / 2) as i64);
    let attrs = Attrs::new().with("kernel_shape", Attr::Ints(vec![k, k])).with("pads", Attr::Ints(vec![pad; 4]));
    b.node(name, OpType::onnx("Conv"), attrs, &[Some(x), Some(weight)], &[out]);
    out
}

/// The first `n` built-in devices, each at batch 32.
pub fn platforms(n: usize) -> Vec<(Platform, u64)> {
    let registry = HardwareRegistry::builtin();
    let names = ["rtx4090", "rtx3090", "t4", "a100-40gb"];
    let mut found: Vec<(Platform, u64)> =
        names.iter().filter_map(|name| registry.resolve(name).ok()).map(|p| (p, 32)).collect();
    let all = registry.devices().map(|d| d.name.clone()).collect::<Vec<_>>();
    found.extend(all.iter().filter_map(|name| registry.resolve(name).ok()).map(|p| (p, 32)));
    found.retain(|(p, _)| RawPlatform::new(p).is_ok());
    found.truncate(n);
    found
}

/// `n` candidates that differ from a graph in three nodes each: an attribute, an operator, an additional node. Their
/// sentences are among those that come with the model.
pub fn candidates(graph: &Graph, n: usize) -> Vec<Vec<Edit>> {
    let nodes = graph.nodes();
    let out = |i: usize| graph.value(nodes[i % nodes.len()].outputs[0]);
    let relus: Vec<&str> = nodes.iter().filter(|n| n.op.name == "Relu").map(|n| n.name.as_str()).collect();
    // Not the first one: few networks have its kernel at another stride.
    let convs: Vec<&str> = nodes.iter().filter(|n| n.op.name == "Conv").map(|n| n.name.as_str()).skip(1).collect();
    let candidate = |i: usize| {
        let inserted = out(i * 13 + 3);
        vec![
            Edit::SetAttribute {
                node: convs[i * 5 % convs.len()].to_owned(),
                name: "strides".into(),
                value: Attr::Ints(vec![1 + (i % 2) as i64; 2]),
            },
            Edit::Replace {
                node: relus[i * 3 % relus.len()].to_owned(),
                domain: String::new(),
                op: ["Sigmoid", "Tanh", "HardSwish"][i % 3].to_owned(),
                attrs: Attrs::new(),
                inputs: None,
            },
            Edit::Insert {
                node: "inserted".into(),
                domain: String::new(),
                op: ["Relu", "Sigmoid", "Sqrt"][i / 3 % 3].to_owned(),
                attrs: Attrs::new(),
                inputs: vec![Some(inserted.name.clone())],
                output: "inserted.out".into(),
                dtype: DType::F32,
                shape: inserted.shape.clone().expect("known shapes"),
                replaces: Some(inserted.name.clone()),
            },
        ]
    };
    (0..n).map(candidate).collect()
}

/// `n` edits of one node each.
pub fn single_edits(graph: &Graph, n: usize) -> Vec<Vec<Edit>> {
    candidates(graph, n).into_iter().enumerate().map(|(i, edits)| vec![edits[i % 3].clone()]).collect()
}

/// The default model as the predictor runs it on tensors: what the executor replaces.
pub struct OnTensors {
    config: PredictorConfig,
    members: Vec<Predictor>,
}

impl OnTensors {
    /// Of the default bundle.
    pub fn new(model: &CostModel) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/default.ledg");
        let bytes = std::fs::read(path).expect("the default bundle");
        let bundle = Bundle::from_bytes(&bytes, path, model.describer().templates(), model.encoder());
        let bundle = bundle.expect("a valid bundle");
        OnTensors { config: bundle.header.predictor.clone(), members: bundle.predictors().expect("valid weights") }
    }

    /// ln seconds by member.
    pub fn query(&self, input: &GraphInput, platform: &PlatformInput, batch: f64) -> Vec<f64> {
        let run = || -> Result<Vec<f64>, PredictorError> {
            let quotient = QuotientGraph::new(input, self.config.attention, self.config.n_layers)?;
            let graphs = GraphBatch::new(&[&quotient], &self.config, self.members[0].dtype())?;
            let platforms = PlatformBatch::new(std::slice::from_ref(platform), &self.config, self.members[0].dtype())?;
            let queries = [Query { graph: 0, platform: 0, batch }];
            let one = |member: &Predictor| {
                let h = member.trunk(&graphs, &Mode::Eval)?;
                let costs = member.node_costs(&h, &graphs, &platforms, &queries)?.expect("the sum readout");
                let total =
                    costs[0].iter().zip(&quotient.counts).map(|(c, &n)| c.total_s() * f64::from(n)).sum::<f64>();
                Ok(total.ln())
            };
            self.members.iter().map(one).collect()
        };
        run().expect("a query")
    }
}

/// The predictor's input for a platform that training measured.
pub fn platform_input(model: &CostModel, platform: &Platform) -> PlatformInput {
    let raw = model.sees(platform).expect("figures");
    assert!(model.has_measured(raw.device()), "{}: its sentence and sheet would be hidden", raw.name);
    let vector = model.encoder().embed(&[&raw.sentence]).expect("a sentence").remove(0);
    raw.input(&vector, &model.header().normalization)
}

/// A graph in the predictor's form.
pub fn graph_input(model: &CostModel, graph: &Graph) -> GraphInput {
    let described = model.describer().describe(graph).expect("a graph that templates cover");
    described.input(model.encoder(), &model.header().normalization).expect("sentences")
}
