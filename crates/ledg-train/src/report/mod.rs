//! `ledg-train report`: the pages of `docs/results`: tables and plots of each experiment, a line a run, and an index.
//!
//! **Invariant:** a page is written from finished runs; what is on the pages of other experiments stays.

mod index;
mod pages;
mod plots;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::config::Experiment;
use crate::evaluate::Evaluation;
use crate::{accuracy, files, run, schedules};

/// Writes the pages of experiments, those of `folder` whose runs are finished if none is named, then the index.
///
/// # Errors
/// When a named experiment has a run that is not finished or was made with other settings, and when there is nothing to
/// report.
pub fn write(named: &[PathBuf], folder: &Path, runs: &Path, output: &Path) -> Result<()> {
    let configs = if named.is_empty() { finished(folder, runs)? } else { named.to_vec() };
    if configs.is_empty() {
        bail!("{}: no experiment's runs are finished under {}", folder.display(), runs.display());
    }
    for config in &configs {
        eprintln!("{}", config.display());
        let evaluation = Evaluation::new(config, None, runs).with_context(|| format!("{}", config.display()))?;
        let name = evaluation.experiment.name.clone();
        let plots = pages::plots(&evaluation).with_context(|| format!("{name}: plots"))?;
        let mut shown = Vec::new();
        for plot in &plots {
            let path = format!("plots/{name}-{}.svg", plot.name);
            files::write(&output.join(&path), plot.svg.as_bytes())?;
            shown.push((plot.title.clone(), path));
        }
        let text = evaluation.markdown("report", &shown)?;
        files::write(&output.join(format!("{name}.md")), text.as_bytes())?;
        // Read late: another report may have added lines since this one started.
        let mut lines = index::read(output)?;
        index::replace(&mut lines, &evaluation);
        index::write(output, &lines, folder)?;
    }
    Ok(())
}

/// The experiments of a folder whose runs are all finished; the others are named on standard error.
fn finished(folder: &Path, runs: &Path) -> Result<Vec<PathBuf>> {
    let mut configs = Vec::new();
    for config in experiment_files(folder)? {
        let experiment = Experiment::load(&config)?;
        let all = experiment.expanded()?;
        let is_done = |e: &Experiment| {
            e.runs().iter().all(|&(seed, fold)| run::dir(runs, e, seed, fold).join("result.json").exists())
        };
        if all.iter().all(is_done) {
            configs.push(config);
        } else {
            eprintln!("{}: has runs that are not finished, left out", config.display());
        }
    }
    Ok(configs)
}

/// The experiment files of a folder, by name; those of accuracies and of schedules have tables of their own.
fn experiment_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("{}: cannot be read", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let is_other = accuracy::is_config(&path) || schedules::is_config(&path);
        if path.extension().is_some_and(|e| e == "toml") && !is_other {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_of_other_kinds_are_left_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/experiments");
        let files = experiment_files(&folder).unwrap();
        assert!(files.len() >= 3 && files.iter().all(|f| Experiment::load(f).is_ok()));
    }
}
