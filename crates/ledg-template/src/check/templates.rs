//! Every problem of template files; see [`crate::check`].

use toml::de::{DeTable, DeValue};

use super::document::{
    Document, Path, Step, find, find_table, get, insert, key, literal, mend_key, remove, replace, string, strings,
    text_at,
};
use super::suggest::{brief, for_message, instead};
use super::{MAX_PROBLEMS, Problem};
use crate::dims::OpDims;
use crate::error::TemplateError;
use crate::operator::FileWire;
use crate::place::Place;
use crate::set::TemplateSet;

/// What a check of template files found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedTemplates {
    /// Every problem, by file in the order given and by place.
    pub problems: Vec<Problem>,
    /// The set with the files without errors.
    pub set: TemplateSet,
    /// The operators that these files declare, in order.
    pub operators: Vec<String>,
}

impl TemplateSet {
    /// Checks template files, `(name, text)`, on top of this set: all their problems, not the first alone.
    pub fn check_files(&self, files: &[(String, String)]) -> CheckedTemplates {
        let mut checked = CheckedTemplates { problems: Vec::new(), set: self.clone(), operators: Vec::new() };
        // What a refused file declares may be named by the next one all the same.
        let mut hinted = self.clone();
        for (file, text) in files {
            let mut problems = Vec::new();
            if let Some(grown) = mended(&hinted, file, text, &mut problems) {
                hinted = grown;
            }
            if problems.is_empty()
                && let Ok(grown) = checked.set.clone().with_toml(file, text)
            {
                let n = checked.set.operator_names().count();
                checked.operators.extend(grown.operator_names().skip(n).map(str::to_owned));
                checked.set = grown;
            }
            problems.sort_by_key(|p: &Problem| p.place.span().start);
            checked.problems.append(&mut problems);
        }
        checked
    }
}

/// The set with a file, read again and again, each time with one problem less.
fn mended(base: &TemplateSet, file: &str, text: &str, problems: &mut Vec<Problem>) -> Option<TemplateSet> {
    let (mut document, errors) = DeTable::parse_recoverable(text);
    problems.extend(errors.iter().take(MAX_PROBLEMS).map(|e| toml_problem(file, text, e)));
    if !errors.is_empty() {
        return None;
    }
    for _ in 0..MAX_PROBLEMS {
        let wire: Result<FileWire, toml::de::Error> =
            serde::Deserialize::deserialize(toml::Deserializer::from(document.clone()));
        let wire = match wire {
            Ok(wire) => wire,
            Err(error) => {
                problems.push(toml_problem(file, text, &error));
                let around = if error.message().starts_with("missing field") { find_table } else { find };
                let path = error.span().map(|span| around(&document, &span)).unwrap_or_default();
                if !mend_shape(&mut document, &path, error.message()) {
                    return None;
                }
                continue;
            }
        };
        let mut set = base.clone();
        match set.add_file(file, &wire) {
            Ok(()) => return Some(set),
            Err(error) => {
                let path = culprit(&document, &error).unwrap_or_default();
                problems.push(problem(file, text, &document, &path, &error));
                if !mend_one(&mut document, &path, &error) {
                    return None;
                }
            }
        }
    }
    None
}

fn toml_problem(file: &str, text: &str, error: &toml::de::Error) -> Problem {
    let place = Place::of(text, error.span().unwrap_or(0..0));
    let message = error.message().to_owned();
    Problem::error(file, place, brief(&message).to_owned(), for_message(&message, example))
}

/// The way to what an error speaks of.
fn culprit(document: &Document<'_>, error: &TemplateError) -> Option<Path> {
    use TemplateError::*;
    match error {
        Schema { .. } => Some(vec![key("schema")]),
        Clash { what: "operator", name, .. } => named(document, "operator", "op", name).pop(),
        Clash { what, name, .. } => named(document, what, "name", name).pop(),
        BadName { what: "operator", name, .. } => named(document, "operator", "op", name).into_iter().next(),
        BadName { what, name, .. } => named(document, what, "name", name).into_iter().next(),
        Formula { op, field, formula, .. } => of_operator(document, op, &[field], formula),
        UnknownVariable { op, field, variable, .. } => {
            let says = |path: &Path| text_at(document, path).is_some_and(|text| text.contains(variable.as_str()));
            keys_of(document, op, &[field]).find(says)
        }
        Sentence { op, sentence, .. } => of_operator(document, op, &["sentence"], sentence),
        UnknownClass { op, class, .. } => of_operator(document, op, &["class", "class_without_weight"], class),
        Fusion { fusion, .. } => named(document, "fusion", "name", fusion).pop(),
        _ => None,
    }
}

/// The keys of all operators of that first name.
fn keys_of<'a>(document: &'a Document<'_>, op: &str, keys: &'a [&str]) -> impl Iterator<Item = Path> + 'a {
    let operators = named(document, "operator", "op", op);
    operators.into_iter().flat_map(move |path| keys.iter().map(move |k| [&path[..2], &[key(k)]].concat()))
}

fn of_operator(document: &Document<'_>, op: &str, keys: &[&str], value: &str) -> Option<Path> {
    keys_of(document, op, keys).find(|path| text_at(document, path) == Some(value))
}

/// The ways to the names (`op`, or an element of `op`) of all elements of an array that have this name.
fn named(document: &Document<'_>, array: &str, name_key: &str, name: &str) -> Vec<Path> {
    let elements = document.get_ref().get(array).and_then(|v| v.get_ref().as_array());
    let mut found = Vec::new();
    for (i, _) in elements.into_iter().flat_map(|e| e.iter()).enumerate() {
        let path = vec![key(array), Step::Index(i), key(name_key)];
        match get(document, &path).map(|v| v.get_ref()) {
            Some(DeValue::String(text)) if text == name => found.push(path),
            Some(DeValue::Array(names)) if names.is_empty() && name.is_empty() => found.push(path),
            Some(DeValue::Array(names)) => {
                let at = names.iter().position(|n| n.get_ref().as_str() == Some(name));
                found.extend(at.map(|k| [&path[..], &[Step::Index(k)]].concat()));
            }
            _ => {}
        }
    }
    found
}

fn problem(file: &str, text: &str, document: &Document<'_>, path: &[Step], error: &TemplateError) -> Problem {
    use TemplateError::*;
    let span = get(document, path).map_or(0..0, |v| v.span());
    // The part of a value that is meant, such as one word of a formula.
    let part = |word: &str| {
        let at = text.get(span.clone()).and_then(|value| value.find(word));
        at.map_or(span.clone(), |at| span.start + at..span.start + at + word.len())
    };
    let (span, message, advice) = match error {
        Schema { found, expected, .. } => {
            (span, format!("schema = {found} cannot be read"), format!("write `schema = {expected}`"))
        }
        Clash { what, name, first, .. } => (
            span,
            format!("{what} `{name}` is already declared in {first}"),
            match *what {
                "operator" => "nothing is overridden: put your domain before the name, such as `com.acme.NAME`".to_owned(),
                _ => "nothing is overridden: choose another name".to_owned(),
            },
        ),
        BadName { what, name, why, .. } => {
            (span, format!("{what} `{name}`: {why}"), "use letters, digits and underscores".to_owned())
        }
        Formula { field, why, .. } => (
            span,
            format!("`{field}` is no formula: {why}"),
            "use numbers, + - * / ^, parentheses, max(a, b), min(a, b), sqrt, ln, log2, exp, ceil, floor, round and the \
             variables of configs/templates/README.md"
                .to_owned(),
        ),
        UnknownVariable { field, variable, .. } => (
            part(variable),
            format!("`{field}`: there is no variable `{variable}`"),
            instead(variable, OpDims::VARIABLES.iter().map(|v| v.name)),
        ),
        Sentence { why, .. } => {
            let (what, advice) = why.split_once(", did you mean ").map_or((why.as_str(), None), |(w, a)| (w, Some(a)));
            let advice = advice.map_or("see Sentences in configs/templates/README.md".to_owned(), |a| format!("did you mean {a}"));
            (span, format!("`sentence`: {what}"), advice)
        }
        UnknownClass { class, suggestion, .. } => {
            (span, format!("class `{class}` is not declared"), format!("did you mean `{suggestion}`? Or declare it with [[class]]"))
        }
        Fusion { fusion, line, why, .. } => {
            let at = line.as_ref().and_then(|l| text.find(l.lines().next().unwrap_or(l)).map(|at| at..at + l.len()));
            let line = line.as_ref().map(|l| format!("`{l}`: ")).unwrap_or_default();
            (at.unwrap_or(span), format!("fusion `{fusion}`: {line}{why}"), "see Fusions in configs/templates/README.md".to_owned())
        }
        other => (span, other.to_string(), "see configs/templates/README.md".to_owned()),
    };
    Problem::error(file, Place::of(text, span), message, advice)
}

/// What a key that is missing could say.
fn example(name: &str) -> Option<&'static str> {
    Some(match name {
        "schema" => "1",
        "op" => "\"com.acme.FusedOp\"",
        "class" => "\"Elem\"",
        "sentence" => "\"FusedOp\"",
        "dims" => "\"elementwise\"",
        "name" => "\"Mine\"",
        "doc" => "\"What the class is for.\"",
        "inputs" => "[\"x\"]",
        "patterns" => "[\"y = com.acme.Op(x)\"]",
        _ => return None,
    })
}

fn stand_in(name: &str) -> DeValue<'static> {
    match name {
        "macs" | "flops" | "read" | "write" | "weights" | "params" => string("1"),
        "fixed" => literal("false"),
        "operands" => literal("[0, 1]"),
        "patterns" | "inputs" => strings(&[]),
        name => example(name).map_or_else(|| string("x"), literal),
    }
}

fn mend_shape(document: &mut Document<'_>, path: &[Step], message: &str) -> bool {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("missing field") {
        // An operator or fusion without a name cannot be told from others: it goes as a whole.
        return match quoted {
            "op" | "name" | "patterns" => path.len() > 1 && remove(document, &path[..2]),
            name => insert(document, path, name, stand_in(name)),
        };
    }
    if message.starts_with("unknown field") {
        return mend_key(document, path, message);
    }
    match path.last() {
        Some(Step::Key(name)) if !matches!(name.as_str(), "op" | "name" | "patterns") => {
            let value = stand_in(name);
            let same = get(document, path).is_some_and(|v| format!("{:?}", v.get_ref()) == format!("{value:?}"));
            !same && replace(document, path, value)
        }
        _ => path.len() > 1 && remove(document, &path[..2]),
    }
}

fn mend_one(document: &mut Document<'_>, path: &[Step], error: &TemplateError) -> bool {
    use TemplateError::*;
    match error {
        Schema { .. } => replace(document, path, literal("1")),
        Formula { .. } | UnknownVariable { .. } => replace(document, path, string("1")),
        Sentence { .. } => replace(document, path, string("X")),
        UnknownClass { .. } => replace(document, path, string("Elem")),
        // One of several names goes alone.
        Clash { .. } | BadName { .. } if path.len() > 3 => {
            let (list, _) = path.split_at(3);
            let left = get(document, list).and_then(|v| v.get_ref().as_array()).map_or(0, |a| a.len());
            if left > 1 { remove(document, path) } else { remove(document, &path[..2]) }
        }
        Clash { .. } | BadName { .. } | Fusion { .. } => path.len() > 1 && remove(document, &path[..2]),
        _ => false,
    }
}
