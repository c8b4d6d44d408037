//! Kinds of operators, as far as a calibration tells them apart: by the class, the operation, and whether a convolution is
//! depthwise; and how large a node of its kind is. A chip or an engine is often slow at a kind (a softmax, a padding), and
//! at small ones or large ones of it.

use std::sync::Arc;

use ledg_template::NodeDescription;

/// The kind of what it takes to start an operator, whatever it does.
pub(crate) const LAUNCH: &str = "(launch)";

/// ln of a usual size: rows of a contraction, elements that others read and write.
const USUAL_ROWS: f64 = 5.0;
const USUAL_ELEMS: f64 = 11.5;
/// Sizes further from the usual one, in ln, say no more.
const FARTHEST: f64 = 6.0;

/// The kind of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kind {
    /// `Norm Softmax`, `ParamL Conv depthwise`.
    pub name: Arc<str>,
    /// ln of the size of one sample, against a usual one; both grow with the batch.
    ln_size: f64,
}

impl Kind {
    /// Of a described node.
    pub fn of(node: &NodeDescription) -> Self {
        let mut name = node.class.clone();
        let operation = node.sentence.strip_prefix(node.class.as_str()).unwrap_or("").split_whitespace().next();
        if let Some(word) = operation.filter(|word| word.starts_with(|c: char| c.is_alphabetic())) {
            name.push(' ');
            name.push_str(word);
        }
        if node.dims.depthwise > 0.0 {
            name.push_str(" depthwise");
        }
        let moved = node.magnitudes.read_elems + node.magnitudes.write_elems;
        let ln_size = match node.macs > 0.0 && node.dims.m > 0.0 {
            true => node.dims.m.ln() - USUAL_ROWS,
            false => moved.max(1.0).ln() - USUAL_ELEMS,
        };
        Kind { name: name.into(), ln_size }
    }

    /// ln of the size at a batch, against a usual one, within bounds.
    pub fn ln_size(&self, batch: f64) -> f64 {
        (self.ln_size + batch.ln()).clamp(-FARTHEST, FARTHEST)
    }
}

/// The kinds that a kind belongs to, widest first, itself last: `ParamL`, `ParamL Conv`, `ParamL Conv depthwise`.
pub(crate) fn levels(kind: &str) -> impl Iterator<Item = &str> {
    let ends = kind.match_indices(' ').map(|(at, _)| at).chain([kind.len()]);
    ends.map(move |end| &kind[..end]).filter(|level| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_wide_to_narrow() {
        let all: Vec<&str> = levels("ParamL Conv depthwise").collect();
        assert_eq!(all, ["ParamL", "ParamL Conv", "ParamL Conv depthwise"]);
        assert_eq!(levels(LAUNCH).collect::<Vec<_>>(), [LAUNCH]);
        assert_eq!(levels("").count(), 0);
    }

    #[test]
    fn sizes_follow_the_batch_within_bounds() {
        let kind = Kind { name: "Act Relu".into(), ln_size: 1.0 };
        assert!((kind.ln_size(4.0) - (1.0 + 4.0f64.ln())).abs() < 1e-12);
        assert_eq!(kind.ln_size(1e9), FARTHEST);
    }
}
