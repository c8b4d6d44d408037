//! What runs the members of the ensemble: the executor, or the predictor where the executor has no form of the model.

use std::cell::RefCell;

use candle_core::DType;
use ledg_predictor::{
    Answer, Executor, GraphBatch, GraphInput, GraphRows, Mode, NodeCost, PlatformBatch, PlatformInput, PlatformRows,
    Predictor, PredictorConfig, PriceScratch, Query, QuotientGraph, Store,
};

use crate::bundle::Bundle;
use crate::error::Result;

/// The members, in the form that answers.
pub(crate) enum Engine {
    Executor(Box<Executor>),
    /// The paper's readout.
    Predictors(PredictorConfig, Vec<Predictor>),
}

/// A graph after what platforms share.
pub(crate) enum Rows {
    Executor(GraphRows),
    Predictors { batch: GraphBatch, class_of: Vec<u32>, counts: Vec<f32> },
}

/// Platforms, as far as graphs share them.
pub(crate) enum Platforms {
    Executor(PlatformRows),
    Predictors(PlatformBatch),
}

/// The members' answers to one query.
pub(crate) struct Answers {
    /// ln seconds by member.
    pub ln_s: Vec<f64>,
    /// Sum over the members of what one node of each class costs; `None` where the model has no costs by node.
    pub classes: Option<Vec<NodeCost>>,
}

impl Rows {
    /// The class of each node.
    pub fn class_of(&self) -> &[u32] {
        match self {
            Rows::Executor(rows) => rows.class_of(),
            Rows::Predictors { class_of, .. } => class_of,
        }
    }

    /// Number of nodes of each class.
    pub fn counts(&self) -> &[f32] {
        match self {
            Rows::Executor(rows) => rows.counts(),
            Rows::Predictors { counts, .. } => counts,
        }
    }
}

/// Buffers of one thread, kept for its next query.
#[derive(Default)]
struct Scratch {
    store: Store,
    price: PriceScratch,
    answer: Answer,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Engine {
    pub fn new(bundle: &Bundle) -> Result<Self> {
        Ok(match bundle.executor()? {
            Some(executor) => Engine::Executor(Box::new(executor)),
            None => Engine::Predictors(bundle.header.predictor.clone(), bundle.predictors()?),
        })
    }

    /// Forgets this thread's rows: they may be another model's.
    pub fn forget(&self) {
        SCRATCH.with_borrow_mut(|scratch| scratch.store.clear());
    }

    /// The part that depends on the graph alone. Rows are shared with what this thread computed since
    /// [`Engine::forget`].
    pub fn graph(&self, input: &GraphInput) -> Result<Rows> {
        match self {
            Engine::Executor(executor) => SCRATCH.with_borrow_mut(|scratch| {
                let mut rows = GraphRows::default();
                executor.graph(input, &mut scratch.store, &mut rows)?;
                Ok(Rows::Executor(rows))
            }),
            Engine::Predictors(config, _) => {
                let quotient = QuotientGraph::new(input, config.attention, config.n_layers)?;
                let batch = GraphBatch::new(&[&quotient], config, DType::F32)?;
                Ok(Rows::Predictors { batch, class_of: quotient.class_of, counts: quotient.counts })
            }
        }
    }

    /// The part that depends on platforms alone.
    pub fn platforms(&self, platforms: &[PlatformInput]) -> Result<Platforms> {
        Ok(match self {
            Engine::Executor(executor) => Platforms::Executor(executor.platforms(platforms)?),
            Engine::Predictors(config, _) => Platforms::Predictors(PlatformBatch::new(platforms, config, DType::F32)?),
        })
    }

    /// Answers queries (platform, batch), in order.
    pub fn answer(&self, rows: &Rows, platforms: &Platforms, queries: &[(usize, f64)]) -> Result<Vec<Answers>> {
        match (self, rows, platforms) {
            (Engine::Executor(executor), Rows::Executor(rows), Platforms::Executor(platforms)) => SCRATCH
                .with_borrow_mut(|Scratch { price, answer, .. }| {
                    let answers = queries.iter().map(|&query| {
                        executor.price(rows, platforms, query, price, answer)?;
                        Ok(Answers { ln_s: answer.ln_s.clone(), classes: Some(answer.classes.clone()) })
                    });
                    answers.collect()
                }),
            (Engine::Predictors(_, members), Rows::Predictors { batch, .. }, Platforms::Predictors(platforms)) => {
                let query = |&(platform, batch): &(usize, f64)| Query { graph: 0, platform, batch };
                let queries: Vec<Query> = queries.iter().map(query).collect();
                let mut answers: Vec<Answers> =
                    queries.iter().map(|_| Answers { ln_s: Vec::new(), classes: None }).collect();
                for member in members {
                    let h = member.trunk(batch, &Mode::Eval)?;
                    let ln = member.latencies(&h, batch, platforms, &queries, &Mode::Eval)?;
                    let ln = ln.to_dtype(DType::F64)?.to_vec1::<f64>()?;
                    answers.iter_mut().zip(ln).for_each(|(a, ln)| a.ln_s.push(ln));
                }
                Ok(answers)
            }
            _ => unreachable!("rows and platforms were made by another kind of engine"),
        }
    }
}
