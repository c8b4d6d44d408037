//! Measured schedules: JSON lines, a task once and then its candidates.
//!
//! `{"version":1,"task":{...}}` declares a task, `{"version":1,"of":NAME,"trace":TEXT,"runs_s":[...]}` is a measured candidate of it,
//! with `"failed":WHY` in place of the runs where it did not build or run.

use std::path::Path;

use indexmap::IndexMap;
use ledg_schedule::Task;
use serde::{Deserialize, Serialize};

use crate::error::{CostModelError, Result};
use crate::files;

/// Version of the lines.
pub const SCHEDULE_RECORDS_VERSION: u32 = 1;

/// Most bytes of a file of records.
const MAX_BYTES: u64 = 1 << 30;

/// Measured candidates by task, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleRecords {
    tasks: IndexMap<String, TaskRecords>,
}

/// The measured candidates of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecords {
    /// The task.
    pub task: Task,
    /// Its candidates.
    pub candidates: Vec<Candidate>,
}

/// A measured candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The trace as TVM prints it.
    pub trace: String,
    /// Median of its runs, seconds; `None` for one that failed.
    pub latency_s: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runs_s: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    /// What it was measured on, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl ScheduleRecords {
    /// Reads lines; `origin` names them in errors.
    ///
    /// # Errors
    /// A line that is no record, by its number; a task declared twice and differently; a candidate of no task.
    pub fn from_jsonl(text: &str, origin: &str) -> Result<Self> {
        let mut records = ScheduleRecords::default();
        records.add_jsonl(text, origin)?;
        Ok(records)
    }

    /// Adds lines to what is there.
    ///
    /// # Errors
    /// As [`ScheduleRecords::from_jsonl`].
    pub fn add_jsonl(&mut self, text: &str, origin: &str) -> Result<()> {
        for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let bad = |why: String| CostModelError::Record { origin: origin.to_owned(), line: Some(i + 1), why };
            let line: Line = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
            if line.version != SCHEDULE_RECORDS_VERSION {
                return Err(bad(format!(
                    "`version` is {}, this library reads {SCHEDULE_RECORDS_VERSION}",
                    line.version
                )));
            }
            match (line.task, line.of) {
                (Some(task), None) if line.trace.is_none() && line.runs_s.is_none() && line.failed.is_none() => {
                    self.declare(task).map_err(|e| bad(e.to_string()))?;
                }
                (None, Some(of)) => {
                    let trace = line.trace.ok_or_else(|| bad("`trace` is missing".into()))?;
                    let latency_s =
                        match (line.runs_s, line.failed) {
                            (Some(runs), None) => Some(median(runs).ok_or_else(|| {
                                bad("`runs_s` must hold finite numbers above zero, at least one".into())
                            })?),
                            (None, Some(_)) => None,
                            _ => return Err(bad("it has either `runs_s` or `failed`".into())),
                        };
                    let task = self
                        .tasks
                        .get_mut(&of)
                        .ok_or_else(|| bad(format!("`of`: no task `{of}` was declared before")))?;
                    task.candidates.push(Candidate { trace, latency_s });
                }
                _ => return Err(bad("a line declares a `task`, or is a candidate `of` one".into())),
            }
        }
        Ok(())
    }

    /// Makes a task known; again is fine if it is the same.
    ///
    /// # Errors
    /// A task that breaks a rule, or another one of that name.
    pub fn declare(&mut self, task: Task) -> Result<()> {
        task.check()?;
        match self.tasks.get(&task.name) {
            Some(known) if known.task != task => Err(ledg_schedule::ScheduleError::Task {
                task: task.name,
                field: "name".into(),
                why: "another task has that name".into(),
            }
            .into()),
            Some(_) => Ok(()),
            None => {
                self.tasks.insert(task.name.clone(), TaskRecords { task, candidates: Vec::new() });
                Ok(())
            }
        }
    }

    /// Adds a task with its candidates.
    ///
    /// # Errors
    /// As [`ScheduleRecords::declare`].
    pub fn add(&mut self, records: &TaskRecords) -> Result<()> {
        self.declare(records.task.clone())?;
        if let Some(known) = self.tasks.get_mut(&records.task.name) {
            known.candidates.extend(records.candidates.iter().cloned());
        }
        Ok(())
    }

    /// Reads a file of lines.
    ///
    /// # Errors
    /// As [`ScheduleRecords::from_jsonl`]; a file that cannot be read or is too large.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = files::read(path, MAX_BYTES)?;
        let origin = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|e| CostModelError::Record {
            origin: origin.clone(),
            line: None,
            why: format!("not UTF-8: {e}"),
        })?;
        Self::from_jsonl(&text, &origin)
    }

    /// Tasks by name, in the order in which they were declared.
    pub fn tasks(&self) -> impl Iterator<Item = (&str, &TaskRecords)> {
        self.tasks.iter().map(|(name, task)| (name.as_str(), task))
    }

    /// Number of candidates.
    pub fn len(&self) -> usize {
        self.tasks.values().map(|t| t.candidates.len()).sum()
    }

    /// Whether there are no candidates.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How good candidates of one task are: the best latency over their own, 0 for one that failed.
pub fn merits(candidates: &[Candidate]) -> Vec<f64> {
    let best = candidates.iter().filter_map(|c| c.latency_s).fold(f64::INFINITY, f64::min);
    candidates.iter().map(|c| c.latency_s.map_or(0.0, |s| best / s)).collect()
}

fn median(mut runs: Vec<f64>) -> Option<f64> {
    if runs.is_empty() || runs.iter().any(|x| !(x.is_finite() && *x > 0.0)) {
        return None;
    }
    runs.sort_by(f64::total_cmp);
    let n = runs.len();
    Some(0.5 * (runs[(n - 1) / 2] + runs[n / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"{"version":1,"task":{"name":"t","blocks":[]}}"#;

    #[test]
    fn lines_are_read_and_failures_count_as_the_worst() {
        let text = format!(
            "{TASK}\n{}\n\n{}\n{}\n",
            r#"{"version":1,"of":"t","trace":"a","runs_s":[3.0,1.0,2.0]}"#,
            r#"{"version":1,"of":"t","trace":"b","failed":"timeout"}"#,
            r#"{"version":1,"of":"t","trace":"c","runs_s":[4.0]}"#
        );
        let records = ScheduleRecords::from_jsonl(&text, "r.jsonl").unwrap();
        let (_, task) = records.tasks().next().unwrap();
        assert_eq!(merits(&task.candidates), [1.0, 0.0, 0.5]);
        assert_eq!(records.len(), 3);
    }

    #[test]
    fn wrong_lines_say_which_and_why() {
        let check = |line: &str, why: &str| {
            let text = format!("{TASK}\n{line}");
            let error = ScheduleRecords::from_jsonl(&text, "r.jsonl").unwrap_err().to_string();
            assert!(error.starts_with("records r.jsonl, line 2: ") && error.contains(why), "{error}");
        };
        check(r#"{"version":2,"of":"t","trace":"a","runs_s":[1.0]}"#, "`version` is 2");
        check(r#"{"version":1,"of":"x","trace":"a","runs_s":[1.0]}"#, "no task `x`");
        check(r#"{"version":1,"of":"t","trace":"a"}"#, "either `runs_s` or `failed`");
        check(r#"{"version":1,"of":"t","trace":"a","runs_s":[0.0]}"#, "above zero");
        check(r#"{"version":1,"of":"t","runs_s":[1.0]}"#, "`trace` is missing");
        check(
            r#"{"version":1,"task":{"name":"t","blocks":[{"name":"b","axes":[],"flops":1,"accesses":[]}]}}"#,
            "another task",
        );
    }
}
