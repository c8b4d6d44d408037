//! A schedule model as a file: safetensors, with a JSON header under the metadata key `ledg-schedule`.
//!
//! **Invariant:** as for cost models: a file for other sentences, numbers or another encoder is refused, never adapted.

use std::collections::BTreeMap;

use ledg_encoder::{Encoder, SentenceTable};
use ledg_predictor::{ScoreConfig, Standardizer};
use ledg_schedule::{N_NUMBERS, SCHEDULE_SCHEMA, ScheduleWords};
use serde::{Deserialize, Serialize};

use super::fit::check_member;
use crate::bundle::Member;
use crate::error::{CostModelError, Result};
use crate::weights;

/// Version of the format.
pub const SCHEDULE_BUNDLE_VERSION: u32 = 1;

const HEADER_KEY: &str = "ledg-schedule";

/// The header of a schedule model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleHeader {
    /// Version of the format: [`SCHEDULE_BUNDLE_VERSION`].
    pub version: u32,
    /// Architecture of every member.
    pub scorer: ScoreConfig,
    /// Members of the ensemble.
    pub members: usize,
    /// What is taken off a score for each doubling of the estimated cycles.
    #[serde(default)]
    pub estimate: f64,
    /// Statistics of the nodes' numbers.
    pub numbers: Standardizer,
    /// Version of the nodes' numbers.
    pub schema: u32,
    /// Hash of the sentences.
    pub words_fingerprint: String,
    /// Hash of the encoder.
    pub encoder_fingerprint: String,
    /// Where the weights come from.
    pub provenance: ScheduleProvenance,
}

/// Where a schedule model's weights come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleProvenance {
    /// Configuration of the pretraining, as TOML; empty where there was none.
    pub experiment: String,
    /// Tasks that the pretraining saw.
    pub tasks: Vec<String>,
    /// Candidates that the pretraining saw; 0 and no updates: untrained.
    pub records: usize,
    /// Candidates that updates saw.
    pub updated_with: usize,
    /// Date of the pretraining, ISO 8601.
    pub date: String,
    /// Validation figures by name.
    pub validation: BTreeMap<String, f64>,
    /// Licences and sources of data and encoder.
    pub licences: Vec<String>,
}

pub(super) struct Parts {
    pub header: ScheduleHeader,
    pub members: Vec<Member>,
    pub table: SentenceTable,
}

pub(super) fn to_bytes(header: &ScheduleHeader, members: &[Member], table: &SentenceTable) -> Result<Vec<u8>> {
    let json = serde_json::to_string(header)
        .map_err(|e| CostModelError::Bundle { origin: "(being written)".into(), why: e.to_string() })?;
    weights::to_bytes(HEADER_KEY, json, members, table)
}

pub(super) fn from_bytes(bytes: &[u8], origin: &str, words: &ScheduleWords, encoder: &Encoder) -> Result<Parts> {
    let damaged = |why: String| CostModelError::Bundle { origin: origin.into(), why };
    let json = weights::header(bytes, origin, HEADER_KEY)?;
    let header: ScheduleHeader = serde_json::from_str(&json).map_err(|e| damaged(format!("header: {e}")))?;
    let pairs = [
        ("format version", header.version.to_string(), SCHEDULE_BUNDLE_VERSION.to_string()),
        ("schema of schedules", header.schema.to_string(), SCHEDULE_SCHEMA.to_string()),
        ("sentences of schedules", header.words_fingerprint.clone(), words.fingerprint().to_owned()),
        ("encoder fingerprint", header.encoder_fingerprint.clone(), encoder.fingerprint()),
    ];
    for (what, found, expected) in pairs {
        if found != expected {
            return Err(CostModelError::Mismatch { origin: origin.into(), what, found, expected });
        }
    }
    if header.members == 0 || header.members > 64 {
        return Err(damaged(format!("header: `members` is {}, must be 1 to 64", header.members)));
    }
    if header.numbers.mean.len() != N_NUMBERS || header.numbers.std.len() != N_NUMBERS {
        return Err(damaged(format!("header: `numbers` must have {N_NUMBERS} columns")));
    }
    let finite = header.numbers.mean.iter().chain(&header.numbers.std).all(|x| x.is_finite());
    if !finite || header.numbers.std.iter().any(|x| *x <= 0.0) {
        return Err(damaged("header: `numbers` holds an impossible statistic".into()));
    }
    if !header.estimate.is_finite() || header.estimate < 0.0 {
        return Err(damaged(format!("header: `estimate` is {}, must be at least 0", header.estimate)));
    }
    header.scorer.trunk().validate()?;
    let (members, table) = weights::from_bytes(bytes, origin, &json, header.members)?;
    for member in &members {
        check_member(&header.scorer, member).map_err(damaged)?;
    }
    if table.fingerprint() != header.encoder_fingerprint {
        return Err(damaged("its table of sentences was made by another encoder".into()));
    }
    Ok(Parts { header, members, table })
}
