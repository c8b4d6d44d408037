//! The pattern language of fusions, one operator a line: `y = Mul(x, s)`.
//!
//! A line's value may be read by later lines; the last line is the root. `name? = Op(…)` is optional: where the operator
//! is absent, the name stands for its first argument. Arguments: `x` any value, the same wherever it stands; `@w` a value
//! fixed before the run (a weight, a constant); `$c` a single constant number; `1.4142` that number; `_` anything; a
//! final `...` allows further inputs. Conditions stand in brackets behind the operator: `Transpose[swap](k)`.

use ledg_graph::OpType;

use crate::operator::parse_op;
use crate::set::{OpId, OpIds};

/// An argument of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arg {
    /// A constant number.
    Number(f64),
    /// A single number fixed before the run.
    Scalar(usize),
    /// A value fixed before the run.
    Fixed(usize),
    /// A line's value or any value.
    Bind(usize),
    /// Anything.
    Any,
}

/// A condition on a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// It works along the innermost axis alone.
    Last,
    /// It exchanges the two innermost axes and nothing else.
    Swap,
    /// An integer attribute has this value.
    Int(String, i64),
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub op: OpType,
    pub id: OpId,
    pub conditions: Vec<Condition>,
    pub args: Vec<Arg>,
    /// Further inputs are allowed.
    pub open: bool,
    pub optional: bool,
    /// Operands may stand in either order.
    pub commutes: bool,
}

/// A parsed pattern: names, of which some are lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    names: Vec<String>,
    /// By name.
    lines: Vec<Option<Line>>,
    root: usize,
}

/// A line and what is wrong with it.
type BadLine = (String, String);

const COMMUTATIVE: [&str; 6] = ["Add", "Mul", "Max", "Min", "And", "Or"];

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Pattern, BadLine> {
        let mut pattern = Pattern { names: Vec::new(), lines: Vec::new(), root: 0 };
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            pattern.line(line).map_err(|why| (line.to_owned(), why))?;
        }
        let whole = || text.trim().to_owned();
        match pattern.lines.get(pattern.root) {
            None => Err((whole(), "the pattern has no lines".into())),
            Some(Some(root)) if root.optional => Err((whole(), "the last line cannot be optional".into())),
            _ => pattern.check_used().map_err(|why| (whole(), why)),
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        let (name, call) = text.split_once('=').ok_or("expected `name = Op(arguments)`")?;
        let (name, optional) = match name.trim().strip_suffix('?') {
            Some(name) => (name.trim(), true),
            None => (name.trim(), false),
        };
        if !is_name(name) {
            return Err(format!("`{name}` is no name"));
        }
        if self.names.iter().any(|n| n == name) {
            return Err(format!("`{name}` is already in use"));
        }
        let (head, args) =
            call.trim().strip_suffix(')').and_then(|c| c.split_once('(')).ok_or("expected `Op(arguments)`")?;
        let (op, conditions) = match head.strip_suffix(']').and_then(|h| h.split_once('[')) {
            Some((op, conditions)) => (op, conditions.split(',').map(condition).collect::<Result<_, _>>()?),
            None => (head, Vec::new()),
        };
        if op.is_empty() || !op.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c)) {
            return Err(format!("`{op}` is no operator"));
        }
        let mut parts: Vec<&str> = args.split(',').map(str::trim).collect();
        let open = parts.last() == Some(&"...");
        if open {
            parts.pop();
        }
        let args = parts.into_iter().map(|a| self.arg(a)).collect::<Result<Vec<Arg>, String>>()?;
        if optional && !matches!(args.first(), Some(Arg::Bind(_))) {
            return Err("an optional line stands for its first argument, which must be a name".into());
        }
        let op = parse_op(op);
        let commutes = op.domain.is_empty() && args.len() == 2 && COMMUTATIVE.contains(&op.name.as_str());
        self.root = self.names.len();
        self.names.push(name.to_owned());
        self.lines.push(Some(Line { op, id: OpId::OTHER, conditions, args, open, optional, commutes }));
        Ok(())
    }

    fn arg(&mut self, text: &str) -> Result<Arg, String> {
        if text == "_" {
            return Ok(Arg::Any);
        }
        // `inf` and `nan` would parse as numbers, but are names.
        if let Some(number) = text.parse().ok().filter(|n: &f64| n.is_finite()) {
            return Ok(Arg::Number(number));
        }
        let bare = text.trim_start_matches(['@', '$']);
        if !is_name(bare) || text.len() > bare.len() + 1 {
            return Err(format!("`{text}` is no argument"));
        }
        // `@w` and `$c` keep their sign in the name: `x` and `@x` would otherwise be confused.
        let index = self.name(text).unwrap_or_else(|| {
            self.names.push(text.to_owned());
            self.lines.push(None);
            self.names.len() - 1
        });
        Ok(match text.as_bytes()[0] {
            b'@' => Arg::Fixed(index),
            b'$' => Arg::Scalar(index),
            _ => Arg::Bind(index),
        })
    }

    /// Every line but the root must be read by a later one, else it could not be found.
    fn check_used(self) -> Result<Pattern, String> {
        let used = |i: usize| self.lines.iter().flatten().any(|l| l.args.contains(&Arg::Bind(i)));
        match (0..self.names.len()).find(|&i| i != self.root && self.lines[i].is_some() && !used(i)) {
            Some(i) => Err(format!("no line reads `{}`", self.names[i])),
            None => Ok(self),
        }
    }

    /// The place of a name.
    pub fn name(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// Whether a name is a line's.
    pub fn is_line(&self, name: usize) -> bool {
        self.lines[name].is_some()
    }

    /// The line of a name, if it is one's.
    pub fn line_of(&self, name: usize) -> Option<&Line> {
        self.lines[name].as_ref()
    }

    /// The lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }

    /// Number of names.
    pub fn n_names(&self) -> usize {
        self.names.len()
    }

    /// The name of the last line.
    pub fn root(&self) -> usize {
        self.root
    }

    /// The operator of the last line.
    pub fn root_id(&self) -> OpId {
        self.line_of(self.root).map_or(OpId::OTHER, |l| l.id)
    }

    /// Numbers the operators of all lines.
    pub fn number(&mut self, ids: &mut OpIds) {
        self.lines.iter_mut().flatten().for_each(|line| line.id = ids.intern(&line.op));
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn condition(text: &str) -> Result<Condition, String> {
    let text = text.trim();
    match (text, text.split_once('=')) {
        ("last", _) => Ok(Condition::Last),
        ("swap", _) => Ok(Condition::Swap),
        (_, Some((name, value))) => match value.trim().parse() {
            Ok(value) => Ok(Condition::Int(name.trim().to_owned(), value)),
            Err(_) => Err(format!("`{value}` is no integer")),
        },
        _ => Err(format!("`{text}` is none of `last`, `swap`, `attribute=3`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_patterns_are_refused() {
        let check = |text: &str, why: &str| assert_eq!(Pattern::parse(text).expect_err(text).1, why);
        check("", "the pattern has no lines");
        check("Mul(x, y)", "expected `name = Op(arguments)`");
        check("y = Mul x", "expected `Op(arguments)`");
        check("y = (x)", "`` is no operator");
        check("y = Mul(x, @)", "`@` is no argument");
        check("y = Mul(x, $@a)", "`$@a` is no argument");
        check("y? = Mul(x, z)", "the last line cannot be optional");
        check("a? = Mul(2, z)\ny = Neg(a)", "an optional line stands for its first argument, which must be a name");
        check("a = Neg(x)\ny = Neg(x)", "no line reads `a`");
        check("y = Neg(x)\ny = Neg(y)", "`y` is already in use");
        check("y = Softmax[first](x)", "`first` is none of `last`, `swap`, `attribute=3`");
    }

    #[test]
    fn a_line_has_all_parts() {
        let pattern =
            Pattern::parse("t? = Transpose[swap](k)\n y = com.acme.Op[axis=-1](t, @w, $c, 2.5, _, ...)").unwrap();
        let root = pattern.line_of(pattern.root()).unwrap();
        assert_eq!(root.op, OpType::new("com.acme", "Op"));
        assert_eq!(root.conditions, [Condition::Int("axis".into(), -1)]);
        assert!(root.open && !root.commutes);
        assert_eq!(root.args.len(), 5);
        assert_eq!(root.args[3], Arg::Number(2.5));
    }
}
