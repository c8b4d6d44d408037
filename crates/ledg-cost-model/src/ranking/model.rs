//! The schedule model: scores of candidates, and what it becomes when it learns.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use ledg_encoder::{Encoder, SentenceTable, on_one_thread};
use ledg_graph::Magnitudes;
use ledg_predictor::{
    Attention, GraphInput, NodeInput, QuotientGraph, ScoreConfig, ScoreExecutor, ScoreHead, Scorer, SeededInit,
    Standardizer, Store,
};
use ledg_schedule::{N_NUMBERS, SCHEDULE_SCHEMA, ScheduleError, ScheduleGraph, ScheduleWords, Task};
use once_cell::sync::OnceCell;

use super::bundle::{self, SCHEDULE_BUNDLE_VERSION, ScheduleHeader, ScheduleProvenance};
use super::fit::{Example, FitOptions, TaskExamples, fit};
use super::records::{ScheduleRecords, TaskRecords, merits};
use crate::bundle::Member;
use crate::error::{CostModelError, Result};
use crate::files;
use crate::model::MAX_BUNDLE_BYTES;

/// Vectors of sentences.
type Vectors = HashMap<String, Arc<[f32]>>;

/// Candidates that are worked on together.
const CHUNK: usize = 32;

/// Rows after which what candidates share is worked out once more: so many stay in the processor's caches.
const ROWS: usize = 4096;

/// A model that ranks schedules. Immutable; any number of threads may use it at once.
pub struct ScheduleModel {
    header: ScheduleHeader,
    members: Vec<Member>,
    executor: ScoreExecutor,
    table: SentenceTable,
    words: &'static ScheduleWords,
    encoder: Arc<Encoder>,
}

/// How an update learns.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateOptions {
    /// For a model that was trained before: short and gentle.
    pub trained: FitOptions,
    /// For one that was not.
    pub untrained: FitOptions,
    /// Fewest steps of either: few records are passed over more often, because a step or two undo nothing of what was learned of
    /// other tasks.
    pub steps: usize,
}

impl UpdateOptions {
    /// The options for records of tasks with so many candidates.
    fn of(&self, trained: bool, candidates: impl Iterator<Item = usize>) -> FitOptions {
        let options = if trained { &self.trained } else { &self.untrained };
        let by_epoch: usize = candidates.map(|n| n.div_ceil(options.candidates_per_step.max(1))).sum();
        FitOptions { epochs: options.epochs.max(self.steps.div_ceil(by_epoch.max(1))), ..options.clone() }
    }
}

impl Default for UpdateOptions {
    fn default() -> Self {
        let trained = FitOptions {
            epochs: 16,
            candidates_per_step: 32,
            learning_rate: 2e-3,
            warmup: 0.1,
            weight_decay: 0.02,
            clip_norm: 1.0,
            ema_decay: 0.9,
            top: 0.3,
            seed: 0,
        };
        let untrained = FitOptions { epochs: 20, learning_rate: 3e-3, ..trained.clone() };
        UpdateOptions { trained, untrained, steps: 40 }
    }
}

/// The architecture of a model that starts from nothing.
pub fn default_config(sentence_dim: usize) -> ScoreConfig {
    ScoreConfig {
        d_model: 48,
        n_layers: 2,
        n_heads: 4,
        ffn_mult: 2,
        d_score: 48,
        attention: Attention::Dgsa,
        head: ScoreHead::Sum,
        numbers: true,
        sentences: true,
        dropout: 0.05,
        feature_noise: 0.02,
        sentence_dim,
        n_features: N_NUMBERS,
    }
}

/// The encoder of all schedule models: it is loaded when a sentence needs it, and remembers sentences.
fn encoder() -> Result<Arc<Encoder>> {
    static ENCODER: OnceCell<Arc<Encoder>> = OnceCell::new();
    if let Some(encoder) = ENCODER.get() {
        return Ok(Arc::clone(encoder));
    }
    let encoder = Arc::new(Encoder::pretrained()?);
    Ok(Arc::clone(ENCODER.get_or_init(|| encoder)))
}

impl ScheduleModel {
    /// A model that has learned nothing yet: it refuses to score, and learns by updates.
    ///
    /// # Errors
    /// An architecture that makes no sense.
    pub fn untrained(config: Option<ScoreConfig>, seed: u64) -> Result<Self> {
        let encoder = encoder()?;
        let config = config.unwrap_or_else(|| default_config(encoder.dim()));
        let init = SeededInit::new(seed);
        Scorer::load(&config, init.builder(DType::F32))?;
        let member = init.vars().into_iter().map(|(name, var)| (name, var.as_tensor().copy()));
        let member = member.map(|(n, t)| Ok((n, t?))).collect::<candle_core::Result<Member>>()?;
        let table = SentenceTable::build(&encoder, &[])?;
        Self::from_members(
            config,
            Standardizer::identity(N_NUMBERS),
            vec![member],
            table,
            ScheduleProvenance::default(),
        )
    }

    /// A model from trained weights.
    ///
    /// # Errors
    /// Weights that do not fit the architecture.
    pub fn from_members(
        config: ScoreConfig,
        numbers: Standardizer,
        members: Vec<Member>,
        table: SentenceTable,
        provenance: ScheduleProvenance,
    ) -> Result<Self> {
        let encoder = encoder()?;
        let words = ScheduleWords::builtin()?;
        let header = ScheduleHeader {
            version: SCHEDULE_BUNDLE_VERSION,
            scorer: config,
            members: members.len(),
            estimate: 0.0,
            numbers,
            schema: SCHEDULE_SCHEMA,
            words_fingerprint: words.fingerprint().to_owned(),
            encoder_fingerprint: encoder.fingerprint(),
            provenance,
        };
        Self::assemble(header, members, table, words, encoder)
    }

    /// The same model with another weight of the estimated cycles ([`ScheduleGraph::cycles`], which no member sees): for each doubling of them, so much is
    /// taken off the score that the members give. Their errors and the estimate's are not the same.
    #[must_use]
    pub fn with_estimate(mut self, weight: f64) -> Self {
        self.header.estimate = weight;
        self
    }

    fn assemble(
        header: ScheduleHeader,
        members: Vec<Member>,
        table: SentenceTable,
        words: &'static ScheduleWords,
        encoder: Arc<Encoder>,
    ) -> Result<Self> {
        let builders: Vec<VarBuilder> = members
            .iter()
            .map(|member| {
                let weights = member.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
                VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu)
            })
            .collect();
        let executor = ScoreExecutor::load(&header.scorer, &builders)?;
        Ok(ScheduleModel { header, members, executor, table, words, encoder })
    }

    /// Reads a model; `origin` names it in errors.
    ///
    /// # Errors
    /// Damage; a mismatch of version, sentences, numbers or encoder.
    pub fn from_bytes(bytes: &[u8], origin: &str) -> Result<Self> {
        let (words, encoder) = (ScheduleWords::builtin()?, encoder()?);
        let parts = bundle::from_bytes(bytes, origin, words, &encoder)?;
        Self::assemble(parts.header, parts.members, parts.table, words, encoder)
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// As [`ScheduleModel::from_bytes`]; a file that cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_bytes(&files::read(path, MAX_BUNDLE_BYTES)?, &path.display().to_string())
    }

    /// The model as a file's bytes.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        bundle::to_bytes(&self.header, &self.members, &self.table)
    }

    /// Writes the model. The file appears complete or not at all.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write(path, &self.to_bytes()?)
    }

    /// What the model is.
    pub fn header(&self) -> &ScheduleHeader {
        &self.header
    }

    /// Whether it has learned from anything.
    pub fn is_trained(&self) -> bool {
        self.header.provenance.records + self.header.provenance.updated_with > 0
    }

    /// Scores of candidates of one task, larger is better. A trace that is none fails alone.
    ///
    /// # Errors
    /// [`crate::CostModelError::Untrained`]; a task that breaks a rule.
    pub fn score(&self, task: &Task, traces: &[&str]) -> Result<Vec<Result<f64>>> {
        if !self.is_trained() {
            return Err(CostModelError::Untrained);
        }
        task.check()?;
        let (mut vectors, mut store) = (Vectors::default(), Store::default());
        let mut out = Vec::with_capacity(traces.len());
        // A few at a time: what is made of them is gone before it leaves the processor's caches.
        for traces in traces.chunks(CHUNK) {
            if store.n_rows() > ROWS {
                store.clear();
            }
            let graphs: Vec<_> = traces.iter().map(|t| ScheduleGraph::new(task, t, self.words)).collect();
            embed(&self.encoder, &self.table, graphs.iter().flatten(), &mut vectors)?;
            out.extend(graphs.into_iter().map(|graph| -> Result<f64> {
                let graph = graph?;
                let input = graph_input(&graph, &vectors, &self.header.numbers);
                let learned = self.executor.score(&input.nodes, &input.relations, &mut store)?;
                Ok(learned - self.header.estimate * graph.cycles)
            }));
        }
        Ok(out)
    }

    /// A candidate as a graph, for those who want to look at it.
    ///
    /// # Errors
    /// A trace that is none.
    pub fn graph(&self, task: &Task, trace: &str) -> Result<ScheduleGraph> {
        Ok(ScheduleGraph::new(task, trace, self.words)?)
    }

    /// A new model that has also learned from the records; the records of all tasks so far are best given together. No records
    /// give the same model.
    ///
    /// # Errors
    /// Candidates of which no two differ.
    pub fn update(&self, records: &ScheduleRecords, options: &UpdateOptions) -> Result<ScheduleModel> {
        if records.is_empty() {
            let copy = self.members.clone();
            let header = self.header.clone();
            return Self::assemble(header, copy, self.table.clone(), self.words, Arc::clone(&self.encoder));
        }
        let mut prepared = Prepared::new(records, &self.table)?;
        let initial = self.is_trained();
        if initial {
            prepared.numbers = self.header.numbers.clone();
        }
        let options = options.of(initial, records.tasks().map(|(_, task)| task.candidates.len()));
        let tasks = prepared.examples(&self.header.scorer)?;
        let members = self.members.iter().enumerate().map(|(k, member)| {
            let options = FitOptions { seed: options.seed + k as u64, ..options.clone() };
            fit(&self.header.scorer, &tasks, initial.then_some(member), &options, &mut |_, _, _| Ok(()))
        });
        let members = on_one_thread(|| members.collect::<Result<Vec<_>>>())??;
        let mut header = self.header.clone();
        header.provenance.updated_with = records.len();
        header.numbers = prepared.numbers;
        Self::assemble(header, members, prepared.table, self.words, Arc::clone(&self.encoder))
    }
}

/// Adds the vectors of the graphs' sentences to those that there are.
fn embed<'a>(
    encoder: &Encoder,
    table: &SentenceTable,
    graphs: impl Iterator<Item = &'a ScheduleGraph>,
    vectors: &mut Vectors,
) -> Result<()> {
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    for node in graphs.flat_map(|graph| &graph.nodes) {
        let sentence = node.sentence.as_str();
        if vectors.contains_key(sentence) {
            continue;
        }
        match table.get(sentence) {
            Some(vector) => _ = vectors.insert(sentence.to_owned(), Arc::clone(vector)),
            None => _ = unknown.insert(sentence),
        }
    }
    let unknown: Vec<&str> = unknown.into_iter().collect();
    let new = encoder.embed(&unknown)?;
    vectors.extend(unknown.into_iter().map(str::to_owned).zip(new));
    Ok(())
}

fn graph_input(graph: &ScheduleGraph, vectors: &Vectors, numbers: &Standardizer) -> GraphInput {
    let nodes = graph.nodes.iter().map(|n| NodeInput {
        sentence: Arc::clone(&vectors[n.sentence.as_str()]),
        features: numbers.apply(&n.numbers),
        magnitudes: Magnitudes::default(),
        contraction: false,
    });
    GraphInput { nodes: nodes.collect(), relations: graph.relations.clone() }
}

/// Records as graphs, with the statistics and sentences that a model of them needs.
pub struct Prepared {
    tasks: Vec<(String, Vec<(ScheduleGraph, f64)>)>,
    vectors: Vectors,
    /// Statistics of the nodes' numbers.
    pub numbers: Standardizer,
    /// The sentences, embedded.
    pub table: SentenceTable,
}

impl Prepared {
    /// Replays all candidates; `table` has sentences that are embedded already.
    ///
    /// # Errors
    /// A trace that is none, by task.
    pub fn new(records: &ScheduleRecords, table: &SentenceTable) -> Result<Self> {
        let (words, encoder) = (ScheduleWords::builtin()?, encoder()?);
        let replay = |(name, task): (&str, &TaskRecords)| -> Result<(String, Vec<(ScheduleGraph, f64)>)> {
            let merits = merits(&task.candidates);
            let graphs = task.candidates.iter().zip(merits).enumerate().map(|(i, (candidate, merit))| {
                let unreadable = |e: ScheduleError| CostModelError::Record {
                    origin: "(schedules)".into(),
                    line: None,
                    why: format!("candidate {i} of task `{name}`: {e}"),
                };
                Ok((ScheduleGraph::new(&task.task, &candidate.trace, words).map_err(unreadable)?, merit))
            });
            Ok((name.to_owned(), graphs.collect::<Result<Vec<_>>>()?))
        };
        let tasks = records.tasks().map(replay).collect::<Result<Vec<_>>>()?;
        let graphs = || tasks.iter().flat_map(|(_, graphs)| graphs.iter().map(|(g, _)| g));
        let mut vectors = Vectors::default();
        embed(&encoder, table, graphs(), &mut vectors)?;
        // A task counts once, however many candidates of it were measured.
        let rows = tasks.iter().flat_map(|(_, graphs)| {
            let weight = 1.0 / graphs.iter().map(|(g, _)| g.nodes.len()).sum::<usize>().max(1) as f64;
            graphs.iter().flat_map(move |(g, _)| g.nodes.iter().map(move |n| (&n.numbers[..], weight)))
        });
        let numbers = Standardizer::fit(N_NUMBERS, rows);
        let mut new: Vec<String> = vectors.keys().filter(|s| table.get(s).is_none()).cloned().collect();
        new.sort_unstable();
        let table = table.extended(&encoder, &new)?;
        Ok(Prepared { tasks, vectors, numbers, table })
    }

    /// Names of the tasks, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|(name, _)| name.as_str())
    }

    /// Examples of each task, in order.
    ///
    /// # Errors
    /// Numbers that are not finite.
    pub fn examples(&self, config: &ScoreConfig) -> Result<Vec<TaskExamples>> {
        let example = |(graph, merit): &(ScheduleGraph, f64)| -> Result<Example> {
            let input = graph_input(graph, &self.vectors, &self.numbers);
            Ok(Example { graph: QuotientGraph::new(&input, config.attention, config.n_layers)?, merit: *merit })
        };
        self.tasks.iter().map(|(_, graphs)| graphs.iter().map(example).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_records_are_passed_over_more_often() {
        let options = UpdateOptions::default();
        let epochs = |candidates: &[usize]| options.of(true, candidates.iter().copied()).epochs;
        // 32 candidates are a step; 100 are four, of two tasks eight.
        assert_eq!((epochs(&[32]), epochs(&[64]), epochs(&[100, 100])), (40, 20, 16));
        assert_eq!(options.of(false, [32].into_iter()).learning_rate, options.untrained.learning_rate);
    }
}
