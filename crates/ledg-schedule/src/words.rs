//! The sentences of `configs/templates/schedule.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use once_cell::sync::OnceCell;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::{Result, ScheduleError};
use crate::numbers::SCHEDULE_SCHEMA;

const ORIGIN: &str = "configs/templates/schedule.toml";
static BUILTIN: &str = include_str!("../../../configs/templates/schedule.toml");

/// Longest word of a sentence that comes from outside, and most of them.
const MAX_WORD: usize = 24;
const MAX_WORDS: usize = 8;

/// What primitives, loops and blocks are called.
///
/// ```
/// use ledg_schedule::ScheduleWords;
///
/// // Sentences of one's own stand in a file of the same form; a model is bound to them by their fingerprint.
/// let own = r#"
///     schema = 5
///     [primitive.split]
///     sentence = "cut in {parts}"
///     [loop]
///     sentence = "loop {kind} {mark}"
///     [block]
///     sentence = "block {role}"
///     [operator]
///     sentence = "{name}""#;
/// let words = ScheduleWords::from_toml("own.toml", own)?;
/// assert_ne!(words.fingerprint(), ScheduleWords::builtin()?.fingerprint());
///
/// let error = ScheduleWords::from_toml("own.toml", &own.replace("{role}", "{roll}")).unwrap_err();
/// assert_eq!(error.to_string(), "own.toml: block: there is no field {roll}, there are role");
/// # Ok::<(), ledg_schedule::ScheduleError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScheduleWords {
    primitives: BTreeMap<String, Primitive>,
    looped: String,
    block: String,
    operator: String,
    fingerprint: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Primitive {
    #[serde(default)]
    pub sentence: String,
    #[serde(default)]
    pub lookup: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWire {
    schema: u32,
    primitive: BTreeMap<String, Primitive>,
    #[serde(rename = "loop")]
    looped: Sentence,
    block: Sentence,
    operator: Sentence,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    sentence: String,
}

impl ScheduleWords {
    /// The sentences that are compiled in.
    ///
    /// # Errors
    /// None in a released library: a test reads them.
    pub fn builtin() -> Result<&'static ScheduleWords> {
        static WORDS: OnceCell<ScheduleWords> = OnceCell::new();
        if let Some(words) = WORDS.get() {
            return Ok(words);
        }
        let words = ScheduleWords::from_toml(ORIGIN, BUILTIN)?;
        Ok(WORDS.get_or_init(|| words))
    }

    /// Reads sentences; `origin` names them in errors.
    ///
    /// # Errors
    /// [`ScheduleError::Words`].
    pub fn from_toml(origin: &str, text: &str) -> Result<ScheduleWords> {
        let bad = |why: String| ScheduleError::Words { origin: origin.to_owned(), why };
        let file: FileWire = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        if file.schema != SCHEDULE_SCHEMA {
            return Err(bad(format!("`schema` is {}, this library reads {SCHEDULE_SCHEMA}", file.schema)));
        }
        let fields = |what: String, sentence: &str, known: &[&str]| {
            let mut rest = sentence;
            while let Some((_, after)) = rest.split_once('{') {
                let (field, after) = after.split_once('}').ok_or_else(|| bad(format!("{what}: `{{` without `}}`")))?;
                if !known.contains(&field) {
                    return Err(bad(format!("{what}: there is no field {{{field}}}, there are {}", known.join(", "))));
                }
                rest = after;
            }
            Ok(())
        };
        for (name, primitive) in &file.primitive {
            if primitive.lookup != primitive.sentence.is_empty() {
                return Err(bad(format!("primitive `{name}`: it has either a `sentence` or `lookup = true`")));
            }
            fields(format!("primitive `{name}`"), &primitive.sentence, &["parts", "loops", "kind", "key"])?;
        }
        fields("loop".into(), &file.looped.sentence, &["kind", "mark"])?;
        fields("block".into(), &file.block.sentence, &["role"])?;
        fields("operator".into(), &file.operator.sentence, &["name"])?;
        let digest = Sha256::new().chain_update(SCHEDULE_SCHEMA.to_le_bytes()).chain_update(text).finalize();
        let fingerprint = digest.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(ScheduleWords {
            primitives: file.primitive,
            looped: file.looped.sentence,
            block: file.block.sentence,
            operator: file.operator.sentence,
            fingerprint,
        })
    }

    /// Hash of the sentences and of the schema of the numbers: SHA-256 in 64 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn primitive(&self, name: &str) -> Option<&Primitive> {
        self.primitives.get(name)
    }

    pub(crate) fn of_loop(&self, kind: &str, mark: &str) -> String {
        fill(&self.looped, &[("kind", kind), ("mark", mark)])
    }

    pub(crate) fn of_block(&self, role: &str) -> String {
        fill(&self.block, &[("role", role)])
    }

    pub(crate) fn of_operator(&self, name: &str) -> String {
        fill(&self.operator, &[("name", &in_words(name))])
    }
}

/// Fills the fields of a sentence; one that is empty takes its space with it.
pub(crate) fn fill(sentence: &str, fields: &[(&str, &str)]) -> String {
    let (mut text, mut gap) = (String::with_capacity(64), false);
    let mut put = |part: &str| {
        for c in part.chars() {
            if c.is_whitespace() {
                gap = true;
                continue;
            }
            if gap && !text.is_empty() {
                text.push(' ');
            }
            gap = false;
            text.push(c);
        }
    };
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        put(before);
        put(fields.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value));
        rest = after;
    }
    put(rest);
    text
}

/// `T_softmax_exp_1` as `T softmax exp`: words without the numbers that tell copies apart.
pub(crate) fn in_words(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|w| w.chars().any(|c| c.is_ascii_alphabetic())).take(MAX_WORDS);
    let cut: Vec<String> = words.map(|w| w.chars().take(MAX_WORD).collect()).collect();
    if cut.is_empty() { "block".to_owned() } else { cut.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_sentences_are_read_and_wrong_ones_refused() {
        let words = ScheduleWords::builtin().unwrap();
        assert_eq!(words.of_loop("spatial", ""), "Loop spatial");
        assert_eq!(words.of_operator("T_softmax_exp_1"), "Operator T softmax exp");
        let check = |from: &str, to: &str, why: &str| {
            let error = ScheduleWords::from_toml("s.toml", &BUILTIN.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        check("{kind}\"", "{kid}\"", "there is no field {kid}");
        check("schema = 5", "schema = 7", "`schema` is 7");
        check("lookup = true", "lookup = false", "it has either a `sentence` or `lookup = true`");
        check("\n[loop]", "\n[loops]", "unknown field `loops`");
    }
}
