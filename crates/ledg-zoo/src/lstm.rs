//! A sentence classifier: embedding, two bidirectional LSTM layers, the last step's output, one linear layer.

use ledg_graph::{Attr, Attrs, DType, ValueId};

use crate::net::{Map, Net};
use crate::{ZooConfig, ZooError};

const VOCABULARY: u64 = 20_000;
const EMBEDDING: u64 = 300;
const HIDDEN: u64 = 256;

pub(crate) fn lstm_classifier(net: &mut Net, config: &ZooConfig) -> Result<(), ZooError> {
    let ids = net.tokens("input_ids", config.batch, config.sequence);
    let table = net.weight("embedding.weight", &[VOCABULARY, EMBEDDING]);
    let x = net.op("Gather", Attrs::new().with("axis", Attr::Int(0)), &[table, ids]);
    // ONNX's LSTM wants steps first.
    let mut x = Map { id: net.transpose(x, &[1, 0, 2]), channels: EMBEDDING };
    for _ in 0..2 {
        x = lstm(net, x);
    }
    let last = net.int_tensor(&[], vec![-1]);
    let last = net.op("Gather", Attrs::new().with("axis", Attr::Int(0)), &[x.id, last]);
    let x = net.gemm(Map { id: last, ..x }, 2);
    net.output(x.id);
    Ok(())
}

/// # Shapes
/// (steps, batch, in) -> (steps, batch, 2·hidden)
fn lstm(net: &mut Net, x: Map) -> Map {
    let name = net.next_name("LSTM");
    let w = net.weight(format!("{name}.W"), &[2, 4 * HIDDEN, x.channels]);
    let r = net.weight(format!("{name}.R"), &[2, 4 * HIDDEN, HIDDEN]);
    let b = net.weight(format!("{name}.B"), &[2, 8 * HIDDEN]);
    let attrs = Attrs::new()
        .with("direction", Attr::Str("bidirectional".to_owned()))
        .with("hidden_size", Attr::Int(HIDDEN as i64));
    let inputs: Vec<Option<ValueId>> = [x.id, w, r, b].map(Some).to_vec();
    let y = net.outputs("LSTM", attrs, &inputs, 1, DType::F32)[0];
    let y = net.transpose(y, &[0, 2, 1, 3]);
    Map { id: net.reshape(y, &[0, 0, -1]), channels: 2 * HIDDEN }
}
