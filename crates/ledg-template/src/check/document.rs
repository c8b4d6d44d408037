//! A file's TOML as a tree with places that can be changed: finding what stands at a place, and mending it.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::suggest::near;

/// A file's TOML.
pub(crate) type Document<'t> = Spanned<DeTable<'t>>;

/// The place of what was filled in, where no error of the file's own points.
const NOWHERE: Range<usize> = usize::MAX - 1..usize::MAX;

/// One step from a table or array to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way to a value from the root.
pub(crate) type Path = Vec<Step>;

/// The way that these words and numbers spell.
pub(crate) fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// The value, or the key's value, that the span belongs to: the smallest part of the document around it. The root, which
/// is the empty path, if there is none.
pub(crate) fn find(document: &Document<'_>, span: &Range<usize>) -> Path {
    let mut best: (usize, Path) = (usize::MAX, Vec::new());
    walk_table(document.get_ref(), &mut Vec::new(), &mut |found, path| {
        let around = found.start <= span.start && span.end <= found.end;
        if around && found.len() <= best.0 {
            best = (found.len(), path.to_vec());
        }
    });
    best.1
}

fn walk_table(table: &DeTable<'_>, path: &mut Path, see: &mut impl FnMut(Range<usize>, &[Step])) {
    for (name, value) in table {
        path.push(Step::Key(name.get_ref().to_string()));
        see(name.span(), path);
        walk(value, path, see);
        path.pop();
    }
}

fn walk(value: &Spanned<DeValue<'_>>, path: &mut Path, see: &mut impl FnMut(Range<usize>, &[Step])) {
    see(value.span(), path);
    match value.get_ref() {
        DeValue::Table(table) => walk_table(table, path, see),
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push(Step::Index(i));
                walk(item, path, see);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The table that the span belongs to, as [`find`].
pub(crate) fn find_table(document: &Document<'_>, span: &Range<usize>) -> Path {
    let mut path = find(document, span);
    while get(document, &path).is_some_and(|value| !value.get_ref().is_table()) {
        path.pop();
    }
    path
}

/// The value at the end of a path.
pub(crate) fn get<'d, 't>(document: &'d Document<'t>, path: &[Step]) -> Option<&'d Spanned<DeValue<'t>>> {
    let (first, rest) = path.split_first()?;
    let Step::Key(first) = first else { return None };
    let mut value = document.get_ref().get(first.as_str())?;
    for step in rest {
        value = match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str())?,
            (Step::Index(i), DeValue::Array(items)) => items.get(*i)?,
            _ => return None,
        };
    }
    Some(value)
}

/// The text at the end of a path.
pub(crate) fn text_at<'d>(document: &'d Document<'_>, path: &[Step]) -> Option<&'d str> {
    get(document, path)?.get_ref().as_str()
}

/// The table at the end of a path; the root for the empty one.
pub(crate) fn table_mut<'d, 't>(document: &'d mut Document<'t>, path: &[Step]) -> Option<&'d mut DeTable<'t>> {
    let mut table = document.get_mut();
    let mut steps = path.iter();
    while let Some(step) = steps.next() {
        let Step::Key(name) = step else { return None };
        let mut value = table.get_mut(name.as_str())?.get_mut();
        // `[[source]]` is an array, of which the next step names an element.
        while let DeValue::Array(items) = value {
            let Some(Step::Index(i)) = steps.next() else { return None };
            value = items.get_mut(*i)?.get_mut();
        }
        let DeValue::Table(inner) = value else { return None };
        table = inner;
    }
    Some(table)
}

/// Takes a key or an element out; whether it was there.
pub(crate) fn remove(document: &mut Document<'_>, path: &[Step]) -> bool {
    let Some((last, parent)) = path.split_last() else { return false };
    match last {
        Step::Key(name) => table_mut(document, parent).is_some_and(|t| t.remove(name.as_str()).is_some()),
        Step::Index(i) => {
            let Some((Step::Key(name), outer)) = parent.split_last() else { return false };
            let Some(value) = table_mut(document, outer).and_then(|t| t.get_mut(name.as_str())) else { return false };
            let DeValue::Array(items) = value.get_mut() else { return false };
            let before = items.len();
            *items = std::mem::replace(items, DeArray::new())
                .into_iter()
                .enumerate()
                .filter(|(k, _)| k != i)
                .map(|(_, v)| v)
                .collect();
            items.len() < before
        }
    }
}

/// Gives a key another name, unless that is taken; whether it has it now.
pub(crate) fn rename(document: &mut Document<'_>, path: &[Step], name: &str) -> bool {
    let Some((Step::Key(old), parent)) = path.split_last() else { return false };
    let Some(table) = table_mut(document, parent).filter(|t| !t.contains_key(name)) else { return false };
    let Some((key, value)) = table.remove_entry(old.as_str()) else { return false };
    table.insert(Spanned::new(key.span(), Cow::Owned(name.to_owned())), value);
    true
}

/// Mends a key that does not exist: it gets the name that is meant, as far as that can be told, else it goes.
pub(crate) fn mend_key(document: &mut Document<'_>, path: &[Step], message: &str) -> bool {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let meant = quoted.split_first().and_then(|(name, known)| near(name, known.iter().copied()));
    meant.is_some_and(|name| rename(document, path, name)) || remove(document, path)
}

/// Puts another value in a place, which keeps its span; whether the place exists.
pub(crate) fn replace<'t>(document: &mut Document<'t>, path: &[Step], value: DeValue<'t>) -> bool {
    let Some((last, parent)) = path.split_last() else { return false };
    let place = match last {
        Step::Key(name) => table_mut(document, parent).and_then(|t| t.get_mut(name.as_str())),
        Step::Index(i) => {
            let Some((Step::Key(name), outer)) = parent.split_last() else { return false };
            let value = table_mut(document, outer).and_then(|t| t.get_mut(name.as_str()));
            value.and_then(|v| match v.get_mut() {
                DeValue::Array(items) => items.get_mut(*i),
                _ => None,
            })
        }
    };
    place.map(|place| *place.get_mut() = value).is_some()
}

/// Adds or replaces a key of a table; whether the table exists.
pub(crate) fn insert<'t>(document: &mut Document<'t>, table: &[Step], name: &str, value: DeValue<'t>) -> bool {
    let named: Spanned<DeString<'t>> = Spanned::new(NOWHERE, Cow::Owned(name.to_owned()));
    table_mut(document, table).map(|t| t.insert(named, Spanned::new(NOWHERE, value))).is_some()
}

/// Adds an element to an array of the root, which is made if it is not there.
pub(crate) fn push<'t>(document: &mut Document<'t>, name: &str, value: DeValue<'t>) -> bool {
    let value = Spanned::new(NOWHERE, value);
    match document.get_mut().get_mut(name).map(Spanned::get_mut) {
        Some(DeValue::Array(items)) => items.push(value),
        Some(_) => return false,
        None => return insert(document, &[], name, DeValue::Array(std::iter::once(value).collect())),
    }
    true
}

/// A string as a value.
pub(crate) fn string<'t>(text: &str) -> DeValue<'t> {
    DeValue::String(Cow::Owned(text.to_owned()))
}

/// A value as TOML writes it; for texts of this crate, an empty string stands for one that is none.
pub(crate) fn literal(text: &'static str) -> DeValue<'static> {
    DeValue::parse(text).map_or_else(|_| string(""), Spanned::into_inner)
}

/// A table as a value.
pub(crate) fn table<'t>(entries: impl IntoIterator<Item = (&'static str, DeValue<'t>)>) -> DeValue<'t> {
    let entry =
        |(name, value): (&'static str, DeValue<'t>)| (Spanned::new(NOWHERE, name.into()), Spanned::new(NOWHERE, value));
    DeValue::Table(entries.into_iter().map(entry).collect())
}

/// An array of strings as a value.
pub(crate) fn strings<'t>(texts: &[&str]) -> DeValue<'t> {
    DeValue::Array(texts.iter().map(|t| Spanned::new(NOWHERE, string(t))).collect::<DeArray<'t>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[peak]\nfp16 = 2\n[[source]]\nfields = [\"x\", \"y\"]\n[[source]]\ntitle = \"t\"\n";

    fn document() -> Document<'static> {
        DeTable::parse(TEXT).unwrap()
    }

    fn found(what: &str) -> String {
        let at = TEXT.find(what).unwrap();
        let path = find(&document(), &(at..at + what.len()));
        let step = |s: &Step| match s {
            Step::Key(k) => k.clone(),
            Step::Index(i) => i.to_string(),
        };
        path.iter().map(step).collect::<Vec<_>>().join(".")
    }

    #[test]
    fn a_place_belongs_to_the_smallest_part_around_it() {
        assert_eq!(found("1"), "a");
        assert_eq!(found("fp16"), "peak.fp16");
        assert_eq!(found("\"y\""), "source.0.fields.1");
        assert_eq!(found("\"t\""), "source.1.title");
        assert_eq!(found("[peak]"), "peak");
    }

    #[test]
    fn parts_are_taken_out_replaced_and_added() {
        let mut d = document();
        let fields = [key("source"), Step::Index(0), key("fields")];
        assert!(remove(&mut d, &[&fields[..], &[Step::Index(0)]].concat()));
        assert!(remove(&mut d, &[key("a")]) && !remove(&mut d, &[key("a")]));
        assert!(replace(&mut d, &[key("peak"), key("fp16")], literal("2.5")));
        assert!(insert(&mut d, &[key("source"), Step::Index(1)], "fields", strings(&["z"])));
        assert!(push(&mut d, "source", table([("title", string("new"))])) && push(&mut d, "fresh", literal("1")));
        let plain: toml::Table = serde::Deserialize::deserialize(toml::Deserializer::from(d)).unwrap();
        let want = "fresh = [1]\n[peak]\nfp16 = 2.5\n[[source]]\nfields = [\"y\"]\n\
            [[source]]\ntitle = \"t\"\nfields = [\"z\"]\n[[source]]\ntitle = \"new\"\n";
        assert_eq!(plain, want.parse().unwrap());
    }
}
