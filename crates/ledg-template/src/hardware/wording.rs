//! `wording.toml`: how platforms are said.
//!
//! **Invariant:** every kind, precision and layout has a word, and every `{key}` of a template is one that code fills in.

use super::device::Kind;
use super::device_file::{Located, check_schema, parse_toml};
use super::error::HardwareError;
use super::precision::{Layout, Precision};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

const SENTENCE_KEYS: [&str; 6] = ["vendor", "kind", "precision", "tflops", "architecture", "watts"];
const RUNTIME_KEYS: [&str; 5] = ["framework", "version", "compiler", "layout", "precision"];

/// The templates and words of platform sentences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wording {
    schema: Spanned<i64>,
    significant_digits: u8,
    pub(super) sentence: Vec<String>,
    pub(super) runtime_sentence: Vec<String>,
    pub(super) plain_runtime: String,
    kind: BTreeMap<Kind, String>,
    precision: BTreeMap<Precision, String>,
    runtime_precision: BTreeMap<Precision, String>,
    layout: BTreeMap<Layout, String>,
}

impl Wording {
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, HardwareError> {
        let located = Located { file, text };
        let wording: Self = parse_toml(&located)?;
        check_schema(&located, &wording.schema)?;
        wording.check().map_err(|problem| HardwareError::Wording { file: file.to_owned(), problem })?;
        Ok(wording)
    }

    fn check(&self) -> Result<(), String> {
        for (name, words, keys) in [
            ("sentence", &self.sentence, &SENTENCE_KEYS[..]),
            ("runtime_sentence", &self.runtime_sentence, &RUNTIME_KEYS[..]),
        ] {
            for key in words.iter().filter_map(|w| split_key(w)).map(|(_, key, _)| key) {
                if !keys.contains(&key) {
                    return Err(format!("{name}: no key {{{key}}}; there are {}", keys.join(", ")));
                }
            }
        }
        let silent =
            |what: &str, missing: bool| if missing { Err(format!("{what}: a word is missing")) } else { Ok(()) };
        silent("kind", Kind::ALL.iter().any(|k| !self.kind.contains_key(k)))?;
        silent("precision", Precision::ALL.iter().any(|p| !self.precision.contains_key(p)))?;
        silent("runtime_precision", Precision::ALL.iter().any(|p| !self.runtime_precision.contains_key(p)))?;
        silent("layout", Layout::ALL.iter().any(|l| !self.layout.contains_key(l)))
    }

    pub(super) fn kind(&self, kind: Kind) -> String {
        self.kind[&kind].clone()
    }

    pub(super) fn precision(&self, precision: Precision) -> String {
        self.precision[&precision].clone()
    }

    pub(super) fn runtime_precision(&self, precision: Precision) -> String {
        self.runtime_precision[&precision].clone()
    }

    pub(super) fn layout(&self, layout: Layout) -> String {
        self.layout[&layout].clone()
    }

    /// A number with at most `significant_digits` digits and no trailing zeros; whole parts are never cut.
    pub(super) fn number(&self, value: f64) -> String {
        let whole_digits = value.abs().log10().floor() as i32 + 1;
        let decimals = (i32::from(self.significant_digits) - whole_digits).clamp(0, 12) as usize;
        let text = format!("{value:.decimals$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

/// Fills the words of a template in; a word whose value is missing or empty is left out.
pub(super) fn render(template: &[String], value: impl Fn(&str) -> Option<String>) -> String {
    let word = |word: &String| match split_key(word) {
        None => Some(word.clone()),
        Some((before, key, after)) => {
            let value = value(key).filter(|v| !v.is_empty())?;
            Some(format!("{before}{value}{after}"))
        }
    };
    template.iter().filter_map(word).collect::<Vec<_>>().join(" ")
}

/// Splits `{watts}W` into what stands before the key, the key, and what stands after it.
fn split_key(word: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = word.split_once('{')?;
    let (key, after) = rest.split_once('}')?;
    Some((before, key, after))
}
