//! NeuSight's measurements of single operators: fp32, PyTorch 2.1, six GPUs, one of which is there with two memories.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ledg_cost_model::graph::Graph;
use ledg_cost_model::template::hardware::HardwareRegistry;
use ledg_cost_model::{DescribedGraph, Describer};
use ledg_zoo::ZooError;
use ledg_zoo::operators::{Binary, Operator, Unary, build, build_in_sample};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::config::NeuSightConfig;
use super::describe::describe_all;
use super::source::{Files, Platforms, group, measurement};
use super::{Dataset, GraphEntry, Record};

/// Names of files, of which the sizes' columns follow; a trailing `u` has a scalar as second operand.
const OPERATORS: [&str; 16] = [
    "add", "addu", "bmm", "conv", "div", "divu", "gelu", "linear", "ln", "mul", "mulu", "pow", "powu", "relu",
    "softmax", "tanh",
];

/// Devices as the tables call them.
const DEVICES: [(&str, &str); 7] = [
    ("AMD Instinct MI100", "mi100"),
    ("NVIDIA A100-PCIE-40GB", "a100-pcie-40gb"),
    ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
    ("Tesla P100-PCIE-16GB", "p100-pcie"),
    ("Tesla P4", "p4"),
    ("Tesla T4", "t4"),
    ("Tesla V100-PCIE-32GB", "v100-pcie-32gb"),
];

/// Measurements of one shape of an operator: device, seconds.
type Measured = Vec<(&'static str, f64)>;

/// A graph to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Written {
    /// The operator, whose first size is the batch.
    Alone(Operator),
    /// The operator, whose first size is part of a sample.
    InSample(Operator),
}

/// All tables that are wanted. Graphs are those of one row, sample or image; the first size is the record's batch.
pub fn load(config: &NeuSightConfig, describer: &Describer, registry: &HardwareRegistry) -> Result<Dataset> {
    if let Some(unknown) = config.operators.iter().find(|o| !OPERATORS.contains(&o.as_str())) {
        bail!("NeuSight has no operator `{unknown}`; it has {}", OPERATORS.join(", "));
    }
    let (mut files, mut platforms) = (Files::default(), Platforms::new(registry));
    let (mut distinct, mut places, mut records) = (Vec::new(), HashMap::new(), Vec::new());
    for name in OPERATORS {
        if !(config.operators.is_empty() || config.operators.iter().any(|o| o == name)) {
            continue;
        }
        let shapes = shapes(name, config, &mut files)?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        for (operator, batch, measured) in drawn(shapes, config.shapes, &mut rng) {
            let (written, batch) = match config.as_in_networks {
                true => as_in_networks(operator, batch, &mut rng),
                false => (Written::Alone(operator), batch),
            };
            let graph = *places.entry((name, written)).or_insert_with(|| {
                distinct.push((name, written));
                distinct.len() - 1
            });
            for (device, latency_s) in measured {
                let platform = platforms.place(&format!("{device}:fp32/nchw/eager/pt2.1.0"))?;
                records.push(Record { graph, platform, batch, latency_s, resolution_s: 0.0 });
            }
        }
    }
    let described = describe_all("operators", &distinct, describer, |(_, written)| Ok(graph(written)?))?;
    let entry = |((name, _), graph): (&(&str, Written), Arc<DescribedGraph>)| GraphEntry {
        family: (*name).to_owned(),
        group: group(name, &graph.name),
        stage: None,
        graph,
    };
    let graphs = distinct.iter().zip(described).map(entry).collect();
    Ok(Dataset { graphs, platforms: platforms.entries, records, hash: files.hash() })
}

fn graph(written: &Written) -> Result<Graph, ZooError> {
    match written {
        Written::Alone(operator) => build(operator),
        Written::InSample(operator) => build_in_sample(operator),
    }
}

/// One of the ways in which a network may hold a shape, and the batch; see [`NeuSightConfig::as_in_networks`]. All do the same work.
fn as_in_networks(operator: Operator, batch: u64, rng: &mut ChaCha8Rng) -> (Written, u64) {
    let rows = match operator {
        // An image is a sample.
        Operator::Conv { .. } => return (Written::Alone(operator), batch),
        Operator::Linear { m, .. } => batch * m,
        _ => batch,
    };
    let parts: Vec<u64> = (1..=rows).filter(|part| rows.is_multiple_of(*part)).collect();
    let batch = parts[rng.random_range(0..parts.len())];
    let operator = match operator {
        Operator::Linear { k, n, .. } if rng.random_bool(0.5) => Operator::Gemm { m: rows / batch, k, n },
        Operator::Linear { k, n, .. } => Operator::Linear { batch: 1, m: rows / batch, k, n },
        other => other.with_batch(rows / batch),
    };
    (Written::InSample(operator), batch)
}

/// The shapes of an operator with their measurements: the operator at batch 1, and the batch.
fn shapes(name: &str, config: &NeuSightConfig, files: &mut Files) -> Result<Vec<(Operator, u64, Measured)>> {
    let path = config.path.join(format!("{name}.csv.xz"));
    let rows: Vec<BTreeMap<String, String>> = files.rows(&path)?;
    let mut shapes: Vec<(Operator, u64, Measured)> = Vec::new();
    let mut places: HashMap<(Operator, u64), usize> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let read = || -> Result<(Operator, u64, &'static str, f64)> {
            let field = |column: &str| row.get(column).with_context(|| format!("no column `{column}`"));
            let device = field("device")?;
            let known = DEVICES.iter().find(|(known, _)| known == device);
            let (_, device) = known.with_context(|| format!("unknown device `{device}`"))?;
            let (operator, batch) = operator(name, row)?;
            Ok((operator, batch, device, measurement(row, "latency_ms")? * 1e-3))
        };
        let (operator, batch, device, latency_s) =
            read().with_context(|| format!("{}, row {}", path.display(), i + 1))?;
        let place = *places.entry((operator, batch)).or_insert_with(|| {
            shapes.push((operator, batch, Vec::new()));
            shapes.len() - 1
        });
        shapes[place].2.push((device, latency_s));
    }
    Ok(shapes)
}

/// `wanted` shapes evenly over sizes: one of each of as many equal parts of the shapes, sorted by their mean time.
fn drawn(
    mut shapes: Vec<(Operator, u64, Measured)>,
    wanted: Option<usize>,
    rng: &mut ChaCha8Rng,
) -> Vec<(Operator, u64, Measured)> {
    let Some(wanted) = wanted.filter(|&w| w < shapes.len()) else { return shapes };
    let mean = |m: &Measured| m.iter().map(|(_, s)| s.ln()).sum::<f64>() / m.len() as f64;
    shapes.sort_by(|a, b| mean(&a.2).total_cmp(&mean(&b.2)));
    let n = shapes.len();
    let bound = |part: usize| part * n / wanted;
    let mut chosen = vec![false; n];
    (0..wanted).for_each(|part| chosen[rng.random_range(bound(part)..bound(part + 1))] = true);
    shapes.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(shape, _)| shape).collect()
}

fn operator(name: &str, row: &BTreeMap<String, String>) -> Result<(Operator, u64)> {
    let size = |column: &str| -> Result<u64> {
        let field = row.get(column).with_context(|| format!("no column `{column}`"))?;
        field.parse().with_context(|| format!("column `{column}` is `{field}`"))
    };
    let batch = size("b")?;
    ensure!(batch > 0, "column `b` is 0");
    let unary = |op| Ok(Operator::Unary(op, 1, size("h")?));
    let binary = |op| Ok(Operator::Binary(op, 1, size("h")?));
    let scalar = |op| Ok(Operator::BinaryScalar(op, 1, size("h")?));
    let operator: Result<Operator> = match name {
        "bmm" => Ok(Operator::BatchedMatMul { batch: 1, m: size("m")?, k: size("k")?, n: size("n")? }),
        "linear" => Ok(Operator::Linear { batch: 1, m: size("m")?, k: size("k")?, n: size("n")? }),
        "conv" => Ok(Operator::Conv {
            batch: 1,
            channels: size("input_channel")?,
            image: size("input_size")?,
            out: size("output_channel")?,
            kernel: size("kernel_size")?,
            stride: size("stride")?,
            pad: size("padding")?,
        }),
        "relu" => unary(Unary::Relu),
        "tanh" => unary(Unary::Tanh),
        "gelu" => unary(Unary::Gelu),
        "add" => binary(Binary::Add),
        "div" => binary(Binary::Div),
        "mul" => binary(Binary::Mul),
        "pow" => binary(Binary::Pow),
        "addu" => scalar(Binary::Add),
        "divu" => scalar(Binary::Div),
        "mulu" => scalar(Binary::Mul),
        "powu" => scalar(Binary::Pow),
        "softmax" => Ok(Operator::Softmax(1, size("h")?)),
        "ln" => Ok(Operator::LayerNorm(1, size("h")?)),
        other => bail!("`{other}` is no operator of NeuSight"),
    };
    Ok((operator?, batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_shape_does_the_same_work() {
        let describer = Describer::builtin().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let shapes = [
            (Operator::BatchedMatMul { batch: 1, m: 12, k: 20, n: 28 }, 24),
            (Operator::Linear { batch: 1, m: 36, k: 20, n: 28 }, 1),
            (Operator::Conv { batch: 1, channels: 3, image: 8, out: 4, kernel: 3, stride: 1, pad: 1 }, 6),
            (Operator::Unary(Unary::Gelu, 1, 50), 24),
            (Operator::Binary(Binary::Pow, 1, 50), 24),
            (Operator::BinaryScalar(Binary::Div, 1, 50), 24),
            (Operator::Softmax(1, 50), 24),
            (Operator::LayerNorm(1, 50), 24),
        ];
        let work = |written, batch: u64| {
            let described = describer.describe(&graph(&written).unwrap()).unwrap();
            assert_eq!(described.nodes.len(), 1, "{written:?}");
            let m = described.magnitudes().scaled_batch(batch as f64);
            [m.flops, m.read_elems, m.write_elems, m.weight_elems]
        };
        for (operator, batch) in shapes {
            let alone = work(Written::Alone(operator), batch);
            let mut batches = std::collections::BTreeSet::new();
            let mut spellings = std::collections::BTreeSet::new();
            for _ in 0..40 {
                let (written, batch) = as_in_networks(operator, batch, &mut rng);
                assert_eq!(work(written, batch), alone, "{written:?} at {batch}");
                batches.insert(batch);
                spellings.insert(
                    std::mem::discriminant(&match written {
                        Written::Alone(o) | Written::InSample(o) => o,
                    }) == std::mem::discriminant(&operator),
                );
            }
            let image = matches!(operator, Operator::Conv { .. });
            assert_eq!(batches.len() > 3, !image, "{operator:?}: {batches:?}");
            assert_eq!(spellings.len() > 1, matches!(operator, Operator::Linear { .. }), "{operator:?}");
        }
    }
}
