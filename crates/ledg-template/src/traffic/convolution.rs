//! What libraries and compilers decide about a convolution by the shape of its weights.

/// The weights of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvWeights {
    /// Channels of the answer.
    channels: u64,
    /// Channels that each of the groups reads.
    group_width: u64,
    /// Positions of the window.
    window: u64,
    /// The window has two axes of one length.
    square: bool,
    groups: u64,
}

/// FLOP of vector units that a depthwise convolution costs for each of its own by PyTorch's kernel for any window (addresses and bounds of
/// every position, one at a time). Between what 7 x 7 windows of ConvNeXt (8) and 9 x 9 of ConvMixer (45) take.
const ANY_WINDOW: f64 = 16.0;
/// The same by cuDNN in channels-last, for windows that it has no kernel of its own for: 74 in compiled networks, 74 channels-last
/// one by one (docs/prior.md).
const ANY_WINDOW_CHANNELS_LAST: f64 = 74.0;
/// The largest window that cuDNN has a kernel of its own for in channels-last, 7 x 7.
const LARGEST_CHANNELS_LAST: u64 = 49;

/// By how much TorchInductor takes a convolution's time to change in channels-last, by kind (`GraphLowering.decide_layout_opt`).
const GROUPED: f64 = 1.358;
const SMALL: f64 = 0.783;
const NARROWING: f64 = 0.725;
const OTHER: f64 = 0.823;

impl ConvWeights {
    /// Of weights (channels, channels a group, window ...); what is not known counts as one.
    pub fn of(shape: &[u64], groups: i64) -> Self {
        let at = |axis: usize| shape.get(axis).copied().unwrap_or(1);
        ConvWeights {
            square: shape.len() == 4 && at(2) == at(3),
            channels: at(0),
            group_width: at(1),
            window: shape.iter().skip(2).fold(1, |product: u64, &d| product.saturating_mul(d)),
            groups: groups.max(1).unsigned_abs(),
        }
    }

    /// FLOP of vector units for that many elements of the answer; 0 where matrix units take the convolution.
    pub fn vector_flops(&self, written: f64, channels_last: bool) -> f64 {
        if self.groups == 1 || self.group_width > 1 {
            return 0.0;
        }
        let factor = match channels_last {
            true if self.square && self.window <= LARGEST_CHANNELS_LAST => 1.0,
            true => ANY_WINDOW_CHANNELS_LAST,
            // Windows of 1 x 1, 3 x 3 and 5 x 5 have kernels.
            false if self.square && matches!(self.window, 1 | 9 | 25) => 1.0,
            false => ANY_WINDOW,
        };
        2.0 * written * self.window as f64 * factor
    }

    fn is_grouped(&self) -> bool {
        self.groups > 1 && self.group_width > 1
    }

    /// Whether a library copies channels-last images before and after: its kernels for them take groups of 2, 4, 8, ... channels,
    /// and of one group channels by the four, or an image's few.
    pub fn copies_channels_last(&self) -> bool {
        match self.groups {
            1 => !self.channels.is_multiple_of(4) || (self.group_width > 4 && !self.group_width.is_multiple_of(4)),
            _ => self.is_grouped() && !self.group_width.is_power_of_two(),
        }
    }

    /// Whether a library copies channels-first images for its matrix units before and after: all but depthwise convolutions and groups
    /// of 2, 4, 8, ... channels.
    pub fn copies_channels_first(&self) -> bool {
        self.groups == 1 || !self.group_width.is_power_of_two()
    }

    /// Operations for that many elements of the answer, and the same as TorchInductor weighs them for channels-last.
    pub fn flops(&self, written: f64) -> [f64; 2] {
        let flops = 2.0 * written * self.group_width as f64 * self.window as f64;
        let factor = if self.is_grouped() {
            GROUPED
        } else if self.channels <= 64 && self.group_width <= 64 {
            SMALL
        } else if self.channels.saturating_mul(2) <= self.group_width && self.window > 1 {
            NARROWING
        } else {
            OTHER
        };
        [flops, flops * factor]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_copy_what_their_channels_last_kernels_do_not_take() {
        let copies = |shape: [u64; 4], groups| ConvWeights::of(&shape, groups).copies_channels_last();
        assert!(!copies([64, 3, 7, 7], 1), "an image's channels have a kernel");
        assert!(!copies([64, 24, 1, 1], 1));
        assert!(copies([64, 30, 1, 1], 1));
        assert!(copies([57, 64, 1, 1], 1));
        assert!(!copies([96, 32, 3, 3], 3));
        assert!(copies([96, 24, 3, 3], 4));
        assert!(!copies([57, 1, 3, 3], 57), "depthwise");
    }

    #[test]
    fn matrix_units_copy_channels_first_unless_groups_have_a_kernel() {
        let copies = |shape: [u64; 4], groups| ConvWeights::of(&shape, groups).copies_channels_first();
        assert!(copies([64, 64, 1, 1], 1));
        assert!(copies([96, 24, 3, 3], 4));
        assert!(!copies([96, 32, 3, 3], 3));
        assert!(!copies([57, 1, 3, 3], 57), "depthwise");
    }

    #[test]
    fn depthwise_convolutions_run_on_vector_units_by_the_kernels_there_are() {
        let factor = |shape: [u64; 4], groups, channels_last| {
            let weights = ConvWeights::of(&shape, groups);
            weights.vector_flops(10.0, channels_last) / (20.0 * (shape[2] * shape[3]) as f64)
        };
        assert_eq!(factor([64, 64, 3, 3], 1, true), 0.0);
        assert_eq!(factor([64, 2, 3, 3], 32, true), 0.0, "groups of channels");
        for channels_last in [false, true] {
            assert_eq!(factor([64, 1, 5, 5], 64, channels_last), 1.0);
        }
        assert_eq!(factor([64, 1, 7, 7], 64, false), ANY_WINDOW);
        assert_eq!(factor([64, 1, 7, 7], 64, true), 1.0);
        assert_eq!(factor([64, 1, 9, 9], 64, true), ANY_WINDOW_CHANNELS_LAST);
        assert_eq!(factor([64, 1, 1, 5], 64, true), ANY_WINDOW_CHANNELS_LAST);
        assert_eq!(factor([64, 1, 1, 5], 64, false), ANY_WINDOW);
        // Of one spatial axis, which has no channels-last.
        assert_eq!(ConvWeights::of(&[64, 1, 3], 64).vector_flops(1.0, false), 6.0 * ANY_WINDOW);
    }

    #[test]
    fn inductor_weighs_by_kind() {
        let factor = |shape: [u64; 4], groups| {
            let [flops, weighed] = ConvWeights::of(&shape, groups).flops(10.0);
            assert_eq!(flops, 20.0 * (shape[1] * shape[2] * shape[3]) as f64);
            (1000.0 * weighed / flops).round() / 1000.0
        };
        assert_eq!(factor([64, 64, 3, 3], 1), SMALL);
        assert_eq!(factor([128, 256, 3, 3], 1), NARROWING);
        assert_eq!(factor([128, 256, 1, 1], 1), OTHER);
        assert_eq!(factor([128, 32, 3, 3], 4), GROUPED);
        assert_eq!(factor([128, 1, 3, 3], 128), OTHER, "depthwise");
    }
}
