//! Measured records: what a graph took on a platform. The input of calibration, kept as JSON lines.
//!
//! ```json
//! {"ledg_records":1}
//! {"graph":"3f…","definition":{"ledg_graph":1,…}}
//! {"graph":"3f…","hardware":"nvidia-t4:fp32/nchw/eager/pt2.4.0","batch":8,"runs_s":[0.0101,0.0099]}
//! {"graph":"3f…","hardware":"nvidia-t4:fp32/nchw/eager/pt2.4.0","batch":512,"failed":"out of memory"}
//! ```
//!
//! A graph is defined once, before the first record that names it, by its content hash. A run that failed is a record
//! too: it says that the device could not do it, and never counts as a time. A record with `runs_s` may also have `nodes_s`,
//! the seconds of the graph's nodes by their names, as far as they were measured.
//!
//! **Invariant:** every record holds at least one time and all are finite and above zero, or it holds a reason of failure.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use ledg_graph::{Graph, Limits};
use ledg_template::hardware::{HardwareRegistry, Platform};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{CostModelError, Result};

/// Version of the format of record files.
pub const RECORDS_VERSION: u32 = 1;

/// Most bytes of a file of records.
pub const MAX_RECORDS_BYTES: u64 = 1 << 30;

/// Most runs of one record.
pub const MAX_RUNS: usize = 1 << 20;

/// Most records.
const MAX_RECORDS: usize = 10_000_000;

/// How a measurement went.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Seconds of each run, whole batch.
    Runs(Vec<f64>),
    /// Why it did not run.
    Failed(String),
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Content hash of the graph.
    pub graph: String,
    /// Where it ran.
    pub hardware: Arc<Platform>,
    /// Batch size.
    pub batch: u64,
    /// How it went.
    pub outcome: Outcome,
    /// Seconds of nodes by their names, where they were measured.
    pub nodes_s: BTreeMap<String, f64>,
}

impl Record {
    /// The median of the runs in seconds; `None` for a failed run.
    pub fn latency_s(&self) -> Option<f64> {
        let Outcome::Runs(runs) = &self.outcome else { return None };
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        Some(if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 })
    }
}

/// Measurements with the graphs they are of.
#[derive(Debug, Clone, Default)]
pub struct Records {
    graphs: IndexMap<String, Arc<Graph>>,
    rows: Vec<Record>,
    /// By row: where it was read, if it was.
    places: Vec<Option<Place>>,
}

/// A line of a file.
#[derive(Debug, Clone)]
struct Place {
    origin: Arc<str>,
    line: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    ledg_records: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLine<'a> {
    graph: String,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    definition: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hardware: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runs_s: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    nodes_s: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Records {
    /// No records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a measurement.
    ///
    /// # Errors
    /// A batch of 0, no run, a run that is not a finite number above zero, too many of either.
    pub fn push(&mut self, graph: &Arc<Graph>, hardware: &Arc<Platform>, batch: u64, outcome: Outcome) -> Result<()> {
        self.push_profiled(graph, hardware, batch, outcome, BTreeMap::new())
    }

    /// Adds a measurement that also says how long nodes took, by their names, in seconds.
    ///
    /// # Errors
    /// As [`Records::push`], and a node's time that is not a finite number of at least zero.
    pub fn push_profiled(
        &mut self,
        graph: &Arc<Graph>,
        hardware: &Arc<Platform>,
        batch: u64,
        outcome: Outcome,
        nodes_s: BTreeMap<String, f64>,
    ) -> Result<()> {
        let key = graph.content_hash().to_string();
        let row = Record { graph: key.clone(), hardware: Arc::clone(hardware), batch, outcome, nodes_s };
        check(&row, self.rows.len()).map_err(|why| CostModelError::Record {
            origin: String::new(),
            line: None,
            why,
        })?;
        self.graphs.entry(key).or_insert_with(|| Arc::clone(graph));
        self.rows.push(row);
        self.places.push(None);
        Ok(())
    }

    /// Says of the last record that it was read there; errors about it will name the line.
    pub fn read_from(&mut self, origin: &Arc<str>, line: usize) {
        if let Some(place) = self.places.last_mut() {
            *place = Some(Place { origin: Arc::clone(origin), line });
        }
    }

    /// The line of the file that a record was read from, from 1.
    pub fn line(&self, row: usize) -> Option<usize> {
        self.places.get(row)?.as_ref().map(|place| place.line)
    }

    /// The file and the line that a record was read from, if it was.
    pub(crate) fn read_at(&self, row: usize) -> (String, Option<usize>) {
        self.places[row].as_ref().map_or_else(Default::default, |place| (place.origin.to_string(), Some(place.line)))
    }

    /// Where a record is: a file's line, or its number, from 1.
    pub(crate) fn place(&self, row: usize) -> String {
        match &self.places[row] {
            Some(place) => format!("{}, line {}", place.origin, place.line),
            None => format!("record {}", row + 1),
        }
    }

    /// All records in order.
    pub fn rows(&self) -> &[Record] {
        &self.rows
    }

    /// Number of records, failed ones counted.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The graph of that content hash.
    pub fn graph(&self, hash: &str) -> Option<&Arc<Graph>> {
        self.graphs.get(hash)
    }

    /// Reads records; hardware is looked up in the registry, `origin` names the text in errors.
    ///
    /// # Errors
    /// The line that is malformed, names hardware or a graph that is not known, or breaks a rule of [`Records::push`].
    pub fn from_jsonl(origin: &str, text: &str, registry: &HardwareRegistry, limits: Limits) -> Result<Self> {
        let mut records = Records::new();
        let name: Arc<str> = origin.into();
        let mut platforms: IndexMap<String, Arc<Platform>> = IndexMap::new();
        let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
        let bad =
            |line: usize, why: String| CostModelError::Record { origin: origin.into(), line: Some(line + 1), why };
        let Some((at, first)) = lines.next() else {
            return Err(bad(0, format!("it is empty; the first line is {{\"ledg_records\":{RECORDS_VERSION}}}")));
        };
        let header: WireHeader = serde_json::from_str(first).map_err(|e| bad(at, e.to_string()))?;
        if header.ledg_records != RECORDS_VERSION {
            let why = format!("version {} of the format, this library reads {RECORDS_VERSION}", header.ledg_records);
            return Err(bad(at, why));
        }
        for (at, text) in lines {
            let line: WireLine = serde_json::from_str(text).map_err(|e| bad(at, e.to_string()))?;
            let no_nodes = line.nodes_s.is_empty();
            match (line.definition, line.hardware, line.batch, line.runs_s, line.failed) {
                (Some(definition), None, None, None, None) if no_nodes => {
                    let graph = Graph::from_json(definition.get(), limits).map_err(|e| bad(at, e.to_string()))?;
                    let hash = graph.content_hash().to_string();
                    if hash != line.graph {
                        return Err(bad(at, format!("the definition of graph `{}` has the hash `{hash}`", line.graph)));
                    }
                    records.graphs.insert(hash, Arc::new(graph));
                }
                (None, Some(hardware), Some(batch), runs, failed) => {
                    if !records.graphs.contains_key(&line.graph) {
                        return Err(bad(at, format!("graph `{}` is not defined on a line before", line.graph)));
                    }
                    let outcome = match (runs, failed) {
                        (Some(runs), None) => Outcome::Runs(runs),
                        (None, Some(why)) => Outcome::Failed(why),
                        _ => return Err(bad(at, "a record has either `runs_s` or `failed`".into())),
                    };
                    let platform = match platforms.get(&hardware) {
                        Some(platform) => Arc::clone(platform),
                        None => {
                            let platform = Arc::new(registry.resolve(&hardware).map_err(|e| bad(at, e.to_string()))?);
                            platforms.insert(hardware, Arc::clone(&platform));
                            platform
                        }
                    };
                    let row = Record { graph: line.graph, hardware: platform, batch, outcome, nodes_s: line.nodes_s };
                    check(&row, records.rows.len()).map_err(|why| bad(at, why))?;
                    records.rows.push(row);
                    records.places.push(Some(Place { origin: Arc::clone(&name), line: at + 1 }));
                }
                _ => {
                    let why = "a line has `graph` and `definition`, or `graph`, `hardware`, `batch` and the outcome";
                    return Err(bad(at, why.into()));
                }
            }
        }
        Ok(records)
    }

    /// The records as JSON lines.
    ///
    /// # Errors
    /// A graph with an attribute that JSON cannot express.
    pub fn to_jsonl(&self) -> Result<String> {
        let mut text = format!("{{\"ledg_records\":{RECORDS_VERSION}}}\n");
        let mut defined = HashSet::new();
        for row in &self.rows {
            let unreachable = |e: serde_json::Error| CostModelError::Graph(e.into());
            if defined.insert(&row.graph) {
                let definition = RawValue::from_string(self.graphs[&row.graph].to_json()?).map_err(unreachable)?;
                let line = WireLine { definition: Some(&definition), ..WireLine::of(row, false) };
                text += &serde_json::to_string(&line).map_err(unreachable)?;
                text.push('\n');
            }
            text += &serde_json::to_string(&WireLine::of(row, true)).map_err(unreachable)?;
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads a file of records.
    ///
    /// # Errors
    /// As [`Records::from_jsonl`], and when the file cannot be read or is larger than [`MAX_RECORDS_BYTES`].
    pub fn load(path: &Path, registry: &HardwareRegistry, limits: Limits) -> Result<Self> {
        let bytes = crate::files::read(path, MAX_RECORDS_BYTES)?;
        let origin = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|e| CostModelError::Record {
            origin: origin.clone(),
            line: None,
            why: format!("byte {} is not UTF-8", e.utf8_error().valid_up_to()),
        })?;
        Self::from_jsonl(&origin, &text, registry, limits)
    }

    /// Writes a file of records: to a temporary name first, renamed when complete.
    ///
    /// # Errors
    /// As [`Records::to_jsonl`], and when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write(path, self.to_jsonl()?.as_bytes())
    }
}

impl WireLine<'_> {
    fn of(row: &Record, whole: bool) -> Self {
        let (runs_s, failed) = match &row.outcome {
            Outcome::Runs(runs) => (Some(runs.clone()), None),
            Outcome::Failed(why) => (None, Some(why.clone())),
        };
        WireLine {
            graph: row.graph.clone(),
            definition: None,
            hardware: whole.then(|| row.hardware.to_string()),
            batch: whole.then_some(row.batch),
            runs_s: runs_s.filter(|_| whole),
            nodes_s: if whole { row.nodes_s.clone() } else { BTreeMap::new() },
            failed: failed.filter(|_| whole),
        }
    }
}

fn check(row: &Record, before: usize) -> std::result::Result<(), String> {
    if before >= MAX_RECORDS {
        return Err(format!("there are more than {MAX_RECORDS} records"));
    }
    if row.batch == 0 {
        return Err("the batch size is 0, it must be at least 1".into());
    }
    if let Some((name, bad)) = row.nodes_s.iter().find(|(_, s)| !(s.is_finite() && **s >= 0.0)) {
        return Err(format!("node `{name}` took {bad} s, it must be a finite number of at least zero"));
    }
    if let (Outcome::Failed(_), false) = (&row.outcome, row.nodes_s.is_empty()) {
        return Err("a run that failed has no times of nodes".into());
    }
    if let Outcome::Runs(runs) = &row.outcome {
        if runs.is_empty() || runs.len() > MAX_RUNS {
            return Err(format!("there are {} runs, there must be 1 to {MAX_RUNS}", runs.len()));
        }
        if let Some(bad) = runs.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
            return Err(format!("a run took {bad} s, it must be a finite number above zero"));
        }
    }
    Ok(())
}
