//! A bundle with random weights: what these tests say of the command does not depend on how far training has come.

use std::collections::BTreeMap;

use candle_core::DType;
use ledg_cost_model::encoder::{Encoder, SentenceTable};
use ledg_cost_model::predictor::{
    Attention, HardwareInputs, Movement, Normalization, Predictor, PredictorConfig, Rates, Readout, SeededInit,
    Settings, Standardizer,
};
use ledg_cost_model::template::{FEATURE_SCHEMA, N_FEATURES, TemplateSet};
use ledg_cost_model::{
    BUNDLE_VERSION, Bundle, BundleHeader, ConformalTable, HardwareRegistry, N_RUNTIME, N_SHEET, PRIOR_VERSION,
    Provenance, RawPlatform,
};

use super::support::Bench;

/// Hardware that the tests ask for. Its sentences are embedded ahead of time, as those of a shipped bundle are.
const HARDWARE: [&str; 3] = ["t4", "rtx3090", "rtx4090:amp/nhwc/dynamo"];
const NODES: [&str; 4] = ["ParamL Conv 3", "Act Relu", "Elem Add", "Unknown com.acme Magic"];

impl Bench {
    /// Writes the bundle `toy.ledg`.
    pub fn bundle(&self) {
        let encoder = Encoder::pretrained().unwrap();
        let sentence_dim = encoder.dim();
        let predictor = PredictorConfig {
            d_model: 8,
            n_layers: 1,
            n_heads: 2,
            ffn_mult: 2,
            d_readout: 8,
            d_platform: 4,
            attention: Attention::Dgsa,
            readout: Readout::Sum,
            hardware: HardwareInputs::Both,
            numbers: true,
            sentences: true,
            correction_cap: 2.0,
            dropout: 0.0,
            feature_noise: 0.0,
            hardware_dropout: 0.0,
            rates: Rates::default(),
            movement: Movement::default(),
            settings: Settings::default(),
            sentence_dim,
            n_features: N_FEATURES,
            n_runtime: N_RUNTIME,
            n_sheet: N_SHEET,
        };
        let init = SeededInit::new(7);
        Predictor::load(&predictor, init.builder(DType::F32)).unwrap();
        let member = init.vars().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
        let registry = HardwareRegistry::builtin();
        let platform = |spec| RawPlatform::new(&registry.resolve(spec).unwrap()).unwrap().sentence;
        let sentences: Vec<String> =
            NODES.map(str::to_owned).into_iter().chain(HARDWARE.into_iter().map(platform)).collect();
        let header = BundleHeader {
            version: BUNDLE_VERSION,
            unit: "s".into(),
            predictor,
            members: 1,
            normalization: Normalization {
                sentence: Standardizer::identity(sentence_dim),
                features: Standardizer::identity(N_FEATURES),
                platform: Standardizer::identity(sentence_dim),
                runtime: Standardizer::identity(N_RUNTIME),
                sheet: Standardizer::identity(N_SHEET),
            },
            template_fingerprint: TemplateSet::builtin().unwrap().fingerprint().to_string(),
            feature_schema: FEATURE_SCHEMA,
            prior: PRIOR_VERSION,
            encoder_fingerprint: encoder.fingerprint(),
            conformal: ConformalTable::calibrate((0..1000).map(|i| ("gpu", 0.0, f64::from(i) * 1e-3, 0.0))),
            calibration: None,
            provenance: Provenance {
                experiment: String::new(),
                data_hash: String::new(),
                platforms: Vec::new(),
                graphs: 0,
                records: 0,
                date: "2025-01-01".into(),
                validation: BTreeMap::new(),
                licences: Vec::new(),
            },
        };
        let sentences = SentenceTable::build(&encoder, &sentences).unwrap();
        self.file("toy.ledg", Bundle { header, members: vec![member], sentences }.to_bytes().unwrap());
    }
}
