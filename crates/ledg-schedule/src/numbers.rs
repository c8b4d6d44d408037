//! The numbers of a node: logarithms of extents, trip counts, footprints and operations.

/// Version of sentences and numbers: models trained with another are refused.
pub const SCHEDULE_SCHEMA: u32 = 1;

/// Number of numbers.
pub const N_NUMBERS: usize = NUMBER_NAMES.len();

/// What each number is. `log2` is of one plus the quantity; footprints and bytes are of the data that the iterations inside the
/// loop touch, the loop itself included.
pub const NUMBER_NAMES: [&str; 34] = [
    "log2 extent",
    "extent unknown",
    "log2 factor 1",
    "log2 factor 2",
    "log2 factor 3",
    "log2 factor 4",
    "log2 value",
    "log2 trips outside",
    "log2 iterations inside",
    "log2 footprint bytes",
    "log2 bytes read",
    "log2 bytes written",
    "log2 flops inside",
    "log2 flops by footprint byte",
    "depth",
    "from innermost",
    "share of accesses contiguous",
    "share of accesses invariant",
    "parallel",
    "vectorized",
    "unrolled",
    "unroll limit log2",
    "spatial",
    "reduction",
    "footprint beyond 32 KiB, log2",
    "footprint beyond 1 MiB, log2",
    "footprint of access 1, log2 bytes",
    "footprint of access 2, log2 bytes",
    "footprint of access 3, log2 bytes",
    "largest step of an access, log2 bytes",
    "task flops log2",
    "task bytes log2",
    "blocks of the task log2",
    "iterations unrolled beyond the limit",
];

/// A row of numbers by what they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Numbers(pub [f32; N_NUMBERS]);

/// Places in a row; `FACTORS` and `ACCESSES` are the first of several.
pub(crate) mod at {
    pub const EXTENT: usize = 0;
    pub const UNKNOWN: usize = 1;
    pub const FACTORS: usize = 2;
    pub const VALUE: usize = 6;
    pub const OUTSIDE: usize = 7;
    pub const INSIDE: usize = 8;
    pub const FOOTPRINT: usize = 9;
    pub const READ: usize = 10;
    pub const WRITTEN: usize = 11;
    pub const FLOPS: usize = 12;
    pub const INTENSITY: usize = 13;
    pub const DEPTH: usize = 14;
    pub const FROM_INNERMOST: usize = 15;
    pub const CONTIGUOUS: usize = 16;
    pub const INVARIANT: usize = 17;
    pub const PARALLEL: usize = 18;
    pub const VECTORIZED: usize = 19;
    pub const UNROLLED: usize = 20;
    pub const UNROLL_LIMIT: usize = 21;
    pub const SPATIAL: usize = 22;
    pub const REDUCTION: usize = 23;
    pub const BEYOND_L1: usize = 24;
    pub const BEYOND_L2: usize = 25;
    pub const ACCESSES: usize = 26;
    pub const STEP: usize = 29;
    pub const TASK_FLOPS: usize = 30;
    pub const TASK_BLOCKS: usize = 32;
    pub const OVER_LIMIT: usize = 33;
}

pub(crate) const N_FACTORS: usize = 4;
pub(crate) const N_ACCESSES: usize = 3;

impl Numbers {
    pub const ZERO: Numbers = Numbers([0.0; N_NUMBERS]);

    pub fn set(&mut self, place: usize, value: f64) -> &mut Self {
        self.0[place] = value as f32;
        self
    }

    /// log2(1 + x).
    pub fn log(&mut self, place: usize, x: f64) -> &mut Self {
        self.set(place, (1.0 + x.max(0.0)).log2())
    }

    pub fn flag(&mut self, place: usize, on: bool) -> &mut Self {
        self.set(place, f64::from(u8::from(on)))
    }
}
