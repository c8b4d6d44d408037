//! Equations (3) and (4): how much each node listens to its grandfathers, fathers and sons.
//!
//! `z_i = [x_i ; mean of x over i's fathers]`, `w_i = softmax(FC(z_i))`. `FC` is linear, so what it makes of the mean is the mean of
//! what it makes of the fathers: with `FC = [A | B]`, `FC(z_i) = A x_i + mean of B x_j over i's fathers j + bias`. A and B are two of
//! the projections of DGSA's one product, and no vector of width 2d is ever made.

use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::edges::WeightedEdges;
use crate::error::Result;
use crate::layers::{Linear, linear};
use crate::ops::{Real, softmax_gradient, softmax_in_place};

/// Weights of the masks by node.
pub(crate) struct DynamicWeights {
    fc: Linear,
    d_model: usize,
}

impl DynamicWeights {
    pub fn load(d_model: usize, n_masks: usize, vb: VarBuilder) -> Result<Self> {
        Ok(DynamicWeights { fc: linear(2 * d_model, n_masks, vb.pp("fc"))?, d_model })
    }

    /// Weights of the two projections A and B, (masks, d) each, and the bias (masks).
    pub fn projections(&self) -> Result<[Tensor; 3]> {
        let half = |k: usize| self.fc.weight.narrow(1, k * self.d_model, self.d_model);
        Ok([half(0)?, half(1)?, self.fc.bias.clone()])
    }
}

/// Projections of all nodes, in rows of a wider matrix: A x and the bias in `masks` columns from `at`, B x in those after them.
#[derive(Clone, Copy)]
pub(crate) struct Projections<'a, T> {
    pub rows: &'a [T],
    pub width: usize,
    pub at: usize,
    pub masks: usize,
}

impl<T: Real> Projections<'_, T> {
    /// The weights, (n, masks), rows sum to 1. A node without fathers has a mean of zero.
    #[inline(always)]
    pub fn weights(&self, fathers: &WeightedEdges) -> Vec<T> {
        let Projections { rows, width, at, masks } = *self;
        let mut weights = Vec::with_capacity(fathers.n_rows() * masks);
        for i in 0..fathers.n_rows() {
            weights.extend_from_slice(&rows[i * width + at..][..masks]);
            let own = &mut weights[i * masks..];
            each_father(fathers, i, |j, share: T| {
                let father = &rows[j * width + at + masks..][..masks];
                own.iter_mut().zip(father).for_each(|(w, &b)| *w += share * b);
            });
            softmax_in_place(own);
        }
        weights
    }

    /// Adds the gradients of the projections to rows of the same form, given that of the weights, which it overwrites.
    #[inline(always)]
    pub fn gradient(&self, fathers: &WeightedEdges, weights: &[T], grad: &mut [T], out: &mut [T]) {
        let Projections { width, at, masks, .. } = *self;
        for i in 0..fathers.n_rows() {
            let (own, grad) = (&weights[i * masks..][..masks], &mut grad[i * masks..][..masks]);
            softmax_gradient(own, grad);
            out[i * width + at..][..masks].iter_mut().zip(&*grad).for_each(|(t, &g)| *t += g);
            each_father(fathers, i, |j, share: T| {
                let father = &mut out[j * width + at + masks..][..masks];
                father.iter_mut().zip(&*grad).for_each(|(t, &g)| *t += share * g);
            });
        }
    }
}

/// Visits a node's fathers with the share of each in their mean.
#[inline(always)]
fn each_father<T: Real>(fathers: &WeightedEdges, i: usize, mut visit: impl FnMut(usize, T)) {
    let (columns, counts) = fathers.row(i);
    let total: f32 = counts.iter().sum();
    for (&j, &count) in columns.iter().zip(counts) {
        visit(j as usize, T::of(f64::from(count) / f64::from(total)));
    }
}
