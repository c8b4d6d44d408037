//! `runs.jsonl`, a line a run, and `README.md`, a row an experiment, made from those lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::config::Experiment;
use crate::evaluate::Evaluation;
use crate::files;
use crate::metrics::{Metrics, mean_std};
use crate::run::RunResult;

const RUNS: &str = "runs.jsonl";
const INDEX: &str = "README.md";

/// A run, without its predictions and weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLine {
    experiment: String,
    seed: u64,
    fold: usize,
    /// On the test set; nothing if nothing was held out.
    test: Option<Metrics>,
    validation_mape: f64,
    epoch: usize,
    n_parameters: usize,
    config_hash: String,
    data_hash: String,
    git: String,
    machine: String,
    train_s: f64,
}

impl RunLine {
    fn new(experiment: &Experiment, result: &RunResult) -> Self {
        let pairs: Vec<(f64, f64)> = result.test.iter().map(|p| (p.ln_predicted, p.ln_measured)).collect();
        RunLine {
            experiment: experiment.name.clone(),
            seed: result.seed,
            fold: result.fold,
            test: Metrics::of(&pairs),
            validation_mape: result.validation_mape,
            epoch: result.epoch,
            n_parameters: result.n_parameters,
            config_hash: result.config_hash.clone(),
            data_hash: result.data_hash.clone(),
            git: result.git.clone(),
            machine: result.machine.clone(),
            train_s: result.train_s,
        }
    }

    fn key(&self) -> (&str, u64, usize) {
        (&self.experiment, self.seed, self.fold)
    }
}

/// The lines of a folder; none if there is no file yet.
pub fn read(output: &Path) -> Result<Vec<RunLine>> {
    let path = output.join(RUNS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let line = |(i, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {}", path.display(), i + 1))
    };
    text.lines().enumerate().map(line).collect()
}

/// Puts an experiment's runs, variants included, in place of those that were there.
pub fn replace(lines: &mut Vec<RunLine>, evaluation: &Evaluation) {
    let name = &evaluation.experiment.name;
    lines.retain(|l| l.experiment != *name && !l.experiment.starts_with(&format!("{name}/")));
    lines.extend(evaluation.results.iter().map(|r| RunLine::new(&evaluation.experiment, r)));
    for (variant, results) in &evaluation.variants {
        lines.extend(results.iter().map(|r| RunLine::new(variant, r)));
    }
    lines.sort_by(|a, b| a.key().cmp(&b.key()));
}

/// Writes the lines, and the index of them; what an experiment is about is read from its file in `folder`.
pub fn write(output: &Path, lines: &[RunLine], folder: &Path) -> Result<()> {
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{}", serde_json::to_string(line)?)?;
    }
    files::write(&output.join(RUNS), text.as_bytes())?;
    let names: BTreeSet<&str> = lines.iter().map(|l| l.experiment.as_str()).filter(|n| !n.contains('/')).collect();
    let mut experiments = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.toml"));
        experiments.push((Experiment::load(&path)?, path.display().to_string()));
    }
    let mut other = Vec::new();
    for entry in std::fs::read_dir(output).with_context(|| format!("{}: cannot be read", output.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_ours = experiments.iter().any(|(e, _)| name == format!("{}.md", e.name)) || name == INDEX;
        if name.ends_with(".md") && !is_ours {
            other.push(name);
        }
    }
    other.sort();
    files::write(&output.join(INDEX), page(lines, &experiments, &other)?.as_bytes())
}

/// The index. Errors of a seed are over the records of all its folds.
fn page(lines: &[RunLine], experiments: &[(Experiment, String)], other: &[String]) -> Result<String> {
    let mut out = String::from(
        "# Results\n\nMade by `ledg-train report`; a page an experiment, a line a run in [runs.jsonl](runs.jsonl). Errors are on \
         what was held out, mean ± standard deviation over seeds. `ledg-train fit FILE && ledg-train report FILE` makes a row \
         again.\n\n| experiment | what is shown | MAPE % | Acc(10%) % | seeds | what others report | file |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (experiment, file) in experiments {
        let mut seeds: BTreeMap<u64, (f64, f64, f64)> = BTreeMap::new();
        for line in lines.iter().filter(|l| l.experiment == experiment.name) {
            if let Some(m) = &line.test {
                let sum = seeds.entry(line.seed).or_default();
                let n = m.n as f64;
                *sum = (sum.0 + n, sum.1 + n * m.mape, sum.2 + n * m.acc10);
            }
        }
        if seeds.is_empty() {
            continue;
        }
        let column = |f: fn(&(f64, f64, f64)) -> f64| mean_std(&seeds.values().map(f).collect::<Vec<_>>());
        let ((mape, mape_sd), (acc, acc_sd)) = (column(|s| s.1 / s.0), column(|s| s.2 / s.0));
        let name = &experiment.name;
        writeln!(
            out,
            "| [{name}]({name}.md) | {} | {mape:.2} ± {mape_sd:.2} | {acc:.1} ± {acc_sd:.1} | {} | {} | `{file}` |",
            experiment.about,
            seeds.len(),
            experiment.reference.as_deref().unwrap_or("")
        )?;
    }
    if !other.is_empty() {
        let links: Vec<String> =
            other.iter().map(|name| format!("[{}]({name})", name.trim_end_matches(".md"))).collect();
        writeln!(out, "\nOther pages, each with its command: {}.", links.join(", "))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(experiment: &str, seed: u64, fold: usize, n: usize, mape: f64) -> RunLine {
        RunLine {
            experiment: experiment.into(),
            seed,
            fold,
            test: Some(Metrics { n, mape, acc10: 50.0, median_ape: 1.0, bias: 0.0 }),
            validation_mape: 1.0,
            epoch: 1,
            n_parameters: 1,
            config_hash: "c".into(),
            data_hash: "d".into(),
            git: "g".into(),
            machine: "m".into(),
            train_s: 1.0,
        }
    }

    /// Folds count by their records: seed 1 has (10·2 + 30·6) / 40 = 5, seed 2 has 7; mean 6, deviation √2.
    #[test]
    fn a_row_by_hand() {
        let experiment: Experiment =
            toml::from_str(include_str!("../../../../configs/experiments/timm-families.toml")).unwrap();
        let name = "timm-families";
        let lines = [line(name, 1, 0, 10, 2.0), line(name, 1, 1, 30, 6.0), line(name, 2, 0, 40, 7.0)];
        let page = page(&lines, &[(experiment, "f.toml".into())], &["speed.md".into()]).unwrap();
        assert!(page.contains("| [timm-families](timm-families.md) |"), "{page}");
        assert!(page.contains("| 6.00 ± 1.41 | 50.0 ± 0.0 | 2 |"), "{page}");
        assert!(page.contains("[speed](speed.md)"), "{page}");
    }

    #[test]
    fn lines_come_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().is_empty());
        let lines = vec![line("timm-families", 1, 0, 10, 2.0 / 3.0)];
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments");
        write(dir.path(), &lines, &folder).unwrap();
        assert_eq!(read(dir.path()).unwrap(), lines);
        std::fs::write(dir.path().join(RUNS), "{}\n").unwrap();
        assert!(format!("{:#}", read(dir.path()).unwrap_err()).contains("line 1"));
    }
}
