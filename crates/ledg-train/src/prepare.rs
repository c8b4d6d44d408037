//! From a data set to what the predictor takes: sentences embedded, numbers standardised with the statistics of the
//! training set, identical nodes merged.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;
use ledg_cost_model::encoder::Encoder;
use ledg_cost_model::predictor::{
    GraphInput, HardwareInputs, NodeInput, Normalization, PlatformInput, PredictorConfig, QuotientGraph, Standardizer,
};
use ledg_cost_model::template::N_FEATURES;
use ledg_cost_model::{DescribedGraph, N_ORDERED_FEATURES, N_RUNTIME, N_SHEET};

use crate::config::{Embedding, InputWidths, ModelConfig};
use crate::data::Dataset;

/// A data set ready for a model.
pub struct PreparedData {
    /// Architecture, widths filled in.
    pub config: PredictorConfig,
    /// Statistics of the inputs.
    pub normalization: Normalization,
    /// Graphs, in the data set's order.
    pub graphs: Vec<QuotientGraph>,
    /// Platforms, in the data set's order.
    pub platforms: Vec<PlatformInput>,
}

/// Words as vectors: a language model, or the one-hot ablation.
enum Words {
    Encoder(Box<Encoder>),
    /// Position of each operator type; one more for operators not in training.
    OneHot(HashMap<String, usize>),
}

/// Prepares a data set; statistics come from the records in `train` alone.
pub fn prepare(data: &Dataset, train: &[usize], model: &ModelConfig) -> Result<PreparedData> {
    let graphs_in: BTreeSet<usize> = train.iter().map(|&r| data.records[r].graph).collect();
    let platforms_in: BTreeSet<usize> = train.iter().map(|&r| data.records[r].platform).collect();
    let words = match model.embedding {
        Embedding::Bert | Embedding::None => Words::Encoder(Box::new(Encoder::pretrained()?)),
        Embedding::BertRandomInit => Words::Encoder(Box::new(Encoder::random(0))),
        Embedding::OneHot => {
            let ops: BTreeSet<String> =
                graphs_in.iter().flat_map(|&g| data.graphs[g].graph.nodes.iter().map(|n| n.op.to_string())).collect();
            Words::OneHot(ops.into_iter().enumerate().map(|(i, op)| (op, i)).collect())
        }
    };
    let encoder = match &words {
        Words::Encoder(encoder) => encoder,
        Words::OneHot(_) => &Encoder::pretrained()?,
    };
    let platform_sentences: Vec<&str> = data.platforms.iter().map(|p| p.platform.sentence.as_str()).collect();
    let platform_vectors = encoder.embed(&platform_sentences)?;
    let vectors = word_vectors(data, &words)?;
    let sentence_dim = vectors.values().next().map_or(encoder.dim(), |v| v.len());

    let normalization = Normalization {
        sentence: match &words {
            Words::Encoder(_) => {
                let seen: BTreeSet<&str> = graphs_in.iter().flat_map(|&g| data.graphs[g].graph.sentences()).collect();
                Standardizer::fit(sentence_dim, seen.into_iter().map(|s| (&vectors[s][..], 1.0)))
            }
            Words::OneHot(_) => Standardizer::identity(sentence_dim),
        },
        features: feature_statistics(data, &graphs_in, model.operand_order),
        platform: Standardizer::fit(encoder.dim(), platforms_in.iter().map(|&p| (&platform_vectors[p][..], 1.0))),
        runtime: Standardizer::fit(
            N_RUNTIME,
            platforms_in.iter().map(|&p| (&data.platforms[p].platform.runtime[..], 1.0)),
        ),
        sheet: sheet_statistics(data, &platforms_in),
    };
    let n_features = normalization.features.width();
    let widths = InputWidths { sentence: sentence_dim, features: n_features, runtime: N_RUNTIME, sheet: N_SHEET };
    let mut config = model.predictor(widths);
    // Platform sentences are the encoder's even where operators are one-hot.
    if let Words::OneHot(_) = words {
        config.hardware = without_sentence(config.hardware);
    }
    // Standardised once: hundreds of thousands of graphs share a few hundred sentences.
    let standardised: HashMap<&str, Arc<[f32]>> =
        vectors.iter().map(|(s, v)| (s.as_str(), normalization.sentence.apply(v).into())).collect();
    let graphs = data
        .graphs
        .iter()
        .map(|g| {
            let input = graph_input(&g.graph, &standardised, &normalization, model.operand_order);
            Ok(QuotientGraph::new(&input, config.attention, config.n_layers)?)
        })
        .collect::<Result<_>>()?;
    let measured: BTreeSet<&str> = platforms_in.iter().map(|&p| data.platforms[p].device.as_str()).collect();
    let platforms = data.platforms.iter().zip(&platform_vectors).map(|(p, v)| {
        let mut input = p.platform.input(v, &normalization);
        if !measured.contains(p.device.as_str()) {
            input = input.without_identity();
        }
        if let Words::OneHot(_) = words {
            input.sentence = vec![0.0; sentence_dim].into();
        }
        input
    });
    Ok(PreparedData { graphs, platforms: platforms.collect(), config, normalization })
}

/// The vector of every sentence of the data set.
fn word_vectors(data: &Dataset, words: &Words) -> Result<HashMap<String, Arc<[f32]>>> {
    let mut op_of: HashMap<&str, String> = HashMap::new();
    for node in data.graphs.iter().flat_map(|g| &g.graph.nodes) {
        op_of.entry(&node.sentence).or_insert_with(|| node.op.to_string());
    }
    let mut sentences: Vec<&str> = op_of.keys().copied().collect();
    sentences.sort_unstable();
    let vectors: Vec<Arc<[f32]>> = match words {
        Words::Encoder(encoder) => encoder.embed(&sentences)?,
        Words::OneHot(places) => {
            let one_hot = |s: &&str| {
                let mut v = vec![0.0; places.len() + 1];
                v[places.get(&op_of[s]).copied().unwrap_or(places.len())] = 1.0;
                v.into()
            };
            sentences.iter().map(one_hot).collect()
        }
    };
    Ok(sentences.into_iter().map(str::to_owned).zip(vectors).collect())
}

fn graph_input(
    graph: &DescribedGraph,
    sentences: &HashMap<&str, Arc<[f32]>>,
    normalization: &Normalization,
    operand_order: bool,
) -> GraphInput {
    let nodes = graph.nodes.iter().zip(graph.numbers(operand_order)).map(|(n, row)| NodeInput {
        sentence: Arc::clone(&sentences[n.sentence.as_str()]),
        features: normalization.features.apply(&row),
        magnitudes: n.magnitudes,
        contraction: n.macs > 0.0,
    });
    GraphInput { nodes: nodes.collect(), relations: graph.relations.clone() }
}

/// Statistics of the nodes' numbers. Every graph weighs the same, whatever its number of nodes.
fn feature_statistics(data: &Dataset, graphs: &BTreeSet<usize>, operand_order: bool) -> Standardizer {
    let width = if operand_order { N_ORDERED_FEATURES } else { N_FEATURES };
    let weighted = graphs.iter().flat_map(|&g| {
        let rows = data.graphs[g].graph.numbers(operand_order);
        let weight = 1.0 / rows.len() as f64;
        rows.into_iter().map(move |row| (row, weight))
    });
    Standardizer::fit(width, weighted)
}

/// Statistics of the figures that are stated; a column that nobody states has mean 0.
fn sheet_statistics(data: &Dataset, platforms: &BTreeSet<usize>) -> Standardizer {
    let mut all = Standardizer::identity(N_SHEET);
    for k in 0..N_SHEET {
        let column: Vec<[f32; 1]> =
            platforms.iter().filter_map(|&p| data.platforms[p].platform.sheet[k].map(|x| [x])).collect();
        let one = Standardizer::fit(1, column.iter().map(|x| (&x[..], 1.0)));
        (all.mean[k], all.std[k]) = (one.mean[0], one.std[0]);
    }
    all
}

/// The same hardware inputs, less the sentence.
fn without_sentence(hardware: HardwareInputs) -> HardwareInputs {
    match hardware {
        HardwareInputs::None | HardwareInputs::Sentence => HardwareInputs::None,
        HardwareInputs::Sheet | HardwareInputs::Both => HardwareInputs::Sheet,
    }
}
