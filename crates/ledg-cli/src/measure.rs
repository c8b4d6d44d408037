//! `ledg-cost measure`: how long models take on this machine, run by tract.

use std::io::Write;

use crate::Outcome;
use crate::args::MeasureArgs;
use crate::console::Console;

/// Without tract there is nothing to run models with.
#[cfg(not(feature = "tract"))]
pub fn run(_args: &MeasureArgs, _out: &mut dyn Write, _console: &Console) -> anyhow::Result<Outcome> {
    Err(crate::tract::missing("measure"))
}

/// Measures.
#[cfg(feature = "tract")]
pub fn run(args: &MeasureArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
    with_tract::run(args, out, console)
}

#[cfg(feature = "tract")]
mod with_tract {
    use std::collections::{BTreeMap, HashSet};
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::path::{Path, PathBuf};

    use anyhow::Context;
    use ledg_cost_model::graph::Graph;
    use ledg_cost_model::text::{TextTable, units};
    use ledg_cost_model::{Measurement, NodeTime};
    use ledg_tract::{
        LoadOptions, MeasureOptions, RUNTIME, Timing, TractModel, check_idle, cpu_name, measure, profile,
    };

    use crate::Outcome;
    use crate::args::MeasureArgs;
    use crate::console::{Console, message};
    use crate::hardware;

    /// A model at a batch size.
    struct Job<'a> {
        path: &'a Path,
        batch: Option<u64>,
    }

    /// A model that is loaded and not yet measured.
    struct Loaded<'a> {
        job: &'a Job<'a>,
        model: TractModel,
        graph: Graph,
        hash: String,
    }

    /// A measurement that is recorded already, by plan, hardware and engine.
    type Known = HashSet<(String, String, String)>;

    pub fn run(args: &MeasureArgs, out: &mut dyn Write, console: &Console) -> anyhow::Result<Outcome> {
        // The hardware is only a name in the records, but one that `predict` has to find.
        hardware::resolve(&hardware::registry(&args.registry)?, &args.hardware)?;
        let mut known = match &args.record {
            Some(file) if file.exists() => read_known(file)?,
            _ => Known::new(),
        };
        let own = [None];
        let asked: Vec<Option<u64>> = args.batch.iter().copied().map(Some).collect();
        let batches = if asked.is_empty() { own.as_slice() } else { asked.as_slice() };
        let jobs: Vec<Job> =
            args.models.iter().flat_map(|path| batches.iter().map(|&batch| Job { path, batch })).collect();
        let bar = Console::with_bar(jobs.len(), "models");
        let console = if jobs.len() > 1 { &bar } else { console };
        let (mut failed, mut skipped, mut rows) = (0, 0, Vec::new());
        for group in jobs.chunks(args.together as usize) {
            let mut loaded = Vec::with_capacity(group.len());
            for job in group {
                match load(job, args) {
                    Ok(model) if known.contains(&key(&model.hash, &args.hardware)) => {
                        skipped += 1;
                        console.step();
                    }
                    Ok(model) => loaded.push(model),
                    Err(error) => {
                        failed += 1;
                        console.error(&message(&error));
                        console.step();
                    }
                }
            }
            if loaded.is_empty() {
                continue;
            }
            check_idle(args.max_busy)?;
            for (loaded, timing) in loaded.iter().zip(measure_group(&loaded, args)?) {
                match finish(loaded, timing, args, &mut known) {
                    Ok(record) => rows.push(record),
                    Err(error) => {
                        failed += 1;
                        console.error(&format!("{}: {}", loaded.job.path.display(), message(&error)));
                    }
                }
                console.step();
            }
        }
        console.finish();
        write_rows(&rows, out)?;
        if skipped > 0 {
            console.note(&format!("{skipped} of {} are in the records already", jobs.len()));
        }
        Ok(match failed {
            0 => Outcome::Done,
            n if n == jobs.len() => Outcome::Failed,
            _ => Outcome::Partly,
        })
    }

    fn options(args: &MeasureArgs) -> MeasureOptions {
        MeasureOptions { runs: args.runs as usize, warmup: args.warmup as usize, max_spread: args.max_spread }
    }

    fn key(hash: &str, hardware: &str) -> (String, String, String) {
        (hash.to_owned(), hardware.to_owned(), RUNTIME.to_owned())
    }

    fn load<'a>(job: &'a Job<'a>, args: &MeasureArgs) -> anyhow::Result<Loaded<'a>> {
        let dims: BTreeMap<String, u64> = args.dims.iter().cloned().collect();
        let load = LoadOptions { batch: job.batch, dims, ..LoadOptions::default() };
        let model = TractModel::load(job.path, &load)?;
        let graph = model.graph()?;
        let hash = graph.content_hash().to_string();
        Ok(Loaded { job, model, graph, hash })
    }

    /// Measures models in turns; those whose runs scatter get a second chance, together.
    fn measure_group(loaded: &[Loaded<'_>], args: &MeasureArgs) -> anyhow::Result<Vec<Timing>> {
        let options = options(args);
        let models: Vec<&TractModel> = loaded.iter().map(|l| &l.model).collect();
        let mut timings = measure(&models, &options)?;
        let again: Vec<usize> = (0..models.len()).filter(|&i| timings[i].check(args.max_spread).is_err()).collect();
        let second = measure(&again.iter().map(|&i| models[i]).collect::<Vec<_>>(), &options)?;
        for (i, timing) in again.into_iter().zip(second) {
            if timing.spread < timings[i].spread {
                timings[i] = timing;
            }
        }
        Ok(timings)
    }

    /// Accepts a timing and records it.
    fn finish(
        loaded: &Loaded<'_>,
        timing: Timing,
        args: &MeasureArgs,
        known: &mut Known,
    ) -> anyhow::Result<Measurement> {
        timing.check(args.max_spread)?;
        let nodes = if args.per_node { profile(&loaded.model, &options(args))? } else { Vec::new() };
        let graph = match &args.graphs {
            Some(folder) => write_graph(folder, loaded)?,
            None => loaded.job.path.to_path_buf(),
        };
        let record = Measurement {
            graph: seen_from(args.record.as_deref(), &graph),
            graph_hash: loaded.hash.clone(),
            hardware: args.hardware.clone(),
            batch: loaded.model.batch,
            runs_s: timing.runs_s,
            median_s: timing.median_s,
            spread: timing.spread,
            cpu: cpu_name(),
            runtime: RUNTIME.to_owned(),
            date: jiff::Timestamp::now().round(jiff::Unit::Second)?.to_string(),
            nodes: nodes.into_iter().map(|(name, median_s)| NodeTime { name, median_s }).collect(),
        };
        if let Some(file) = &args.record {
            append(file, &record)?;
        }
        known.insert(key(&record.graph_hash, &record.hardware));
        Ok(record)
    }

    /// Writes a plan's graph under the model's name, its batch and the beginning of its hash.
    fn write_graph(folder: &Path, loaded: &Loaded<'_>) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let stem = loaded.job.path.file_stem().unwrap_or_default().to_string_lossy();
        let hash: String = loaded.hash.chars().take(8).collect();
        let file = folder.join(format!("{stem}-b{}-{hash}.json", loaded.model.batch));
        let text = loaded.graph.to_json()?;
        // Under another name first: a command that is stopped leaves no half of a file.
        let mut half = tempfile::NamedTempFile::new_in(folder)?;
        half.write_all(text.as_bytes())?;
        half.persist(&file).with_context(|| format!("{}: cannot be written", file.display()))?;
        Ok(file)
    }

    /// A path as seen from the folder of the records, if it is below it.
    fn seen_from(records: Option<&Path>, path: &Path) -> String {
        let folder = records.and_then(Path::parent);
        folder.and_then(|f| path.strip_prefix(f).ok()).unwrap_or(path).display().to_string()
    }

    /// Appends a record, whole lines only.
    fn append(file: &Path, record: &Measurement) -> anyhow::Result<()> {
        let line = serde_json::to_string(record)? + "\n";
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let written = opened.and_then(|mut f| f.write_all(line.as_bytes()).and_then(|()| f.sync_data()));
        written.with_context(|| format!("{}: cannot be written", file.display()))
    }

    fn read_known(file: &Path) -> anyhow::Result<Known> {
        let text = fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let measured = Measurement::parse_lines(&file.display().to_string(), &text)?;
        Ok(measured.into_iter().map(|(_, m)| (m.graph_hash, m.hardware, m.runtime)).collect())
    }

    fn write_rows(rows: &[Measurement], out: &mut dyn Write) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut table = TextTable::new(&["graph", ">batch", ">median", ">spread", ">runs"]);
        for row in rows {
            table.row(&[
                row.graph.clone(),
                row.batch.to_string(),
                units::duration(row.median_s),
                units::share(row.spread),
                row.runs_s.len().to_string(),
            ]);
        }
        write!(out, "{table}")?;
        for row in rows.iter().filter(|r| !r.nodes.is_empty()) {
            writeln!(out, "\n{}, batch {}: {} nodes", row.graph, row.batch, row.nodes.len())?;
            let total: f64 = row.nodes.iter().map(|n| n.median_s).sum();
            let mut sorted: Vec<&NodeTime> = row.nodes.iter().collect();
            sorted.sort_by(|a, b| b.median_s.total_cmp(&a.median_s));
            let mut table = TextTable::new(&[">time", ">share", "node"]);
            for node in sorted {
                table.row(&[units::duration(node.median_s), units::share(node.median_s / total), node.name.clone()]);
            }
            write!(out, "{table}")?;
        }
        Ok(())
    }
}
