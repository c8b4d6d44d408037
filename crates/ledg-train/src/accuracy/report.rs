//! The table of an experiment of accuracy prediction.
//!
//! **Invariant:** every figure comes from the `result.json` of finished runs, is computed here from the data, or is a published one
//! that the experiment's file quotes.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use ledg_cost_model::Describer;

use super::config::{AccuracyExperiment, Mixture};
use super::run::{AccuracyResult, Taus, load_results};
use super::tau::tau;
use crate::data::accuracy::{AccuracyDataset, load};
use crate::metrics::mean_std;

/// The Markdown report of an experiment.
///
/// # Errors
/// Runs that are not finished; data that cannot be read.
pub fn report(experiment: &AccuracyExperiment, config: &Path, runs: &Path) -> Result<String> {
    let results = load_results(runs, experiment)?;
    let mut out = String::new();
    writeln!(out, "# {}\n\n{}\n", experiment.name, experiment.about)?;
    writeln!(
        out,
        "Made by `ledg-train fit {0} && ledg-train eval {0}`; seeds {1:?}, {2} runs of {3} members.",
        config.display(),
        experiment.seeds,
        results.len(),
        experiment.train.members
    )?;
    let first = &results[0];
    let minutes = results.iter().map(|r| r.train_s).sum::<f64>() / 60.0;
    writeln!(
        out,
        "Trained on {}, {minutes:.0} thread-minutes in all, revision {}; {} parameters a member; data {}, settings {}.",
        first.machine,
        first.git,
        first.n_parameters,
        &first.data_hash[..12],
        &first.config_hash[..12],
    )?;
    if experiment.sampling.validation > 0.0 {
        validation(&mut out, experiment, &results)?;
        return Ok(out);
    }
    writeln!(
        out,
        "Kendall's tau-b between score and accuracy, mean ± standard deviation over the seeds, each of which draws its own training \
         samples.\n"
    )?;
    table(&mut out, "On all the rest", experiment, &results, |t| t.rest, |r| r.n_rest)?;
    if let Some(data) = load(&experiment.data, &Describer::builtin()?)? {
        baselines(&mut out, experiment, &data)?;
    }
    for reference in &experiment.references {
        let cells: Vec<String> = reference.tau.iter().map(|t| format!("{t:.3}")).collect();
        writeln!(out, "| {} | {} |", reference.method, cells.join(" | "))?;
    }
    writeln!(out)?;
    table(
        &mut out,
        "Without isomorphic copies of training samples",
        experiment,
        &results,
        |t| t.without_copies,
        |r| r.n_without_copies,
    )?;
    Ok(out)
}

fn head(out: &mut String, title: &str, experiment: &AccuracyExperiment) -> Result<()> {
    let samples: Vec<String> = experiment.sampling.samples.iter().map(|n| format!("{n} samples")).collect();
    writeln!(out, "## {title}\n\n| method | {} |\n|---|{}", samples.join(" | "), "---|".repeat(samples.len()))?;
    Ok(())
}

fn row(
    out: &mut String,
    method: &str,
    experiment: &AccuracyExperiment,
    results: &[AccuracyResult],
    text: impl Fn(&[&AccuracyResult]) -> String,
) -> Result<()> {
    let cells: Vec<String> = experiment
        .sampling
        .samples
        .iter()
        .map(|&n| text(&results.iter().filter(|r| r.samples == n).collect::<Vec<_>>()))
        .collect();
    writeln!(out, "| {method} | {} |", cells.join(" | "))?;
    Ok(())
}

fn table(
    out: &mut String,
    title: &str,
    experiment: &AccuracyExperiment,
    results: &[AccuracyResult],
    pick: fn(&Taus) -> f64,
    count: fn(&AccuracyResult) -> usize,
) -> Result<()> {
    let figure = |values: Vec<f64>| {
        let (mean, std) = mean_std(&values);
        format!("{mean:.4} ± {std:.4}")
    };
    head(out, title, experiment)?;
    row(out, "cells ranked (mean of the seeds)", experiment, results, |runs| {
        format!("{:.0}", mean_std(&runs.iter().map(|r| count(r) as f64).collect::<Vec<_>>()).0)
    })?;
    row(out, "**ledg**, single model (mean of the members)", experiment, results, |runs| {
        figure(runs.iter().map(|r| mean_std(&r.members.iter().map(pick).collect::<Vec<_>>()).0).collect())
    })?;
    let members = experiment.train.members;
    if members > 1 {
        row(out, &format!("**ledg**, ensemble of {members}"), experiment, results, |runs| {
            figure(runs.iter().map(|r| pick(&r.ensemble)).collect())
        })?;
    }
    if let Some(Mixture { weight, .. }) = experiment.gaussian_process {
        row(out, "Gaussian process alone", experiment, results, |runs| {
            figure(runs.iter().filter_map(|r| r.process.as_ref().map(pick)).collect())
        })?;
        let name = format!("**ledg**, ensemble of {members} ({:.1}) and Gaussian process ({weight:.1})", 1.0 - weight);
        row(out, &name, experiment, results, |runs| {
            figure(runs.iter().filter_map(|r| r.mixture.as_ref().map(pick)).collect())
        })?;
    }
    Ok(())
}

/// What the size of the whole network says, on all cells: nothing is learned.
fn baselines(out: &mut String, experiment: &AccuracyExperiment, data: &AccuracyDataset) -> Result<()> {
    let sizes = data.graphs.iter().map(|g| (g.graph.macs(), g.graph.magnitudes().weight_elems));
    let (macs, parameters): (Vec<f64>, Vec<f64>) = sizes.unzip();
    for (name, sizes) in [("multiply-adds of the network", macs), ("parameters of the network", parameters)] {
        let cell = format!("{:.4} | ", tau(&sizes, &data.accuracies)?).repeat(experiment.sampling.samples.len());
        writeln!(out, "| {name} | {}", cell.trim_end())?;
    }
    Ok(())
}

/// While settings are chosen: the validation part alone.
fn validation(out: &mut String, experiment: &AccuracyExperiment, results: &[AccuracyResult]) -> Result<()> {
    writeln!(out, "Kendall's tau-b on the validation part of the training samples.\n")?;
    head(out, "Validation", experiment)?;
    let each = |runs: &[&AccuracyResult], of: fn(&AccuracyResult) -> Vec<f64>| {
        let (mean, std) = mean_std(&runs.iter().map(|r| mean_std(&of(r)).0).collect::<Vec<_>>());
        format!("{mean:.4} ± {std:.4}")
    };
    row(out, "single model (mean of the members)", experiment, results, |runs| {
        each(runs, |r| r.members.iter().filter_map(|t| t.validation).collect())
    })?;
    row(out, "ensemble", experiment, results, |runs| each(runs, |r| r.ensemble.validation.into_iter().collect()))?;
    if experiment.gaussian_process.is_some() {
        let of = |r: &AccuracyResult| r.mixture.and_then(|t| t.validation).into_iter().collect();
        row(out, "ensemble and Gaussian process", experiment, results, |runs| each(runs, of))?;
    }
    Ok(())
}
