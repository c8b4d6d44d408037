//! Reading a trace as TVM prints it: `l9, l10 = sch.split(loop=l2, factors=[v5, v6], preserve_unit_iters=True)`, a line a
//! primitive. (The printed form is five times cheaper to get from TVM than its JSON form.)

use crate::error::{Result, ScheduleError};
use crate::task::limit;

/// Most bytes and primitives of a trace, and how deep its lists nest.
const MAX_BYTES: usize = 1 << 20;
const MAX_LINES: usize = 1 << 14;
const MAX_DEPTH: usize = 8;

/// A value in a trace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// A block, loop or sampled number, by its name.
    Name(&'a str),
    Number(f64),
    Text(&'a str),
    List(Vec<Value<'a>>),
    /// `None`, `True` or `False`.
    Word(&'a str),
}

/// One primitive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Instruction<'a> {
    /// Counted from 1.
    pub line: usize,
    pub name: &'a str,
    pub outputs: Vec<&'a str>,
    /// Arguments without a name.
    pub positional: Vec<Value<'a>>,
    pub named: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Instruction<'a> {
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.named.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Names among the arguments, also inside lists, in order.
    pub fn names(&self) -> Vec<&'a str> {
        fn collect<'a>(value: &Value<'a>, out: &mut Vec<&'a str>) {
            match value {
                Value::Name(name) => out.push(name),
                Value::List(items) => items.iter().for_each(|v| collect(v, out)),
                _ => {}
            }
        }
        let mut out = Vec::new();
        self.positional.iter().chain(self.named.iter().map(|(_, v)| v)).for_each(|v| collect(v, &mut out));
        out
    }
}

/// The primitives of a trace.
pub(crate) fn parse(text: &str) -> Result<Vec<Instruction<'_>>> {
    limit("bytes of a trace", text.len(), MAX_BYTES)?;
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let code = line.trim();
        if code.is_empty() || code.starts_with('#') || code.starts_with("def ") || code == "pass" {
            continue;
        }
        limit("primitives of a trace", i, MAX_LINES)?;
        out.push(instruction(code, i + 1)?);
    }
    Ok(out)
}

fn instruction(code: &str, line: usize) -> Result<Instruction<'_>> {
    let bad = |why: &str| ScheduleError::Line { line, why: why.to_owned() };
    let at = code.find("sch.").ok_or_else(|| bad("not of the form `sch.primitive(...)`"))?;
    let outputs = code[..at].trim_end();
    let outputs = match outputs.strip_suffix('=') {
        Some(names) => names.split(',').map(str::trim).filter(|n| !n.is_empty()).collect(),
        None if outputs.is_empty() => Vec::new(),
        None => return Err(bad("not of the form `names = sch.primitive(...)`")),
    };
    let call = &code[at + 4..];
    let open = call.find('(').ok_or_else(|| bad("a primitive without `(`"))?;
    let mut cursor = Cursor { rest: &call[open + 1..], line };
    let mut it = Instruction { line, name: &call[..open], outputs, positional: Vec::new(), named: Vec::new() };
    loop {
        if cursor.eat(')') {
            break;
        }
        let name = cursor.keyword();
        let value = cursor.value(0)?;
        match name {
            Some(name) => it.named.push((name, value)),
            None => it.positional.push(value),
        }
        if !cursor.eat(',') && !cursor.rest.starts_with(')') {
            return Err(bad("expected `,` or `)` after an argument"));
        }
    }
    if cursor.rest.trim().is_empty() { Ok(it) } else { Err(bad("text after the primitive's `)`")) }
}

struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `name=` before a value.
    fn keyword(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let rest = self.rest[end..].strip_prefix('=')?;
        let name = &self.rest[..end];
        self.rest = rest;
        Some(name)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>> {
        let line = self.line;
        let bad = |why: String| ScheduleError::Line { line, why };
        if depth > MAX_DEPTH {
            return Err(bad(format!("lists nest deeper than {MAX_DEPTH}")));
        }
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['[', '(', '{']) {
            let close = match self.rest.as_bytes()[0] {
                b'[' => ']',
                b'(' => ')',
                _ => '}',
            };
            self.rest = &self.rest[1..];
            let mut items = Vec::new();
            while !self.eat(close) {
                items.push(self.value(depth + 1)?);
                // A dictionary's keys and values become items in turn.
                if !self.eat(',') && !self.eat(':') && !self.rest.starts_with(close) {
                    return Err(bad(format!("expected `,` or `{close}` in a list")));
                }
            }
            return Ok(Value::List(items));
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| *c == '"' || *c == '\'') {
            let body = &self.rest[1..];
            let mut escaped = false;
            let end = body.char_indices().find(|&(_, c)| {
                let end = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            let (end, _) = end.ok_or_else(|| bad("a text without its end".into()))?;
            self.rest = &body[end + 1..];
            return Ok(Value::Text(&body[..end]));
        }
        let end = self.rest.find([',', ')', ']', '}', ':']).unwrap_or(self.rest.len());
        let word = self.rest[..end].trim_end();
        self.rest = &self.rest[end..];
        // A name may be called upon, as in `T.int64(3)`; only plain words are values here.
        match word {
            "" => Err(bad("a value is missing".into())),
            "None" | "True" | "False" => Ok(Value::Word(word)),
            _ => match word.parse::<f64>() {
                Ok(number) if number.is_finite() && !word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    Ok(Value::Number(number))
                }
                _ if word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') => Ok(Value::Name(word)),
                _ => Err(bad(format!("`{}` is no value", word.chars().take(40).collect::<String>()))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_outputs_name_and_arguments() {
        let text = "# from tvm\ndef apply_trace(sch):\n  l1, l2 = sch.split(loop=l0, factors=[v5, None, 64], keep=True)\n  \
                    sch.annotate(block_or_loop=b1, ann_key=\"a.b\", ann_val=16)\n  b3, = sch.get_child_blocks(b1)\n";
        let trace = parse(text).unwrap();
        assert_eq!(trace.len(), 3);
        assert_eq!((trace[0].name, &trace[0].outputs[..]), ("split", &["l1", "l2"][..]));
        let factors = Value::List(vec![Value::Name("v5"), Value::Word("None"), Value::Number(64.0)]);
        assert_eq!(trace[0].get("factors"), Some(&factors));
        assert_eq!(trace[0].names(), ["l0", "v5"]);
        assert_eq!(trace[1].get("ann_key"), Some(&Value::Text("a.b")));
        assert_eq!((trace[2].positional.len(), trace[2].line), (1, 5));
    }

    #[test]
    fn what_is_no_trace_says_where() {
        let check = |text: &str, why: &str| assert_eq!(parse(text).unwrap_err().to_string(), why);
        check("x = 3", "trace, line 1: not of the form `sch.primitive(...)`");
        check("\nsch.split(loop=l0", "trace, line 2: expected `,` or `)` after an argument");
        check("sch.split(loop=)", "trace, line 1: a value is missing");
        check("sch.f(\"abc)", "trace, line 1: a text without its end");
        check("sch.f(1) 2", "trace, line 1: text after the primitive's `)`");
        check(&format!("sch.f({})", "[".repeat(99)), "trace, line 1: lists nest deeper than 8");
    }
}
