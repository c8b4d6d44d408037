//! Formulas over [`OpDims`], parsed once when a template file is loaded.

use std::collections::HashMap;
use std::sync::Arc;

use exmex::{Express, FlatEx};

use crate::dims::OpDims;
use crate::error::{TemplateError, closest};

/// A parsed formula; its variables are resolved to places in [`OpDims::VARIABLES`].
#[derive(Debug, Clone)]
pub(crate) struct Formula {
    expression: FlatEx<f64>,
    variables: Vec<usize>,
}

/// The parser recurses into parentheses; a formula that a person writes is far shorter.
const MAX_LENGTH: usize = 400;

/// Where a formula stands, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub origin: &'a str,
    pub op: &'a str,
    pub field: &'static str,
}

/// Formulas by their text: few are distinct, and parsing is most of the time that loading takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Formulas(HashMap<String, Arc<Formula>>);

impl Formulas {
    /// The formula of that text, parsed now if it is new.
    pub fn get(&mut self, text: &str, place: Place<'_>) -> Result<Arc<Formula>, TemplateError> {
        if let Some(formula) = self.0.get(text) {
            return Ok(Arc::clone(formula));
        }
        let formula = Arc::new(Formula::parse(text, place)?);
        self.0.insert(text.to_owned(), Arc::clone(&formula));
        Ok(formula)
    }
}

impl Formula {
    /// Parses a formula and resolves its variables.
    pub fn parse(text: &str, place: Place<'_>) -> Result<Formula, TemplateError> {
        let bad = |why: String| TemplateError::Formula {
            origin: place.origin.to_owned(),
            op: place.op.to_owned(),
            field: place.field,
            formula: text.to_owned(),
            why,
        };
        if text.len() > MAX_LENGTH {
            return Err(bad(format!("longer than {MAX_LENGTH} bytes")));
        }
        let expression = exmex::parse::<f64>(text).map_err(|e| bad(e.to_string()))?;
        let mut variables = Vec::with_capacity(expression.var_names().len());
        for name in expression.var_names() {
            variables.push(OpDims::index_of(name).ok_or_else(|| TemplateError::UnknownVariable {
                origin: place.origin.to_owned(),
                op: place.op.to_owned(),
                field: place.field,
                variable: name.clone(),
                suggestion: closest(name, OpDims::VARIABLES.iter().map(|v| v.name)),
            })?);
        }
        let formula = Formula { expression, variables };
        // exmex accepts some malformed expressions until they are evaluated; here is where the author can still be told.
        formula.evaluate(&OpDims::default()).map_err(bad)?;
        Ok(formula)
    }

    fn evaluate(&self, dims: &OpDims) -> Result<f64, String> {
        let values = self.variables.iter().map(|&i| (OpDims::VARIABLES[i].get)(dims));
        self.expression.eval_iter(values).map_err(|e| e.to_string())
    }

    /// The formula's value; magnitudes are finite and not negative, so a quotient by an absent size gives 0.
    pub fn value(&self, dims: &OpDims) -> f64 {
        self.evaluate(dims).ok().filter(|v| v.is_finite() && *v > 0.0).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'static> = Place { origin: "test.toml", op: "Conv", field: "flops" };

    fn message(text: &str) -> String {
        Formula::parse(text, PLACE).expect_err("should not parse").to_string()
    }

    #[test]
    fn evaluates() {
        let dims = OpDims { out_elems: 6.0, cin: 4.0, groups: 2.0, kernel_elems: 9.0, ..OpDims::default() };
        let check = |text, value| assert_eq!(Formula::parse(text, PLACE).unwrap().value(&dims), value, "{text}");
        check("2 * out_elems * cin / groups * kernel_elems", 2.0 * 6.0 * 4.0 / 2.0 * 9.0);
        check("max(cin, out_elems) + 1", 7.0);
        check("0", 0.0);
        // No magnitude is negative or infinite.
        check("cin - 10", 0.0);
        check("cin / m", 0.0);
    }

    #[test]
    fn errors_say_where_and_what() {
        assert_eq!(
            message("2 * out_elem"),
            "test.toml: operator `Conv`, `flops`: unknown variable `out_elem`, did you mean `out_elems`?"
        );
        assert!(message("2 *").starts_with("test.toml: operator `Conv`, `flops`: `2 *`: "));
        assert!(message("(cin").starts_with("test.toml: operator `Conv`, `flops`: `(cin`: "));
        assert!(message("").starts_with("test.toml: operator `Conv`, `flops`: ``: "));
    }

    #[test]
    fn no_text_makes_it_panic() {
        let parts = [
            "cin",
            "out_elems",
            "1",
            "2.5",
            "1e400",
            ".",
            "+",
            "-",
            "*",
            "/",
            "^",
            "(",
            ")",
            "{",
            "}",
            ",",
            " ",
            "max",
            "min",
            "sqrt",
            "ln",
            "E",
            "é",
        ];
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                // Knuth's linear congruential generator: the same texts every time.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(parts[(state >> 33) as usize % parts.len()]);
            }
            if let Ok(formula) = Formula::parse(&text, PLACE) {
                assert!(formula.value(&OpDims::default()).is_finite(), "{text}");
            }
        }
        for part in ["(", "-", "sqrt(", "max(1,", "{"] {
            let deep = Formula::parse(&part.repeat(50_000), PLACE).expect_err("too long").to_string();
            assert!(deep.ends_with("longer than 400 bytes"));
            assert!(Formula::parse(&part.repeat(400 / part.len()), PLACE).is_err());
        }
        assert!(Formula::parse(&format!("{}cin{}", "(".repeat(190), ")".repeat(190)), PLACE).is_ok());
    }
}
