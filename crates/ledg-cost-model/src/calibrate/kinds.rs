//! Kinds of operators, as far as a calibration tells them apart: by the class, the operation with its qualifier (packing of
//! windows), and whether a convolution is depthwise; and the shape of a node of its kind. A chip or an engine is often slow
//! at a kind (a softmax, a padding), and at small ones or large ones of it, or narrow or deep ones.

use std::sync::Arc;

use ledg_predictor::PlatformRates;
use ledg_template::NodeDescription;
use serde::{Deserialize, Serialize};

/// Words of an operation that name a kind: `Pack windows`.
const WORDS: usize = 2;
/// Words that say how a kind is used, not what it is.
const ATTRIBUTES: [&str; 6] = ["fused", "stride", "dilated", "grouped", "depthwise", "broadcast"];

/// The kind of what it takes to start an operator, whatever it does.
pub(crate) const LAUNCH: &str = "(launch)";

/// Numbers that describe a shape.
pub(crate) const N_SHAPE: usize = 6;
/// ln of sizes, each against a usual one. Of contractions: rows (the batch is in them), columns, contracted length, weights,
/// kernel window, stride; of others: elements read and written (the batch is in them), innermost dimension, axis, none,
/// kernel window, stride.
pub type LnSizes = [f64; N_SHAPE];
/// What is usual, in ln.
const USUAL_CONTRACTION: LnSizes = [5.0, 5.0, 5.5, 10.5, 1.0, 0.0];
const USUAL_OTHER: LnSizes = [11.5, 5.0, 3.0, 0.0, 0.0, 0.0];
/// What starting an operator takes at the least.
const SHORTEST_LAUNCH_S: f64 = 1e-8;
/// Sizes further from the usual one, in ln, say no more.
const FARTHEST: f64 = 6.0;

/// The kind of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kind {
    /// `Norm Softmax`, `ParamL Conv depthwise`.
    pub name: Arc<str>,
    /// That of one sample.
    shape: LnSizes,
    /// Floating-point operations of one sample.
    flops: f64,
    /// Elements read and written of one sample, and weights read.
    elems: [f64; 2],
}

/// Rates of a platform's roofline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roofline {
    /// FLOP/s.
    pub flops_s: f64,
    /// Elements/s.
    pub elems_s: f64,
    /// Seconds that starting an operator takes.
    pub launch_s: f64,
}

impl Roofline {
    /// That of a platform.
    pub(super) fn of(rates: &PlatformRates) -> Self {
        Roofline {
            flops_s: rates.matmul_flops,
            elems_s: rates.bandwidth_bytes_s / rates.bytes_per_element,
            launch_s: rates.launch_s,
        }
    }
}

impl Kind {
    /// Of a described node.
    pub fn of(node: &NodeDescription) -> Self {
        let mut name = node.class.clone();
        let words = node.sentence.strip_prefix(node.class.as_str()).unwrap_or("").split_whitespace();
        let of_kind = |word: &&str| word.starts_with(char::is_alphabetic) && !ATTRIBUTES.contains(word);
        for word in words.take_while(of_kind).take(WORDS) {
            name.push(' ');
            name.push_str(word);
        }
        if node.dims.depthwise > 0.0 {
            name.push_str(" depthwise");
        }
        let (dims, moved) = (&node.dims, node.magnitudes.read_elems + node.magnitudes.write_elems);
        let window = [dims.kernel_elems, dims.stride];
        let (sizes, usual) = match node.macs > 0.0 && dims.m > 0.0 {
            true => ([dims.m, dims.n, dims.k, node.magnitudes.weight_elems, window[0], window[1]], USUAL_CONTRACTION),
            false => ([moved, dims.inner, dims.axis_len, 1.0, window[0], window[1]], USUAL_OTHER),
        };
        Kind {
            name: name.into(),
            shape: std::array::from_fn(|i| sizes[i].max(1.0).ln() - usual[i]),
            flops: node.magnitudes.flops,
            elems: [moved, node.magnitudes.weight_elems],
        }
    }

    /// Seconds of a node at a batch by a roofline, its parts added up: never zero.
    pub fn roofline_s(&self, batch: f64, rates: &Roofline) -> f64 {
        let elems = self.elems[0] * batch + self.elems[1];
        self.flops * batch / rates.flops_s + elems / rates.elems_s + rates.launch_s.max(SHORTEST_LAUNCH_S)
    }

    /// The shape at a batch, within bounds.
    pub fn shape(&self, batch: f64) -> LnSizes {
        let mut shape = self.shape;
        shape[0] += batch.ln();
        shape.map(|ln| ln.clamp(-FARTHEST, FARTHEST))
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
        let shape = [1.0, 2.0, 0.0, 0.0, 0.0, 0.0];
        let kind = Kind { name: "Act Relu".into(), shape, flops: 1e9, elems: [1e8, 2e8] };
        let [rows, columns, ..] = kind.shape(4.0);
        assert!((rows - (1.0 + 4.0f64.ln())).abs() < 1e-12 && columns == 2.0);
        assert_eq!(kind.shape(1e9)[0], FARTHEST);
        let rates = Roofline { flops_s: 1e10, elems_s: 1e9, launch_s: 1e-3 };
        assert!((kind.roofline_s(3.0, &rates) - (0.3 + 0.5 + 1e-3)).abs() < 1e-12);
    }
}
