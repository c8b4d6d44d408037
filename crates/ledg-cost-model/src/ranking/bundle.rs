//! A schedule model as a file: safetensors, with a JSON header under the metadata key `ledg-schedule`.
//!
//! **Invariant:** as for cost models: a file for other sentences, numbers or another encoder is refused, never adapted.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Tensor};
use ledg_encoder::{Encoder, SentenceTable};
use ledg_predictor::{ScoreConfig, Standardizer};
use ledg_schedule::{N_NUMBERS, SCHEDULE_SCHEMA, ScheduleWords};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::fit::check_member;
use crate::bundle::Member;
use crate::error::{CostModelError, Result};

/// Version of the format.
pub const SCHEDULE_BUNDLE_VERSION: u32 = 1;

const HEADER_KEY: &str = "ledg-schedule";
const SENTENCES: &str = "sentences";

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
    let damaged = |why: String| CostModelError::Bundle { origin: "(being written)".into(), why };
    let mut data: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (k, member) in members.iter().enumerate() {
        for (name, tensor) in member {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            data.insert(format!("member.{k}.{name}"), (Dtype::F32, tensor.dims().to_vec(), bytes));
        }
    }
    let table = table.to_bytes()?;
    data.insert(SENTENCES.into(), (Dtype::U8, vec![table.len()], table));
    let views: Vec<(&String, TensorView)> = data
        .iter()
        .map(|(name, (dtype, shape, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| damaged(e.to_string()))?;
    let json = serde_json::to_string(header).map_err(|e| damaged(e.to_string()))?;
    safetensors::serialize(views, Some(HashMap::from([(HEADER_KEY.to_owned(), json)])))
        .map_err(|e| damaged(e.to_string()))
}

pub(super) fn from_bytes(bytes: &[u8], origin: &str, words: &ScheduleWords, encoder: &Encoder) -> Result<Parts> {
    let damaged = |why: String| CostModelError::Bundle { origin: origin.into(), why };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(HEADER_KEY));
    let json = json.ok_or_else(|| damaged(format!("it has no `{HEADER_KEY}` header, so it is no schedule model")))?;
    let header: ScheduleHeader = serde_json::from_str(json).map_err(|e| damaged(format!("header: {e}")))?;
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
    header.scorer.trunk().validate()?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    let mut members = vec![Member::new(); header.members];
    let mut table = None;
    for (name, view) in tensors.iter() {
        if name == SENTENCES {
            table = Some(SentenceTable::from_bytes(view.data())?);
            continue;
        }
        let place = name.strip_prefix("member.").and_then(|rest| rest.split_once('.'));
        let member = place.and_then(|(k, weight)| Some((members.get_mut(k.parse::<usize>().ok()?)?, weight)));
        let (member, weight) = member.ok_or_else(|| damaged(format!("it holds an unexpected tensor `{name}`")))?;
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("tensor `{name}` is {:?}, not F32", view.dtype())));
        }
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|x| !x.is_finite()) {
            return Err(damaged(format!("tensor `{name}` holds a number that is not finite")));
        }
        member.insert(weight.to_owned(), Tensor::from_vec(values, view.shape(), &Device::Cpu)?);
    }
    for member in &members {
        check_member(&header.scorer, member).map_err(damaged)?;
    }
    let table = table.ok_or_else(|| damaged(format!("tensor `{SENTENCES}` is missing")))?;
    if table.fingerprint() != header.encoder_fingerprint {
        return Err(damaged("its table of sentences was made by another encoder".into()));
    }
    Ok(Parts { header, members, table })
}
