//! Strides of a tensor: which elements lie beside each other.

/// The product of sizes, at most `u64::MAX`.
pub(super) fn product<'a>(sizes: impl Iterator<Item = &'a u64>) -> u64 {
    sizes.fold(1, |product, &size| product.saturating_mul(size))
}

/// Axes that are followed; tensors of more are taken to be contiguous.
const MAX_RANK: usize = 6;

/// Elements between neighbours along each axis, outermost axis first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strides {
    rank: u8,
    of: [u64; MAX_RANK],
}

impl Strides {
    fn from(rank: usize, stride: impl Fn(usize) -> u64) -> Self {
        let mut of = [0; MAX_RANK];
        (0..rank).for_each(|axis| of[axis] = stride(axis));
        Strides { rank: rank as u8, of }
    }

    /// Axes laid out in the given order, outermost first.
    fn in_order(shape: &[u64], order: impl DoubleEndedIterator<Item = usize>) -> Self {
        let mut of = [0; MAX_RANK];
        let mut next = 1_u64;
        for axis in order.rev() {
            of[axis] = next;
            next = shape[axis].saturating_mul(next);
        }
        Strides { rank: shape.len() as u8, of }
    }

    /// The last axis innermost.
    pub fn contiguous(shape: &[u64]) -> Self {
        if shape.len() > MAX_RANK {
            return Strides { rank: 0, of: [0; MAX_RANK] };
        }
        Self::in_order(shape, 0..shape.len())
    }

    /// Channels innermost, of two spatial axes; contiguous otherwise.
    pub fn channels_last(shape: &[u64]) -> Self {
        if shape.len() != 4 {
            return Self::contiguous(shape);
        }
        Self::in_order(shape, [0, 2, 3, 1].into_iter())
    }

    /// Dense, in the same order of axes.
    pub fn like(&self, shape: &[u64]) -> Self {
        if shape.len() != usize::from(self.rank) {
            return Self::contiguous(shape);
        }
        let mut order: [usize; MAX_RANK] = std::array::from_fn(|axis| axis);
        let order = &mut order[..shape.len()];
        order.sort_by_key(|&axis| (std::cmp::Reverse(self.of[axis]), axis));
        Self::in_order(shape, order.iter().copied())
    }

    fn same(&self, other: &Strides, shape: &[u64]) -> bool {
        self.rank == other.rank && (0..usize::from(self.rank)).all(|a| shape[a] == 1 || self.of[a] == other.of[a])
    }

    pub fn is_contiguous(&self, shape: &[u64]) -> bool {
        self.same(&Self::contiguous(shape), shape)
    }

    /// Channels innermost, and not contiguous as well.
    pub fn is_channels_last(&self, shape: &[u64]) -> bool {
        shape.len() == 4 && self.same(&Self::channels_last(shape), shape) && !self.is_contiguous(shape)
    }

    /// Whether neighbours along one of the last so many axes lie beside each other.
    pub fn has_unit(&self, last: usize, shape: &[u64]) -> bool {
        let rank = usize::from(self.rank);
        (rank.saturating_sub(last)..rank).any(|a| self.of[a] == 1 || shape[a] == 1) || rank == 0
    }

    /// Axes in another order.
    pub fn permuted(&self, perm: &[u8]) -> Self {
        if usize::from(self.rank) != perm.len() {
            return *self;
        }
        Self::from(perm.len(), |axis| self.of.get(usize::from(perm[axis])).copied().unwrap_or(0))
    }

    /// Without one axis.
    pub fn without(&self, axis: usize) -> Self {
        Self::from(usize::from(self.rank).saturating_sub(1), |a| self.of[a + usize::from(a >= axis)])
    }

    /// As an operand that is repeated to `shape`.
    pub fn expanded(&self, from: &[u64], shape: &[u64]) -> Self {
        if shape.len() > MAX_RANK || shape.len() < from.len() {
            return Self::contiguous(shape);
        }
        let new = shape.len() - from.len();
        Self::from(shape.len(), |a| match a.checked_sub(new) {
            Some(old) if from[old] == shape[a] => self.of[old],
            _ => 0,
        })
    }

    /// The first axes alone.
    pub fn leading(&self, n: usize) -> Self {
        Self::from(n.min(usize::from(self.rank)), |axis| self.of[axis])
    }

    /// The strides under another shape of the same elements, if no element has to move (PyTorch's rule for `view`).
    pub fn viewed(&self, shape: &[u64], as_shape: &[u64]) -> Option<Self> {
        if shape.len() > MAX_RANK || as_shape.len() > MAX_RANK || usize::from(self.rank) != shape.len() {
            return Some(Self::contiguous(as_shape));
        }
        let mut of = [0; MAX_RANK];
        let mut to = as_shape.len();
        let (mut chunk, mut base) = (1_u64, shape.len().checked_sub(1).map_or(1, |last| self.of[last]));
        for axis in (0..shape.len()).rev() {
            chunk = chunk.saturating_mul(shape[axis]);
            let ends = axis == 0 || (shape[axis - 1] != 1 && self.of[axis - 1] != chunk.saturating_mul(base));
            if !ends {
                continue;
            }
            let mut filled = 1_u64;
            while to > 0 && (filled < chunk || as_shape[to - 1] == 1) {
                to -= 1;
                of[to] = filled.saturating_mul(base);
                filled = filled.saturating_mul(as_shape[to]);
            }
            if filled != chunk {
                return None;
            }
            if axis > 0 {
                (base, chunk) = (self.of[axis - 1], 1);
            }
        }
        (to == 0).then_some(Strides { rank: as_shape.len() as u8, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_merge_only_where_they_lie_behind_each_other() {
        // (batch, positions, heads, size) seen as (batch, heads, positions, size).
        let split = Strides::contiguous(&[2, 197, 12, 64]);
        let seen = split.permuted(&[0, 2, 1, 3]);
        assert!(!seen.is_contiguous(&[2, 12, 197, 64]));
        assert_eq!(seen.viewed(&[2, 12, 197, 64], &[24, 197, 64]), None);
        let back = seen.permuted(&[0, 2, 1, 3]);
        let merged = back.viewed(&[2, 197, 12, 64], &[2, 197, 768]).unwrap();
        assert!(merged.is_contiguous(&[2, 197, 768]));
    }

    #[test]
    fn channels_last_is_a_permutation_of_contiguous() {
        let nhwc = Strides::contiguous(&[2, 8, 8, 3]);
        let nchw = nhwc.permuted(&[0, 3, 1, 2]);
        assert!(nchw.is_channels_last(&[2, 3, 8, 8]));
        assert_eq!(nchw.like(&[2, 5, 8, 8]), Strides::channels_last(&[2, 5, 8, 8]));
    }
}
