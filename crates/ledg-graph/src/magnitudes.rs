//! How much a node computes and moves, independent of any hardware.

use std::ops::{Add, AddAssign};

/// Analytic magnitudes of a node or a graph. Counts are of elements, not bytes, for what a runtime may store at its own
/// precision (a graph exported in f32 runs in f16 under mixed precision): multiply by the platform's bytes per element.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Magnitudes {
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: f64,
    /// Activation elements read.
    pub read_elems: f64,
    /// Activation elements written.
    pub write_elems: f64,
    /// Weight elements read (0 for operators without weights; an embedding reads the rows it gathers).
    pub weight_elems: f64,
    /// Learned parameters held.
    pub params: f64,
}

impl Magnitudes {
    /// The magnitudes at `factor` times the batch: work and activations scale, weights do not.
    pub fn scaled_batch(&self, factor: f64) -> Self {
        Magnitudes {
            flops: self.flops * factor,
            read_elems: self.read_elems * factor,
            write_elems: self.write_elems * factor,
            ..*self
        }
    }

    /// All elements moved: activations in and out, and weights.
    pub fn moved_elems(&self) -> f64 {
        self.read_elems + self.write_elems + self.weight_elems
    }
}

impl Add for Magnitudes {
    type Output = Magnitudes;
    fn add(self, other: Magnitudes) -> Magnitudes {
        Magnitudes {
            flops: self.flops + other.flops,
            read_elems: self.read_elems + other.read_elems,
            write_elems: self.write_elems + other.write_elems,
            weight_elems: self.weight_elems + other.weight_elems,
            params: self.params + other.params,
        }
    }
}

impl AddAssign for Magnitudes {
    fn add_assign(&mut self, other: Magnitudes) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Magnitudes {
    fn sum<I: Iterator<Item = Magnitudes>>(iter: I) -> Self {
        iter.fold(Magnitudes::default(), Add::add)
    }
}
