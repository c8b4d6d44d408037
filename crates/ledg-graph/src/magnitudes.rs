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
    /// What frameworks move of activations, by how they run the node.
    pub traffic: Traffic,
}

/// Activation elements that a framework moves for a node: more than the operator's own where it casts, copies or makes passes of its
/// own, fewer where a compiler fuses loops. Elements are of the platform's width; `_mixed` is what mixed precision adds, in
/// elements of its narrow type. Also the FLOP of a product or convolution that its kernels leave to a GPU's vector units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Traffic {
    /// Operators one by one; images given as channels first, as channels last.
    pub eager: [f64; 2],
    /// The same: what mixed precision adds.
    pub eager_mixed: [f64; 2],
    /// What a GPU could have moved besides in the threads that a kernel leaves idle, by layout as above.
    pub idle: [f64; 2],
    /// What attention adds that is no kernel of its own.
    pub scores: f64,
    /// The same under mixed precision.
    pub scores_mixed: f64,
    /// Loops fused.
    pub compiled: f64,
    /// The same: what mixed precision adds.
    pub compiled_mixed: f64,
    /// The same: what half precision adds, mixed or not.
    pub compiled_half: f64,
    /// What attention by no kernel adds where it is computed in single precision: operators one by one, loops fused.
    pub wide_attention: [f64; 2],
    /// FLOP of such attention.
    pub attention_flops: f64,
    /// FLOP of vector units for a convolution, those that its kernel spends on addressing counted; by layout as above.
    pub vector_flops: [f64; 2],
    /// The same: loops fused.
    pub compiled_vector_flops: f64,
}

/// How a framework runs a graph, as far as it decides what moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Execution {
    /// As the operators say: engines whose rules are not followed.
    #[default]
    AsStated,
    /// Operators one by one.
    Eager {
        /// By a GPU, which needs many threads to be busy.
        gpu: bool,
        /// Images and weights are given as channels last.
        channels_last: bool,
        /// Under mixed precision.
        mixed: bool,
        /// Attention is a kernel of its own.
        fused_attention: bool,
        /// Attention that no kernel takes is computed in single precision.
        wide_attention: bool,
    },
    /// Loops fused.
    Compiled {
        /// For a GPU, whose convolutions are those of its vendor's library.
        gpu: bool,
        /// Under mixed precision.
        mixed: bool,
        /// In half precision, mixed or not.
        half: bool,
        /// Attention that no kernel takes is computed in single precision.
        wide_attention: bool,
    },
}

impl Traffic {
    /// The same activation elements whatever runs the node: where shapes are not known, nothing can be followed.
    pub fn of_elements(elements: f64) -> Self {
        Traffic { eager: [elements; 2], compiled: elements, ..Traffic::default() }
    }

    fn scaled(&self, factor: f64) -> Self {
        self.with(&Traffic::default(), |own, _| own * factor)
    }

    fn with(&self, other: &Traffic, f: impl Fn(f64, f64) -> f64) -> Self {
        let pair = |a: [f64; 2], b: [f64; 2]| [f(a[0], b[0]), f(a[1], b[1])];
        Traffic {
            eager: pair(self.eager, other.eager),
            eager_mixed: pair(self.eager_mixed, other.eager_mixed),
            idle: pair(self.idle, other.idle),
            scores: f(self.scores, other.scores),
            scores_mixed: f(self.scores_mixed, other.scores_mixed),
            compiled: f(self.compiled, other.compiled),
            compiled_mixed: f(self.compiled_mixed, other.compiled_mixed),
            compiled_half: f(self.compiled_half, other.compiled_half),
            wide_attention: pair(self.wide_attention, other.wide_attention),
            attention_flops: f(self.attention_flops, other.attention_flops),
            vector_flops: pair(self.vector_flops, other.vector_flops),
            compiled_vector_flops: f(self.compiled_vector_flops, other.compiled_vector_flops),
        }
    }

    /// All its numbers.
    pub fn numbers(&self) -> [f64; 17] {
        let Traffic {
            eager: e,
            eager_mixed: m,
            idle,
            scores,
            scores_mixed,
            compiled,
            compiled_mixed,
            compiled_half,
            wide_attention: w,
            attention_flops,
            vector_flops: v,
            compiled_vector_flops,
        } = *self;
        [
            e[0],
            e[1],
            m[0],
            m[1],
            idle[0],
            idle[1],
            scores,
            scores_mixed,
            compiled,
            compiled_mixed,
            compiled_half,
            w[0],
            w[1],
            attention_flops,
            v[0],
            v[1],
            compiled_vector_flops,
        ]
    }
}

impl Magnitudes {
    /// The magnitudes at `factor` times the batch: work and activations scale, weights do not.
    pub fn scaled_batch(&self, factor: f64) -> Self {
        Magnitudes {
            flops: self.flops * factor,
            read_elems: self.read_elems * factor,
            write_elems: self.write_elems * factor,
            traffic: self.traffic.scaled(factor),
            ..*self
        }
    }

    /// All elements moved: activations in and out, and weights.
    pub fn moved_elems(&self) -> f64 {
        self.read_elems + self.write_elems + self.weight_elems
    }

    /// All elements moved as a framework runs the node: activations and weights.
    pub fn moved_in(&self, execution: Execution) -> f64 {
        let t = &self.traffic;
        let also = |condition: bool, elements: f64| if condition { elements } else { 0.0 };
        match execution {
            Execution::AsStated => self.moved_elems(),
            Execution::Eager { gpu, channels_last, mixed, fused_attention, wide_attention } => {
                let layout = usize::from(channels_last);
                let scores = if mixed { t.scores_mixed } else { t.scores };
                t.eager[layout]
                    + also(mixed, t.eager_mixed[layout])
                    + also(gpu, t.idle[layout])
                    + also(!fused_attention, scores)
                    + also(wide_attention, t.wide_attention[0])
                    + self.weight_elems
            }
            Execution::Compiled { gpu: _, mixed, half, wide_attention } => {
                t.compiled
                    + also(mixed, t.compiled_mixed)
                    + also(half, t.compiled_half)
                    + also(wide_attention, t.wide_attention[1])
                    + self.weight_elems
            }
        }
    }

    /// FLOP of vector units that run a product or convolution instead of matrix units, as a framework runs the node; 0 if none do.
    pub fn vector_flops_in(&self, execution: Execution) -> f64 {
        let t = &self.traffic;
        match execution {
            Execution::Eager { gpu: true, channels_last, wide_attention, .. } => {
                t.vector_flops[usize::from(channels_last)] + if wide_attention { t.attention_flops } else { 0.0 }
            }
            Execution::Compiled { gpu: true, .. } => t.compiled_vector_flops,
            _ => 0.0,
        }
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
            traffic: self.traffic.with(&other.traffic, |a, b| a + b),
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
