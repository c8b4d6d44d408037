//! The cases that run in this process: how they are timed, and their instructions counted.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use ledg_cost_model::graph::Graph;
use ledg_cost_model::{CostModel, PredictOptions, Session};

use crate::cases;

/// One row of the table.
pub struct Row {
    pub what: String,
    pub budget: String,
    pub measured: String,
    pub ratio: String,
    pub instructions: String,
}

impl Row {
    /// A row of a time and its budget, in seconds.
    pub fn time(what: impl Into<String>, budget_s: f64, measured_s: f64) -> Row {
        Row {
            what: what.into(),
            budget: format!("{} ms", budget_s * 1e3),
            measured: format!("{:.3} ms", measured_s * 1e3),
            ratio: format!("{:.2}", measured_s / budget_s),
            instructions: String::new(),
        }
    }

    fn counted(mut self, case: &str, callgrind: bool) -> anyhow::Result<Row> {
        if callgrind {
            self.instructions = instructions(case)?.map_or("(no valgrind)".into(), |n| format!("{:.2} M", n / 1e6));
        }
        Ok(self)
    }
}

/// Median seconds of a call, after one call that is not counted.
pub fn median(times: usize, mut f: impl FnMut()) -> f64 {
    f();
    let mut seconds: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[times / 2]
}

const OPTIONS: PredictOptions = PredictOptions { coverage: 0.9, per_node: false };

/// A case by name, as something to call again and again.
fn case<'a>(model: &'a Arc<CostModel>, name: &str) -> anyhow::Result<Box<dyn FnMut() + 'a>> {
    let query = |graph: Graph, devices: usize| -> Box<dyn FnMut() + 'a> {
        let on = cases::platforms(devices);
        Box::new(move || {
            let prepared = model.prepare(black_box(&graph)).expect("a graph");
            black_box(model.predict(&prepared, &on, &OPTIONS).expect("an estimate"));
        })
    };
    let candidates = |graph: Graph, single: bool, at_once: usize| -> anyhow::Result<Box<dyn FnMut() + 'a>> {
        let mut session = Session::new(Arc::clone(model), &graph, &cases::platforms(1), OPTIONS)?;
        let edits = if single { cases::single_edits(&graph, 512) } else { cases::candidates(&graph, 512) };
        let mut next = 0;
        Ok(Box::new(move || {
            for _ in 0..at_once {
                black_box(session.predict(black_box(&edits[next % edits.len()])).expect("an estimate"));
                next += 1;
            }
        }))
    };
    Ok(match name {
        "resnet50" => query(cases::resnet50(), 1),
        "resnet50-20" => query(cases::resnet50(), 20),
        "393" => query(cases::residual(393), 1),
        "3500" => query(cases::residual(3500), 1),
        "7000" => query(cases::residual(7000), 1),
        "edit" => candidates(cases::residual(400), true, 1)?,
        "candidate" => candidates(cases::resnet50(), false, 1)?,
        "tensors" => {
            let (graph, tensors) = (cases::resnet50(), cases::OnTensors::new(model));
            let platform = cases::platform_input(model, &cases::platforms(1)[0].0);
            Box::new(move || {
                let input = cases::graph_input(model, &graph);
                black_box(tensors.query(&input, &platform, 32.0));
            })
        }
        _ => bail!("there is no case `{name}`"),
    })
}

/// Runs a case that many times.
pub fn repeat(model: &Arc<CostModel>, name: &str, times: usize) -> anyhow::Result<()> {
    let mut run = case(model, name)?;
    (0..times).for_each(|_| run());
    Ok(())
}

/// Instructions of one run of a case: the difference of a process that runs it often and one that runs it once.
fn instructions(name: &str) -> anyhow::Result<Option<f64>> {
    const MORE: u32 = 10;
    let count = |times: u32| -> anyhow::Result<Option<f64>> {
        let exe = std::env::current_exe()?;
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(exe)
            .args(["--case", name, &times.to_string()])
            .output();
        let Ok(output) = run else { return Ok(None) };
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find_map(|l| l.split_once("Collected :"));
        let (_, number) = line.with_context(|| format!("callgrind said nothing of `{name}`: {text}"))?;
        Ok(Some(number.trim().parse()?))
    };
    Ok(count(1)?.zip(count(1 + MORE)?).map(|(one, more)| (more - one) / f64::from(MORE)))
}

/// All rows.
pub fn rows(model: &Arc<CostModel>, callgrind: bool) -> anyhow::Result<Vec<Row>> {
    let time = |name: &str, times: usize| -> anyhow::Result<f64> {
        let mut run = case(model, name)?;
        Ok(median(times, &mut *run))
    };
    let mut rows = Vec::new();
    let one = time("resnet50", 101)?;
    rows.push(Row::time("query, 122 nodes (ResNet-50)", 1e-3, one).counted("resnet50", callgrind)?);
    let tensors = time("tensors", 21)?;
    let ratio = format!("{:.1}x the above", tensors / one);
    let tensors = Row { budget: String::new(), ratio, ..Row::time("the same, network on tensors", 1.0, tensors) };
    rows.push(tensors.counted("tensors", callgrind)?);
    rows.push(Row::time("query, 390 nodes", 3e-3, time("393", 51)?).counted("393", callgrind)?);
    let (half, whole) = (time("3500", 11)?, time("7000", 11)?);
    rows.push(Row::time("query, 6,996 nodes", 60e-3, whole).counted("7000", callgrind)?);
    rows.push(ratio_row("growth from 3,498 to 6,996 nodes", "2x (linear)", whole / half, 2.0));
    rows.push(Row::time("one edit in 400 nodes (session)", 0.2e-3, time("edit", 512)?).counted("edit", callgrind)?);
    let graph = cases::resnet50();
    let candidates = cases::candidates(&graph, 512);
    let on = cases::platforms(1);
    let all = median(11, || {
        let mut session = Session::new(Arc::clone(model), &graph, &on, OPTIONS).expect("a session");
        black_box(session.predict_all(black_box(&candidates)));
    });
    let all = Row::time("512 candidates of ResNet-50, three edits each, and their session", 50e-3, all);
    let mut all = all.counted("candidate", callgrind)?;
    all.instructions.push_str(if all.instructions.is_empty() { "" } else { " each" });
    rows.push(all);
    let twenty = time("resnet50-20", 51)?;
    let twenty = ratio_row("20 devices against one, ResNet-50", "2x", twenty / one, 2.0);
    rows.push(twenty.counted("resnet50-20", callgrind)?);
    let graphs: Vec<Graph> = (0..64).map(|i| cases::residual(150 + 5 * i)).collect();
    let on_threads = |n: usize| {
        let threads = NonZeroUsize::new(n).expect("not zero");
        median(11, || _ = black_box(model.predict_all(black_box(&graphs), &on, &OPTIONS, threads)))
    };
    let gain = on_threads(1) / on_threads(2);
    let ratio = format!("{:.2}", 1.8 / gain);
    let measured = format!("{gain:.2}x");
    rows.push(Row { measured, ratio, ..ratio_row("gain of a second thread, 64 graphs", ">= 1.8x", gain, 1.8) });
    ensure!(!model.encoder().is_loaded(), "a case has a sentence that does not come with the model");
    Ok(rows)
}

fn ratio_row(what: &str, budget: &str, ratio: f64, limit: f64) -> Row {
    Row {
        what: what.into(),
        budget: budget.into(),
        measured: format!("{ratio:.2}x"),
        ratio: format!("{:.2}", ratio / limit),
        instructions: String::new(),
    }
}
