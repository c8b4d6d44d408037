//! Every problem of hardware files; see [`crate::check`].

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::device::{Device, Peaks};
use super::device_file::{Document, Located, read_device, with_key};
use super::error::HardwareError;
use super::precision::Precision;
use super::registry::{Content, HardwareRegistry};
use crate::check::document::{Path, Step};
use crate::check::document::{
    find, find_table, get, insert, key, literal, mend_key, push, remove, replace, string, strings, table,
};
use crate::check::suggest::{brief, for_message, instead, near};
use crate::check::{MAX_PROBLEMS, Problem};
use crate::place::Place;

/// What a check of hardware files found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedHardware {
    /// Every problem, by file in the order given and by place.
    pub problems: Vec<Problem>,
    /// The devices of the files without errors.
    pub devices: Vec<Arc<Device>>,
    /// What was known, and the files without errors.
    pub registry: HardwareRegistry,
}

impl HardwareRegistry {
    /// Checks hardware files, `(name, text)`, on top of what is known: all their problems, not the first alone.
    pub fn check_files(&self, files: &[(String, String)]) -> CheckedHardware {
        let mut checked = CheckedHardware { problems: Vec::new(), devices: Vec::new(), registry: self.clone() };
        let mut devices = Vec::new();
        let mut found: Vec<Vec<Problem>> = files.iter().map(|_| Vec::new()).collect();
        // Profiles of a runtimes file that is refused: devices may name them all the same.
        let mut hinted = checked.registry.clone();
        for (i, (file, text)) in files.iter().enumerate() {
            let located = Located { file, text };
            let (document, errors) = DeTable::parse_recoverable(text);
            found[i].extend(errors.iter().take(MAX_PROBLEMS).map(|e| {
                let place = Place::of(text, e.span().unwrap_or(0..0));
                let message = with_key(text, e);
                Problem::error(file, place, brief(&message).to_owned(), for_message(&message, example))
            }));
            if !errors.is_empty() {
                continue;
            }
            match Content::of(&document) {
                Content::Device => devices.push((i, document)),
                Content::Wording => {
                    let error = HardwareError::ForeignWording { file: file.clone() };
                    let advice = "take the file out; a runtime's words stand in [[framework]] `words`".to_owned();
                    found[i].push(Problem::error(file, Place::of(text, 0..0), bare(&error), advice));
                }
                Content::Runtimes => {
                    let mended = mend(located, document, &mut found[i], |d| {
                        let mut catalogue = hinted.catalogue().clone();
                        catalogue.read(located, d).map(|()| catalogue)
                    });
                    if let Some(catalogue) = mended {
                        *hinted.catalogue_mut() = catalogue.clone();
                        if found[i].is_empty() {
                            *checked.registry.catalogue_mut() = catalogue;
                        }
                    }
                }
            }
        }
        for (i, document) in devices {
            let (file, text) = &files[i];
            let located = Located { file, text };
            // What is wrong with a runtimes file is said once, there; a device that needs it is not used.
            let needs_mended = read_device(located, document.clone(), checked.registry.catalogue()).is_err();
            let device = mend(located, document, &mut found[i], |d| read_device(located, d, hinted.catalogue()));
            let Some(device) = device else { continue };
            found[i].extend(hinted.clashes(&device, located).map(|e| problem(located, &e)));
            let refused = needs_mended || !found[i].is_empty();
            found[i].extend(doubts(&device, located));
            hinted.put(device.clone());
            if !refused {
                checked.registry.put(device.clone());
                checked.devices.push(Arc::new(device));
            }
        }
        for mut problems in found {
            problems.sort_by_key(|p| (p.place.span().start, p.severity));
            checked.problems.append(&mut problems);
        }
        checked
    }
}

/// Reads a document again and again, each time with one problem less.
fn mend<'t, T>(
    located: Located<'t>,
    mut document: Document<'t>,
    problems: &mut Vec<Problem>,
    read: impl Fn(Document<'t>) -> Result<T, HardwareError>,
) -> Option<T> {
    let mut last = None;
    for _ in 0..MAX_PROBLEMS {
        match read(document.clone()) {
            Ok(it) => return Some(it),
            Err(error) => {
                let found = problem(located, &error);
                // What was mended and is wrong again cannot be mended.
                if last.as_ref() == Some(&found.place) && problems.last().is_some_and(|p| p.message == found.message) {
                    return None;
                }
                last = Some(found.place);
                problems.push(found);
                if !mend_one(&mut document, &error) {
                    return None;
                }
            }
        }
    }
    None
}

/// The message without the file's name, which a problem has on its own.
fn bare(error: &HardwareError) -> String {
    let text = error.to_string();
    // `file:line:column: message`, of which some variants lack the numbers.
    let rest = text.split_once(".toml").map_or(text.as_str(), |(_, rest)| rest);
    let rest = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    rest.split("; ").next().unwrap_or(rest).trim().to_owned()
}

fn problem(located: Located<'_>, error: &HardwareError) -> Problem {
    use HardwareError::*;
    let start = || Place::of(located.text, 0..0);
    let (place, message, advice) = match error {
        Syntax { place, message, .. } => {
            (place.unwrap_or_else(start), brief(message).to_owned(), for_message(message, example))
        }
        Schema { place, found, supported, .. } => {
            (*place, format!("schema = {found} cannot be read"), format!("write `schema = {supported}`"))
        }
        Figure { place, field, value, .. } => (
            *place,
            format!("{field} = {value} is not a finite number above zero"),
            "leave an unknown figure out".to_owned(),
        ),
        Text { place, field, value, problem, .. } => {
            let advice = match *field {
                "name" => format!("write `name = \"{}\"`", kebab(value)),
                _ => "write a plain name".to_owned(),
            };
            (*place, format!("{field} = {value:?}: {problem}"), advice)
        }
        MissingSource { place, field, .. } => (
            *place,
            format!("{field} has no source"),
            format!("add {field:?} to the `fields` of the [[source]] that states it, or leave the figure out"),
        ),
        SourceWithoutFigure { place, field, .. } => {
            let advice = match near(field, FIGURES.iter().copied()) {
                Some(figure) if figure != field => format!("did you mean {figure:?}?"),
                _ => "state the figure, or take it out of `fields`".to_owned(),
            };
            (*place, format!("a [[source]] names {field:?}, which is no figure of this file"), advice)
        }
        NoPeakAtAll { .. } => (
            start(),
            "[peak] states no figure".to_owned(),
            "state at least one rate in TFLOP/s or TOP/s, such as `fp16 = 2`".to_owned(),
        ),
        DefaultRuntime { .. } => (
            start(),
            "the device has no default runtime, or two".to_owned(),
            "state one of `default_runtime = \"pytorch2.1-fp32-nchw-eager\"` (a profile's name) and a [runtime] table"
                .to_owned(),
        ),
        UnknownReference { place, field, name, known, .. } => {
            (*place, format!("{field} = {name:?} is unknown"), instead(name, known.iter().map(String::as_str)))
        }
        RuntimeWithoutPeak { place, runtime, precision, figure, .. } => (
            *place,
            format!("runtime {runtime:?} runs in {precision}, but [peak] has no {figure}"),
            format!("state `{figure}` in [peak], or name a runtime of a precision that is there"),
        ),
        Clash { place, name, owner, .. } => {
            (*place, format!("the name {name:?} is taken by {owner}"), "choose another name".to_owned())
        }
        other => (start(), bare(other), "see configs/hardware/README.md".to_owned()),
    };
    Problem::error(located.file, place, message, advice)
}

fn doubts(device: &Device, located: Located<'_>) -> Vec<Problem> {
    let warn = |doubt: super::doubts::Doubt| {
        let word = doubt.field.rsplit('.').next().unwrap_or(doubt.field);
        let at = located.text.match_indices(word).map(|(at, _)| at).find(|&at| starts_key(located.text, at, word));
        let place = Place::of(located.text, at.map_or(0..0, |at| at..at + word.len()));
        Problem::warning(located.file, place, doubt.message, doubt.advice)
    };
    device.doubts().into_iter().map(warn).collect()
}

/// Whether a key begins there.
fn starts_key(text: &str, at: usize, word: &str) -> bool {
    let before = text[..at].rsplit('\n').next().unwrap_or_default();
    before.trim().is_empty() && text[at + word.len()..].trim_start().starts_with('=')
}

fn kebab(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let text = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    if text.is_empty() { "vendor-chip".to_owned() } else { text.chars().take(64).collect() }
}

/// Every figure of a device.
const FIGURES: [&str; 18] = [
    "year",
    "units",
    "clock_mhz",
    "base_clock_mhz",
    "tdp_w",
    "memory_gb",
    "memory_bandwidth_gb_s",
    "l2_cache_mb",
    "l1_kb",
    "launch_overhead_us",
    "peak.fp64",
    "peak.fp32",
    "peak.fp32_vector",
    "peak.tf32",
    "peak.fp16",
    "peak.bf16",
    "peak.int16",
    "peak.int8",
];

/// What a key that is missing could say.
fn example(name: &str) -> Option<&'static str> {
    Some(match name {
        "schema" => "1",
        "name" => "\"acme-one\"",
        "vendor" | "vendor_short" => "\"Acme\"",
        "kind" => "\"npu\"",
        "architecture" => "\"Roadrunner\"",
        "peak" => "{ fp16 = 2 }",
        "fields" => "[\"peak.fp16\", \"tdp_w\"]",
        "title" => "\"Acme One data sheet, 2025\"",
        "publisher" => "\"Acme\"",
        "framework" => "\"pytorch\"",
        "compiler" => "\"eager\"",
        "precision" => "\"fp16\"",
        "layout" => "\"nchw\"",
        "prefix" => "\"acme\"",
        "words" => "\"Acme RT\"",
        "compilers" => "{ acme = \"\" }",
        "version" => "\"1.0\"",
        _ => return None,
    })
}

/// A value that passes every check in the place of one that does not.
fn stand_in(name: &str) -> DeValue<'static> {
    match name {
        "note" | "url" | "derived" => string(""),
        "aliases" | "runtimes" | "fields" => strings(&[]),
        "runtime" => runtime_of("fp32"),
        "kind" => string("npu"),
        _ if FIGURES.iter().any(|f| f.rsplit('.').next() == Some(name)) => literal("1"),
        name => example(name).map_or_else(|| string("x"), literal),
    }
}

fn runtime_of(precision: &str) -> DeValue<'static> {
    table([
        ("framework", string("pytorch")),
        ("compiler", string("eager")),
        ("precision", string(precision)),
        ("layout", string("nchw")),
    ])
}

fn source_of<'t>(field: &str) -> DeValue<'t> {
    table([("fields", strings(&[field])), ("title", string("x")), ("publisher", string("x"))])
}

/// Mends what an error speaks of; `false` if it cannot be.
fn mend_one<'t>(document: &mut Document<'t>, error: &HardwareError) -> bool {
    use HardwareError::*;
    match error {
        Syntax { place, message, .. } => {
            let around = if message.starts_with("missing field") { find_table } else { find };
            let path = place.as_ref().map(|p| around(document, &p.span())).unwrap_or_default();
            mend_shape(document, path, message)
        }
        Schema { .. } => replace(document, &[key("schema")], literal("1")),
        Figure { place, .. } => {
            let path = find(document, &place.span());
            replace(document, &path, literal("1"))
        }
        Text { place, .. } => {
            let path = find(document, &place.span());
            match path.last() {
                Some(Step::Index(_)) => remove(document, &path),
                Some(Step::Key(name)) => {
                    let value = stand_in(name);
                    replace(document, &path, value)
                }
                None => false,
            }
        }
        MissingSource { field, .. } => push(document, "source", source_of(field)),
        SourceWithoutFigure { place, field, .. } => {
            let path = find(document, &place.span());
            match near(field, FIGURES.into_iter().filter(|f| f != field && states(document, f))) {
                Some(figure) => replace(document, &path, string(figure)),
                None => matches!(path.last(), Some(Step::Index(_))) && remove(document, &path),
            }
        }
        NoPeakAtAll { .. } => {
            insert(document, &[key("peak")], "fp32", literal("1")) && push(document, "source", source_of("peak.fp32"))
        }
        DefaultRuntime { .. } => default_runtime(document),
        UnknownReference { place, field, .. } => {
            let path = find(document, &place.span());
            match (*field, path.split_last()) {
                ("runtimes", _) => remove(document, &path),
                ("default_runtime", _) => default_runtime(document),
                (_, Some((_, table))) => {
                    let table = table.to_vec();
                    insert(document, &table, "framework", string("pytorch"))
                        && insert(document, &table, "compiler", string("eager"))
                }
                _ => false,
            }
        }
        RuntimeWithoutPeak { place, .. } => {
            let path = find(document, &place.span());
            match path.first() {
                Some(Step::Key(first)) if first == "runtimes" => remove(document, &path),
                _ => default_runtime(document),
            }
        }
        Clash { place, .. } => {
            // A framework or profile: the whole element goes.
            let path = find(document, &place.span());
            path.len() > 1 && remove(document, &path[..2])
        }
        _ => false,
    }
}

/// Mends what is not even of the right shape.
fn mend_shape(document: &mut Document<'_>, path: Path, message: &str) -> bool {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("missing field") {
        return match quoted {
            "peak" if path.is_empty() => {
                insert(document, &[], "peak", table([("fp32", literal("1"))]))
                    && push(document, "source", source_of("peak.fp32"))
            }
            // A source that does not say of what could be that of any figure.
            "fields" => {
                let stated: Vec<&str> = FIGURES.into_iter().filter(|f| states(document, f)).collect();
                insert(document, &path, "fields", strings(&stated))
            }
            name => insert(document, &path, name, stand_in(name)),
        };
    }
    if message.starts_with("unknown field") {
        return mend_key(document, &path, message);
    }
    match path.last() {
        Some(Step::Index(_)) | None => remove(document, &path),
        Some(Step::Key(name)) => {
            // A value that a stand-in does not help with is taken out.
            let (value, name) = (stand_in(name), name.clone());
            let same = get(document, &path).is_some_and(|v| format!("{:?}", v.get_ref()) == format!("{value:?}"));
            if same { name != "schema" && remove(document, &path) } else { replace(document, &path, value) }
        }
    }
}

/// Whether a device's file states a figure.
fn states(document: &Document<'_>, figure: &str) -> bool {
    let path: Path = figure.split('.').map(key).collect();
    get(document, &path).is_some()
}

/// A default runtime of a precision that the device has.
fn default_runtime(document: &mut Document<'_>) -> bool {
    let peak = document.get_ref().get("peak").and_then(|p| p.get_ref().as_table());
    let has = |p: &Precision| peak.is_some_and(|peak| peak.contains_key(Peaks::field(*p)));
    let Some(precision) = Precision::ALL.into_iter().find(has) else { return false };
    remove(document, &[key("default_runtime")]);
    insert(document, &[], "runtime", runtime_of(precision.name()))
}
