//! An evaluation as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use super::few_shot::DRAWS;
use super::{Evaluation, FewShot, Method, RECORDS};
use crate::config::SplitConfig;
use crate::metrics::{Metrics, mean_std};
use crate::run::RunResult;

/// Nominal coverages that the table checks.
const COVERAGES: [f64; 3] = [0.5, 0.8, 0.9];

const ERRORS: &str = "MAPE % | Acc(10%) % | median APE % | bias % | predictions |\n";

/// The revisions that runs were trained at, in the order of the runs.
fn revisions<'a>(results: impl Iterator<Item = &'a RunResult>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for result in results {
        if !all.contains(&result.git.as_str()) {
            all.push(&result.git);
        }
    }
    all.join(", ")
}

impl Evaluation {
    /// The tables. `verb` is the command that made them, `eval` or `report`; `plots` are pictures to show, by title.
    pub fn markdown(&self, verb: &str, plots: &[(String, String)]) -> Result<String> {
        let mut out = String::new();
        let file = self.config.display();
        let flag = self.intervals.as_ref().map_or("", |(_, flag)| flag);
        writeln!(out, "# {}\n\n{}\n", self.experiment.name, self.experiment.about)?;
        let n_runs = self.results.len() + self.variants.iter().map(|(_, r)| r.len()).sum::<usize>();
        writeln!(
            out,
            "Made by `ledg-train fit {file} && ledg-train {verb} {file}{flag}`; seeds {:?}, {n_runs} runs.",
            self.experiment.seeds
        )?;
        self.provenance(&mut out)?;
        self.errors(&mut out)?;
        if let Some(reference) = &self.experiment.reference {
            writeln!(out, "What others report: {reference}\n")?;
        }
        self.variants(&mut out)?;
        if self.predictions.is_empty() {
            return Ok(out);
        }
        if let Some(few) = self.few_shot() {
            unseen_chips(&mut out, few)?;
        }
        self.intervals(&mut out)?;
        for (title, path) in plots {
            writeln!(out, "![{title}]({path})\n")?;
        }
        let platforms = self.grouped(|p| self.platform(p).to_owned());
        grouped(&mut out, "By platform (ensemble of the seeds)", &platforms)?;
        let families = self.grouped(|p| self.family(p).to_owned());
        grouped(&mut out, "By family (ensemble of the seeds)", &families)?;
        Ok(out)
    }

    fn provenance(&self, out: &mut String) -> Result<()> {
        let Some(first) = self.results.first() else { return Ok(()) };
        let all = || self.results.iter().chain(self.variants.iter().flat_map(|(_, results)| results));
        let minutes = all().map(|r| r.train_s).sum::<f64>() / 60.0;
        let validation: Vec<f64> = self.results.iter().map(|r| r.validation_mape).collect();
        let chosen_on = match self.experiment.split {
            SplitConfig::Hardware { .. } | SplitConfig::HardwareGroups { .. } => "graphs",
            SplitConfig::Families { .. } | SplitConfig::HardwareAndFamilies { .. } => "families",
            SplitConfig::Models { .. } | SplitConfig::GraphOperators { .. } => "models",
            SplitConfig::Operator { .. }
            | SplitConfig::OperatorGroups { .. }
            | SplitConfig::Stage { .. }
            | SplitConfig::None { .. } => "groups",
        };
        writeln!(
            out,
            "Trained on {}, {minutes:.0} thread-minutes in all, revision {}; {} parameters; data {}, settings {}. \
             Checkpoints chosen on validation {chosen_on} (MAPE {:.1} %).\n",
            first.machine,
            revisions(all()),
            first.n_parameters,
            &first.data_hash[..12],
            &first.config_hash[..12],
            mean_std(&validation).0,
        )?;
        Ok(())
    }

    /// Errors by seed, averaged, beside the baselines'.
    fn errors(&self, out: &mut String) -> Result<()> {
        writeln!(out, "| method | {ERRORS}|---|---|---|---|---|---|")?;
        let own = self.model();
        let metrics: Vec<Metrics> = own.members.iter().filter_map(|member| self.metrics(member)).collect();
        if metrics.is_empty() {
            writeln!(out, "| (nothing is held out) | | | | | |\n")?;
            return Ok(());
        }
        let seeds = metrics.len();
        writeln!(out, "| **ledg**, mean ± sd of {seeds} seeds | {} |", spread(&metrics))?;
        if let Some(ensembles) = self.ensembles() {
            let metrics: Vec<Metrics> = ensembles.iter().filter_map(|member| self.metrics(member)).collect();
            let (k, n) = (metrics.len(), seeds / metrics.len().max(1));
            writeln!(out, "| **ledg**, mean ± sd of {k} ensembles of {n} seeds | {} |", spread(&metrics))?;
        }
        let together: Vec<f64> = self.predictions.iter().map(|p| p.ln_predicted).collect();
        let ensemble = Method { name: format!("ledg, ensemble of the {seeds} seeds"), members: vec![together] };
        for method in std::iter::once(&ensemble).chain(&self.baselines) {
            for metrics in method.members.iter().filter_map(|member| self.metrics(member)) {
                row(out, &method.name, &metrics)?;
            }
        }
        writeln!(out)?;
        Ok(())
    }

    /// Each variant's errors, and how far they are from the experiment's own, by seed.
    fn variants(&self, out: &mut String) -> Result<()> {
        if self.variants.is_empty() {
            return Ok(());
        }
        let own = by_seed(&self.results);
        writeln!(
            out,
            "## Variants\n\nThe first row is the experiment as it is; the others change what their row says. *Difference* is the \
             variant's MAPE less the first row's, seed by seed, in percentage points: positive where the change hurts.\n"
        )?;
        writeln!(out, "| variant | parameters | MAPE difference | {ERRORS}|---|---|---|---|---|---|---|---|")?;
        let line = |out: &mut String, name: &str, difference: &str, results: &[RunResult]| -> Result<()> {
            let metrics: Vec<Metrics> = by_seed(results).into_values().collect();
            let parameters = results.first().map_or(0, |r| r.n_parameters);
            writeln!(out, "| {name} | {parameters} | {difference} | {} |", spread(&metrics))?;
            Ok(())
        };
        line(out, "(as it is)", "", &self.results)?;
        for (variant, results) in &self.variants {
            let differences: Vec<f64> = by_seed(results)
                .iter()
                .filter_map(|(seed, metrics)| Some(metrics.mape - own.get(seed)?.mape))
                .collect();
            let (mean, sd) = mean_std(&differences);
            let name = variant.name.split_once('/').map_or(variant.name.as_str(), |(_, name)| name);
            line(out, name, &format!("{mean:+.2} ± {sd:.2}"), results)?;
        }
        writeln!(out)?;
        Ok(())
    }

    fn intervals(&self, out: &mut String) -> Result<()> {
        let coverages = self.coverages(&COVERAGES)?;
        if coverages.is_empty() {
            return Ok(());
        }
        let about = match &self.intervals {
            Some((other, _)) => format!("Intervals calibrated on the held-out predictions of `{}`.", other.name),
            None => {
                let what = match self.experiment.split {
                    SplitConfig::HardwareGroups { .. } => "chips",
                    SplitConfig::OperatorGroups { .. } => "groups",
                    SplitConfig::GraphOperators { .. } => "operators",
                    _ => "families",
                };
                format!("Each fold's {what}, intervals calibrated on the other folds' held-out predictions.")
            }
        };
        writeln!(out, "## Intervals\n\n{about}\n")?;
        // Chips differ in their number of records.
        let chips = coverages.iter().any(|c| c.by_device.is_some());
        let (head, line) = if chips { (" mean of chips % |", "---|") } else { ("", "") };
        writeln!(out, "| nominal % | covered % |{head} by fold % | median half-width % |\n|---|---|{line}---|---|")?;
        for c in coverages {
            let by_fold: Vec<String> = c.by_fold.iter().map(|share| format!("{:.1}", 100.0 * share)).collect();
            writeln!(
                out,
                "| {:.0} | {:.1} |{} {} | {:.0} |",
                100.0 * c.nominal,
                100.0 * c.covered,
                c.by_device.map_or(String::new(), |share| format!(" {:.1} |", 100.0 * share)),
                by_fold.join(", "),
                100.0 * c.median_half_width
            )?;
        }
        writeln!(out)?;
        Ok(())
    }
}

/// Errors of each seed over all folds.
fn by_seed(results: &[RunResult]) -> BTreeMap<u64, Metrics> {
    let mut pairs: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for r in results {
        pairs.entry(r.seed).or_default().extend(r.test.iter().map(|p| (p.ln_predicted, p.ln_measured)));
    }
    pairs.into_iter().filter_map(|(seed, pairs)| Some((seed, Metrics::of(&pairs)?))).collect()
}

/// Cells of [`ERRORS`]: mean and standard deviation over seeds.
fn spread(metrics: &[Metrics]) -> String {
    let column = |f: fn(&Metrics) -> f64| mean_std(&metrics.iter().map(f).collect::<Vec<_>>());
    let ((mape, mape_sd), (acc, acc_sd)) = (column(|m| m.mape), column(|m| m.acc10));
    let (median, bias) = (column(|m| m.median_ape).0, 100.0 * column(|m| m.bias).0);
    let n = metrics.first().map_or(0, |m| m.n);
    format!("{mape:.2} ± {mape_sd:.2} | {acc:.1} ± {acc_sd:.1} | {median:.2} | {bias:+.1} | {n}")
}

fn row(out: &mut String, name: &str, m: &Metrics) -> Result<()> {
    let bias = 100.0 * m.bias;
    writeln!(out, "| {name} | {:.2} | {:.1} | {:.2} | {bias:+.1} | {} |", m.mape, m.acc10, m.median_ape, m.n)?;
    Ok(())
}

fn grouped(out: &mut String, title: &str, groups: &BTreeMap<String, Metrics>) -> Result<()> {
    writeln!(out, "## {title}\n\n| | {ERRORS}|---|---|---|---|---|---|")?;
    for (name, metrics) in groups {
        row(out, name, metrics)?;
    }
    writeln!(out)?;
    Ok(())
}

/// Tables of unseen chips with 0 and more of their records.
fn unseen_chips(out: &mut String, few: &FewShot) -> Result<()> {
    writeln!(
        out,
        "## Unseen chips, with few of their records or none\n\nMAPE %, over {} chips, each with all its configurations and \
         batch sizes. Of each platform of a chip so many records are drawn, and the error is that on the other records; mean of \
         {DRAWS} draws, the same for every method. ledg is calibrated to them as `ledg-cost calibrate` does it; to every prediction \
         of another method the level is added that the same fit gives where there is a level alone. *Other chips* are those of the same kind that ran the same network; where none did, those of any kind; where none \
         at all did, the roofline stands in. ledg: mean ± sd of the seeds.\n",
        few.devices.len()
    )?;
    let heads: Vec<String> = RECORDS.iter().map(|n| format!("{n}: median | mean")).collect();
    writeln!(out, "| records of the chip: | {} |\n|---|{}", heads.join(" | "), "---|".repeat(2 * RECORDS.len()))?;
    for (method, name) in few.methods.iter().enumerate() {
        let cell = |values: Vec<f64>| match mean_std(&values) {
            (mean, sd) if values.len() > 1 => format!("{mean:.1} ± {sd:.1}"),
            (mean, _) => format!("{mean:.1}"),
        };
        let cells = (0..RECORDS.len()).flat_map(|n| {
            let (medians, means): (Vec<f64>, Vec<f64>) = few.over_devices(method, n).into_iter().unzip();
            [cell(medians), cell(means)]
        });
        writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    let mean = |values: &[f64]| format!("{:.1}", mean_std(values).0);
    let baselines: Vec<&str> = few.methods[1..].iter().map(String::as_str).collect();
    for n in [0, 2] {
        writeln!(out, "\nBy chip, {} records:\n", RECORDS[n])?;
        writeln!(
            out,
            "| chip | records | ledg | {} |\n|---|---|---|{}",
            baselines.join(" | "),
            "---|".repeat(baselines.len())
        )?;
        for (device, (name, records)) in few.devices.iter().enumerate() {
            let cells = (0..few.methods.len()).map(|method| mean(few.of(device, method, n)));
            writeln!(out, "| {name} | {records} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
    }
    writeln!(out, "\nledg by chip and number of records:\n")?;
    let heads: Vec<String> = RECORDS.iter().map(usize::to_string).collect();
    writeln!(out, "| chip | {} |\n|---|{}", heads.join(" | "), "---|".repeat(RECORDS.len()))?;
    for (device, (name, _)) in few.devices.iter().enumerate() {
        let cells = (0..RECORDS.len()).map(|n| mean(few.of(device, 0, n)));
        writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    writeln!(out)?;
    Ok(())
}
