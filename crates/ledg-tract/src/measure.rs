//! This host's clock over plans: warm-up, interleaved rounds, median and spread; by node on request.
//!
//! **Invariant:** plans that are measured together take turns, one run each a round, so that what disturbs the machine
//! for a while disturbs them alike; a run that does not count comes before each that does, so that caches are as they are
//! where one plan serves; a machine that is busy is refused before, runs that scatter are refused after.

use std::time::{Duration, Instant};

use tract_core::internal::*;
use tract_core::plan::eval;

use crate::error::{Result, TractAdapterError};
use crate::facts::tract_error;
use crate::load::TractModel;

/// A run of a plan that takes less than this is repeated, and the mean taken: clocks and interrupts are coarser.
const SHORTEST_RUN: Duration = Duration::from_millis(2);

/// How to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasureOptions {
    /// Runs that are kept, at least 3.
    pub runs: usize,
    /// Runs before them that are not.
    pub warmup: usize,
    /// Largest spread (interquartile range over median) that is accepted.
    pub max_spread: f64,
}

impl Default for MeasureOptions {
    fn default() -> Self {
        MeasureOptions { runs: 15, warmup: 3, max_spread: 0.1 }
    }
}

/// How long a plan took.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Every run in seconds, in order.
    pub runs_s: Vec<f64>,
    /// Their median, seconds.
    pub median_s: f64,
    /// Their interquartile range over their median.
    pub spread: f64,
}

impl Timing {
    /// The statistics of runs.
    pub fn new(runs_s: Vec<f64>) -> Timing {
        let mut sorted = runs_s.clone();
        sorted.sort_by(f64::total_cmp);
        let median_s = quantile(&sorted, 0.5);
        let spread = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / median_s;
        Timing { runs_s, median_s, spread }
    }

    /// Refuses runs that scatter.
    ///
    /// # Errors
    /// [`TractAdapterError::Noisy`], with the spread.
    pub fn check(&self, max_spread: f64) -> Result<()> {
        if self.spread <= max_spread {
            return Ok(());
        }
        let (spread, limit) = (100.0 * self.spread, 100.0 * max_spread);
        let why =
            format!("the runs scatter by {spread:.0} % (interquartile range over median), more than {limit:.0} %");
        Err(TractAdapterError::Noisy { why })
    }
}

/// The value at a share of sorted numbers, between neighbours by distance; 0 for none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// A plan with inputs, ready to run.
struct Runner<'a> {
    model: &'a TractModel,
    inputs: TVec<TValue>,
    repeats: u32,
}

impl<'a> Runner<'a> {
    fn new(model: &'a TractModel, warmup: usize) -> Result<Runner<'a>> {
        let inputs = example_inputs(model)?;
        let mut runner = Runner { model, inputs, repeats: 1 };
        let mut shortest = Duration::MAX;
        for _ in 0..warmup.max(1) {
            shortest = shortest.min(runner.once()?);
        }
        let times = SHORTEST_RUN.as_secs_f64() / shortest.as_secs_f64().max(1e-9);
        runner.repeats = (times.ceil() as u32).clamp(1, 10_000);
        Ok(runner)
    }

    fn once(&self) -> Result<Duration> {
        let inputs = self.inputs.clone();
        let start = Instant::now();
        let outputs = self.model.plan.run(inputs).map_err(|e| tract_error(&self.model.name, "run", &e))?;
        let elapsed = start.elapsed();
        drop(outputs);
        Ok(elapsed)
    }

    fn run_s(&self) -> Result<f64> {
        let mut total = Duration::ZERO;
        for _ in 0..self.repeats {
            total += self.once()?;
        }
        Ok(total.as_secs_f64() / f64::from(self.repeats))
    }
}

/// Measures plans together; one timing each, in the same order. Nothing is refused here: see [`Timing::check`].
///
/// # Errors
/// What tract refuses to run.
pub fn measure(models: &[&TractModel], options: &MeasureOptions) -> Result<Vec<Timing>> {
    let runners: Vec<Runner> = models.iter().map(|m| Runner::new(m, options.warmup)).collect::<Result<_>>()?;
    let mut runs: Vec<Vec<f64>> = vec![Vec::with_capacity(options.runs); models.len()];
    for _ in 0..options.runs.max(3) {
        for (runner, runs) in runners.iter().zip(&mut runs) {
            if models.len() > 1 {
                runner.once()?;
            }
            runs.push(runner.run_s()?);
        }
    }
    Ok(runs.into_iter().map(Timing::new).collect())
}

/// How long each node of a plan took: names and median seconds, in the order in which they run.
///
/// # Errors
/// What tract refuses to run.
pub fn profile(model: &TractModel, options: &MeasureOptions) -> Result<Vec<(String, f64)>> {
    let refused = |e: TractError| tract_error(&model.name, "run", &e);
    let inputs = example_inputs(model)?;
    let mut state = model.plan.spawn().map_err(refused)?;
    let plan = model.plan.model();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); plan.nodes().len()];
    let mut order: Vec<usize> = Vec::new();
    for round in 0..options.warmup + options.runs.max(3) {
        let mut ran = Vec::with_capacity(order.len());
        state
            .run_plan_with_eval(inputs.clone(), |context, op_state, node, input| {
                let start = Instant::now();
                let output = eval(context, op_state, node, input);
                ran.push((node.id, start.elapsed().as_secs_f64()));
                output
            })
            .map_err(refused)?;
        if round >= options.warmup {
            ran.iter().for_each(|&(id, s)| times[id].push(s));
            order = ran.into_iter().map(|(id, _)| id).collect();
        }
    }
    let median = |id: &usize| (plan.node(*id).name.clone(), Timing::new(times[*id].clone()).median_s);
    Ok(order.iter().map(median).collect())
}

/// Inputs to run a plan with: numbers that differ, small integers that any table has.
fn example_inputs(model: &TractModel) -> Result<TVec<TValue>> {
    let plan = model.plan.model();
    let refused = |e: TractError| tract_error(&model.name, "run", &e);
    let mut inputs: TVec<TValue> = tvec!();
    for outlet in plan.input_outlets().map_err(refused)? {
        let fact = plan.outlet_fact(*outlet).map_err(refused)?;
        let Some(shape) = fact.shape.as_concrete() else {
            return Err(TractAdapterError::UnboundSymbol {
                model: model.name.clone(),
                node: plan.node(outlet.node).name.clone(),
                shape: format!("{:?}", fact.shape),
            });
        };
        let n: usize = shape.iter().product();
        let floats: Vec<f32> = if fact.datum_type.is_float() {
            // A low-discrepancy sequence: the golden ratio's multiples, in -1..1.
            (1..=n).map(|i| (2.0 * (i as f64 * 0.618_033_988_749_895).fract() - 1.0) as f32).collect()
        } else {
            (0..n).map(|i| (i % 2) as f32).collect()
        };
        let tensor = Tensor::from_shape(shape, &floats).map_err(refused)?;
        let tensor = tensor.cast_to_dt(fact.datum_type).map_err(refused)?.into_owned();
        inputs.push(tensor.into_tvalue());
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_of_five_runs() {
        let timing = Timing::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(timing.median_s, 3.0);
        assert_eq!(timing.spread, (4.0 - 2.0) / 3.0);
        assert!(timing.check(0.7).is_ok());
        let refused = timing.check(0.1).expect_err("scatters").to_string();
        assert!(refused.contains("scatter by 67 %"), "{refused}");
    }
}
