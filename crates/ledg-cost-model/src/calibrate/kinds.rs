//! Kinds of operators, as far as a calibration tells them apart: by the class, the operation, and whether a convolution is
//! depthwise. A chip or an engine is often slow at a kind (a softmax, a padding) rather than at one size of it.

use ledg_template::NodeDescription;

/// The kind of what it takes to start an operator, whatever it does.
pub(crate) const LAUNCH: &str = "(launch)";

/// The kind of a node: `Norm Softmax`, `ParamL Conv depthwise`.
pub(crate) fn kind_of(node: &NodeDescription) -> String {
    let mut kind = node.class.clone();
    let operation = node.sentence.strip_prefix(node.class.as_str()).unwrap_or("").split_whitespace().next();
    if let Some(word) = operation.filter(|word| word.starts_with(|c: char| c.is_alphabetic())) {
        kind.push(' ');
        kind.push_str(word);
    }
    if node.dims.depthwise > 0.0 {
        kind.push_str(" depthwise");
    }
    kind
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
}
