//! The sentence mini-language: words, `{field}`s, and `[segments]` that vanish while a field in them is at its default.
//!
//! `Conv {kernel} [stride {stride}]` gives `Conv 3` or `Conv 3 stride 2`. The class indicator is put before the sentence
//! by the caller. **Invariant:** no field prints a shape or a channel count: sentences stay few, magnitudes are numbers.

use std::fmt::Write;

use ledg_graph::Attr;

use crate::error::{TemplateError, closest};
use crate::extract::{Axes, Facts, Operand};

/// What a `{field}` prints. Documented in `configs/templates/README.md`.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Kernel,
    Stride,
    Dilation,
    Groups,
    Depthwise,
    Spatial,
    Operand,
    Axes,
    Perm,
    Parts,
    DType,
    Directions,
    /// An attribute of the node by its name.
    Attr(String),
}

const FIELDS: [(&str, Field); 12] = [
    ("kernel", Field::Kernel),
    ("stride", Field::Stride),
    ("dilation", Field::Dilation),
    ("groups", Field::Groups),
    ("depthwise", Field::Depthwise),
    ("spatial", Field::Spatial),
    ("operand", Field::Operand),
    ("axes", Field::Axes),
    ("perm", Field::Perm),
    ("parts", Field::Parts),
    ("dtype", Field::DType),
    ("directions", Field::Directions),
];

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Word(String),
    Field(Field),
}

/// A segment is printed whole or, if optional and a field in it is at its default, not at all.
#[derive(Debug, Clone, PartialEq)]
struct Segment {
    optional: bool,
    pieces: Vec<Piece>,
}

/// A parsed sentence template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sentence(Vec<Segment>);

impl Sentence {
    /// Parses a template; `origin` and `op` are for messages.
    pub fn parse(text: &str, origin: &str, op: &str) -> Result<Sentence, TemplateError> {
        parse(text).map(Sentence).map_err(|why| TemplateError::Sentence {
            origin: origin.to_owned(),
            op: op.to_owned(),
            sentence: text.to_owned(),
            why,
        })
    }

    /// Appends the sentence for an operation, each word after a space.
    pub fn render(&self, facts: &Facts<'_>, out: &mut String) {
        for segment in &self.0 {
            let start = out.len();
            for piece in &segment.pieces {
                let before = out.len();
                out.push(' ');
                let default = match piece {
                    Piece::Word(word) => {
                        out.push_str(word);
                        false
                    }
                    Piece::Field(field) => field.render(facts, out),
                };
                if default && segment.optional {
                    out.truncate(start);
                    break;
                }
                if out.len() == before + 1 {
                    out.truncate(before);
                }
            }
        }
    }
}

fn parse(text: &str) -> Result<Vec<Segment>, String> {
    let mut segments = vec![Segment { optional: false, pieces: Vec::new() }];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let optional = segments.last().is_some_and(|s| s.optional);
        let end = match first {
            '[' if optional => return Err("`[` inside `[ ]`: optional segments do not nest".into()),
            '[' | ']' => {
                if first == ']' {
                    let done = segments.last().filter(|s| s.optional).ok_or("`]` without `[`")?;
                    if !done.pieces.iter().any(|p| matches!(p, Piece::Field(_))) {
                        return Err("an optional segment without a {field} could never vanish".into());
                    }
                }
                segments.push(Segment { optional: first == '[', pieces: Vec::new() });
                1
            }
            '{' => {
                let end = rest.find('}').ok_or("`{` without `}`")?;
                let field = field(&rest[1..end])?;
                segments.last_mut().into_iter().for_each(|s| s.pieces.push(Piece::Field(field.clone())));
                end + 1
            }
            '}' => return Err("`}` without `{`".into()),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "[]{}".contains(c)).unwrap_or(rest.len());
                segments.last_mut().into_iter().for_each(|s| s.pieces.push(Piece::Word(rest[..end].to_owned())));
                end
            }
        };
        rest = rest[end..].trim_start();
    }
    if segments.last().is_some_and(|s| s.optional) {
        return Err("`[` without `]`".into());
    }
    segments.retain(|s| !s.pieces.is_empty());
    if segments.is_empty() { Err("a sentence needs at least one word".into()) } else { Ok(segments) }
}

fn field(name: &str) -> Result<Field, String> {
    if let Some(attr) = name.strip_prefix("attr:") {
        return if attr.is_empty() {
            Err("{attr:} names no attribute".into())
        } else {
            Ok(Field::Attr(attr.to_owned()))
        };
    }
    FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone()).ok_or_else(|| {
        let near = closest(name, FIELDS.iter().map(|(known, _)| *known));
        format!("there is no field {{{name}}}, did you mean {{{near}}}?")
    })
}

impl Field {
    /// Appends the field's text; whether it is at its default.
    fn render(&self, facts: &Facts<'_>, out: &mut String) -> bool {
        match self {
            Field::Kernel => sizes(&facts.kernel, out),
            Field::Stride => sizes(&facts.strides, out),
            Field::Dilation => sizes(&facts.dilations, out),
            Field::Groups => {
                number(facts.dims.groups as u64, out);
                facts.dims.groups <= 1.0 || facts.dims.depthwise > 0.0
            }
            Field::Depthwise => word(if facts.dims.depthwise > 0.0 { "depthwise" } else { "" }, out),
            Field::Spatial => match facts.kernel.len() {
                1 => word("1d", out),
                3 => word("3d", out),
                _ => true,
            },
            Field::Operand => word(
                match facts.operand {
                    Operand::Same => "",
                    Operand::Scalar => "scalar",
                    Operand::Weight => "weight",
                    Operand::Broadcast => "broadcast",
                },
                out,
            ),
            Field::Axes => match &facts.axes {
                Axes::None => true,
                Axes::Last => {
                    out.push_str("last");
                    true
                }
                Axes::Channel => word("channel", out),
                Axes::Spatial => word("spatial", out),
                Axes::All => word("all", out),
                Axes::Other(axes) => list(axes.iter(), out),
            },
            Field::Perm => match facts.node.attrs.ints("perm") {
                Some(perm) => list(perm.iter(), out),
                None => word("reversed", out),
            },
            Field::Parts => {
                number(facts.node.outputs.len() as u64, out);
                facts.node.outputs.len() == 1
            }
            Field::DType => {
                let dtype = facts.node.outputs.first().map(|&v| facts.graph.value(v).dtype);
                word(dtype.map_or("", |d| d.name()), out)
            }
            Field::Directions => word(if facts.dims.directions > 1.0 { "bidirectional" } else { "" }, out),
            Field::Attr(name) => match facts.node.attrs.get(name) {
                None => true,
                Some(Attr::Str(text)) => word(text, out),
                Some(Attr::Int(v)) => list([v].into_iter(), out),
                Some(Attr::Ints(v)) => list(v.iter(), out),
                Some(Attr::Float(v)) => list([v].into_iter(), out),
                // Lists of numbers or strings are no words; a template that asks for them gets nothing.
                Some(_) => true,
            },
        }
    }
}

/// Sentences have a bounded length whatever a graph holds: lists and words from outside are cut.
const MAX_LIST: usize = 8;
const MAX_WORD: usize = 32;

/// Appends a word; the empty word is the default.
pub(crate) fn word(text: &str, out: &mut String) -> bool {
    out.extend(text.chars().take(MAX_WORD));
    text.is_empty()
}

fn number(v: u64, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{v}");
}

/// Appends `3` for 3x3, `3x1` for uneven sizes; all ones are the default.
fn sizes(sizes: &[u64], out: &mut String) -> bool {
    match sizes {
        [] => number(1, out),
        [first, rest @ ..] if rest.iter().all(|s| s == first) => number(*first, out),
        [first, rest @ ..] => {
            number(*first, out);
            for size in rest.iter().take(MAX_LIST) {
                out.push('x');
                number(*size, out);
            }
        }
    }
    sizes.iter().all(|&s| s == 1)
}

/// Appends values separated by spaces; no values are the default.
fn list<T: std::fmt::Display>(values: impl ExactSizeIterator<Item = T>, out: &mut String) -> bool {
    let empty = values.len() == 0;
    for (i, v) in values.take(MAX_LIST).enumerate() {
        let _ = write!(out, "{}{v}", if i > 0 { " " } else { "" });
    }
    empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_sentences_are_refused() {
        let check = |text, why: &str| {
            let error = Sentence::parse(text, "t.toml", "Op").expect_err(text);
            assert_eq!(error.to_string(), format!("t.toml: operator `Op`, `sentence`: `{text}`: {why}"));
        };
        check("", "a sentence needs at least one word");
        check("A [b", "`[` without `]`");
        check("A b]", "`]` without `[`");
        check("A [b [c]]", "`[` inside `[ ]`: optional segments do not nest");
        check("A [b]", "an optional segment without a {field} could never vanish");
        check("A {kernel", "`{` without `}`");
        check("A kernel}", "`}` without `{`");
        check("A {kernal}", "there is no field {kernal}, did you mean {kernel}?");
        check("A {attr:}", "{attr:} names no attribute");
    }
}
