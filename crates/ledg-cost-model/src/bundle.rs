//! The bundle: one safetensors file whose metadata key `ledg` holds a JSON header.
//!
//! **Invariant:** loading refuses any mismatch of schema, template, encoder or version, and says which; nothing is
//! adapted or filled in.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use ledg_encoder::{Encoder, SentenceTable};
use ledg_predictor::{Executor, Normalization, Predictor, PredictorConfig};
use ledg_template::{FEATURE_SCHEMA, TemplateSet};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::conformal::ConformalTable;
use crate::error::{CostModelError, Result};
use crate::weights;

/// Version of the bundle format.
pub const BUNDLE_VERSION: u32 = 2;

/// Version of the physical prior: the rules by which rates come from data sheets, and operators' traffic from frameworks. A rule that
/// changes what is told raises it, as weights correct the prior that they were trained with.
pub const PRIOR_VERSION: u32 = 1;

/// Metadata key of the header.
const HEADER_KEY: &str = "ledg";

/// The header of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleHeader {
    /// Version of the format: [`BUNDLE_VERSION`].
    pub version: u32,
    /// Unit of what the model predicts.
    pub unit: String,
    /// Architecture of every member.
    pub predictor: PredictorConfig,
    /// Members of the ensemble.
    pub members: usize,
    /// Statistics of the inputs.
    pub normalization: Normalization,
    /// Hash of the templates the model was trained with.
    pub template_fingerprint: String,
    /// Version of the numeric features of a node.
    pub feature_schema: u32,
    /// Version of the physical prior that the weights correct: [`PRIOR_VERSION`].
    #[serde(default)]
    pub prior: u32,
    /// Hash of the encoder the model was trained with.
    pub encoder_fingerprint: String,
    /// Scores that intervals come from.
    pub conformal: ConformalTable,
    /// Corrections by platform, if the model was calibrated to records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Where the weights come from.
    pub provenance: Provenance,
}

/// Where a model's weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Configuration of the training, as TOML.
    pub experiment: String,
    /// Hash of the data.
    pub data_hash: String,
    /// Names of the platforms in the data.
    pub platforms: Vec<String>,
    /// Number of graphs and of measurements.
    pub graphs: usize,
    /// Number of measurements.
    pub records: usize,
    /// Date of the training, ISO 8601.
    pub date: String,
    /// Validation figures by name.
    pub validation: BTreeMap<String, f64>,
    /// Licences and sources of data and encoder.
    pub licences: Vec<String>,
}

/// Weights of one member by name.
pub type Member = BTreeMap<String, Tensor>;

/// A bundle in memory.
pub struct Bundle {
    /// The header.
    pub header: BundleHeader,
    /// Weights of the members.
    pub members: Vec<Member>,
    /// Sentences embedded ahead of time.
    pub sentences: SentenceTable,
}

impl Bundle {
    /// Writes the bundle.
    ///
    /// # Errors
    /// Tensors that are not f32; a header that is not serialisable.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = serde_json::to_string(&self.header)
            .map_err(|e| CostModelError::Bundle { origin: "(being written)".into(), why: e.to_string() })?;
        weights::to_bytes(HEADER_KEY, header, &self.members, &self.sentences)
    }

    /// Reads a bundle; `origin` names it in errors.
    ///
    /// # Errors
    /// Damage; a mismatch of version, templates, features or encoder.
    pub fn from_bytes(bytes: &[u8], origin: &str, templates: &TemplateSet, encoder: &Encoder) -> Result<Self> {
        let damaged = |why: String| CostModelError::Bundle { origin: origin.into(), why };
        let json = weights::header(bytes, origin, HEADER_KEY)?;
        let header: BundleHeader = serde_json::from_str(&json).map_err(|e| damaged(format!("header: {e}")))?;
        header.check(origin, templates, encoder)?;
        let (members, sentences) = weights::from_bytes(bytes, origin, &json, header.members)?;
        Ok(Bundle { header, members, sentences })
    }

    /// The members as models.
    ///
    /// # Errors
    /// A weight that is missing or has another shape, by name.
    pub fn predictors(&self) -> Result<Vec<Predictor>> {
        self.builders().into_iter().map(|builder| Ok(Predictor::load(&self.header.predictor, builder)?)).collect()
    }

    /// All members as one executor; `None` where it has no form of the model.
    ///
    /// # Errors
    /// As [`Bundle::predictors`].
    pub fn executor(&self) -> Result<Option<Executor>> {
        Ok(Executor::load(&self.header.predictor, &self.builders())?)
    }

    fn builders(&self) -> Vec<VarBuilder<'static>> {
        let build = |member: &Member| {
            let weights: HashMap<String, Tensor> = member.iter().map(|(n, t)| (n.clone(), t.clone())).collect();
            VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu)
        };
        self.members.iter().map(build).collect()
    }
}

impl BundleHeader {
    fn check(&self, origin: &str, templates: &TemplateSet, encoder: &Encoder) -> Result<()> {
        let pairs = [
            ("format version", self.version.to_string(), BUNDLE_VERSION.to_string()),
            ("unit", self.unit.clone(), "s".to_owned()),
            ("feature schema", self.feature_schema.to_string(), FEATURE_SCHEMA.to_string()),
            ("physical prior", self.prior.to_string(), PRIOR_VERSION.to_string()),
            ("template fingerprint", self.template_fingerprint.clone(), templates.fingerprint().to_string()),
            ("encoder fingerprint", self.encoder_fingerprint.clone(), encoder.fingerprint()),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                return Err(CostModelError::Mismatch { origin: origin.into(), what, found, expected });
            }
        }
        if self.members == 0 || self.members > 64 {
            let why = format!("header: `members` is {}, must be 1 to 64", self.members);
            return Err(CostModelError::Bundle { origin: origin.into(), why });
        }
        if let Some(calibration) = &self.calibration {
            let wrong = |why| CostModelError::Bundle { origin: origin.into(), why };
            calibration.check().map_err(wrong)?;
        }
        Ok(())
    }
}
