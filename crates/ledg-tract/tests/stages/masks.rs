//! Networks whose masks have no data.

use ledg_onnx::{WeightStyle, WriteOptions, to_onnx};
use ledg_tract::{LoadOptions, MeasureOptions, TractModel, measure};
use ledg_zoo::ZooConfig;
use ledg_zoo::transformers::{TextSizes, Transformer, build};

use super::described;

#[test]
fn a_causal_mask_is_made_up_and_stays_in_the_plan() {
    let sizes = TextSizes { hidden: 64, heads: 2, layers: 1, vocabulary: 50, positions: 512 };
    let config = ZooConfig { batch: 2, sequence: 48, ..ZooConfig::default() };
    let graph = build("gpt2.small", &Transformer::Gpt2(sizes), &config).unwrap();
    let write = WriteOptions { weights: WeightStyle::EmptyInitializers, ..WriteOptions::default() };
    let bytes = to_onnx(&graph, &write).unwrap();
    let model = TractModel::from_bytes("gpt2.small.onnx", bytes, None, &LoadOptions::default()).unwrap();
    let plan = model.graph().unwrap();
    assert!(plan.nodes().iter().any(|n| n.op.name.contains("Iff")), "the mask was folded away");
    assert!(described(&plan).nodes.iter().all(|n| n.known));
    let options = MeasureOptions { runs: 3, warmup: 1, ..MeasureOptions::default() };
    assert!(measure(&[&model], &options).unwrap()[0].median_s > 0.0);
}
