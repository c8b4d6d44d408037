//! A measurement as `ledg-cost measure` writes it: one line of JSON, with what tells where and when it was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{CostModelError, Result};

/// One measured plan. One line of a records file each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The graph: a file, as seen from the records file's folder if it is beside it.
    pub graph: String,
    /// Content hash of the plan's graph.
    pub graph_hash: String,
    /// The platform: a device's name with its runtime, or a hardware file.
    pub hardware: String,
    /// Batch size.
    pub batch: u64,
    /// Every run that counted, seconds, in order.
    pub runs_s: Vec<f64>,
    /// Their median, seconds.
    pub median_s: f64,
    /// Their interquartile range over their median.
    pub spread: f64,
    /// Brand of the processor.
    pub cpu: String,
    /// Engine and version.
    pub runtime: String,
    /// When it was measured, ISO 8601.
    pub date: String,
    /// Median seconds by node of the plan, if it was profiled, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeTime>,
}

/// How long one node of a plan took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTime {
    /// The node's name.
    pub name: String,
    /// Median seconds.
    pub median_s: f64,
}

impl Measurement {
    /// The measurements of a file of lines, each with the number of its line from 1; `origin` names the file in errors.
    ///
    /// # Errors
    /// A line that is no measurement.
    pub fn parse_lines(origin: &str, text: &str) -> Result<Vec<(usize, Measurement)>> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let parse = |(at, line): (usize, &str)| match serde_json::from_str(line) {
            Ok(measurement) => Ok((at + 1, measurement)),
            Err(error) => {
                let why = format!("not a record of `measure`: {error}");
                Err(CostModelError::Record { origin: origin.to_owned(), line: Some(at + 1), why })
            }
        };
        lines.map(parse).collect()
    }

    /// Seconds by the names of nodes; of nodes of one name, their sum.
    pub fn nodes_s(&self) -> BTreeMap<String, f64> {
        let mut times = BTreeMap::new();
        for node in &self.nodes {
            *times.entry(node.name.clone()).or_default() += node.median_s;
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_none_is_named() {
        let line = r#"{"graph":"a.json","graph_hash":"h","hardware":"t4","batch":1,"runs_s":[1.0],"median_s":1.0,"spread":0.0,"cpu":"c","runtime":"r","date":"d","nodes":[{"name":"n","median_s":0.25},{"name":"n","median_s":0.5}]}"#;
        let read = Measurement::parse_lines("r.jsonl", &format!("\n{line}\n")).unwrap();
        assert_eq!((read.len(), read[0].0), (1, 2));
        assert_eq!(read[0].1.nodes_s(), BTreeMap::from([("n".to_owned(), 0.75)]));
        assert_eq!(serde_json::to_string(&read[0].1).unwrap(), line);
        let error = Measurement::parse_lines("r.jsonl", &line.replace("cpu", "gpu")).unwrap_err().to_string();
        assert!(error.contains("r.jsonl, line 1") && error.contains("gpu"), "{error}");
    }
}
