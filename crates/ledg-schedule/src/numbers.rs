//! The numbers of a node: logarithms of extents, trip counts, footprints and operations.

/// Version of sentences and numbers: models trained with another are refused.
pub const SCHEDULE_SCHEMA: u32 = 5;

/// Number of numbers.
pub const N_NUMBERS: usize = NUMBER_NAMES.len();

/// What each number is. `log2` is of one plus the quantity; footprints and bytes are of the data that the iterations inside the
/// loop touch, the loop itself included. Accesses are the written one first, then those read, in the task's order. What a block's row
/// says of steps, contiguity and kind is of its innermost loop.
///
/// Traffic is what a cache of that capacity takes in while the block runs, in lines of 64 bytes, by iteration; the capacities are
/// about those of vector registers, first, second and third level, and nothing jumps where data outgrows one.
pub const NUMBER_NAMES: [&str; 69] = [
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
    "step of access 1, log2 bytes",
    "step of access 2, log2 bytes",
    "step of access 3, log2 bytes",
    "log2 cache lines of access 1",
    "log2 cache lines of access 2",
    "log2 cache lines of access 3",
    "log2 vector lanes",
    "share of 8 lanes used",
    "share of 16 lanes used",
    "unrolled by the limit",
    "log2 copies of the statement unrolled",
    "log2 extent of the innermost loop",
    "log2 elements written inside the innermost reduction",
    "log2 iterations of the innermost run of reductions",
    "elements read by iteration inside the innermost reduction, log2",
    "iterations by those of the untouched block, log2",
    "log2 blocks inlined",
    "log2 parallel iterations",
    "share of the task's flops",
    "traffic at 512 B by iteration, log2 bytes",
    "traffic at 32 KiB by iteration, log2 bytes",
    "traffic at 512 KiB by iteration, log2 bytes",
    "traffic at 8 MiB by iteration, log2 bytes",
    "log2 bytes of the target's vector registers",
    "share of the target's lanes used",
    "log2 instructions of the unrolled body",
    "log2 instructions of it that touch memory",
    "log2 of results over registers",
    "log2 bodies that results stay in registers for",
    "share of accesses lane by lane",
    "log2 instructions by iteration",
    "log2 cycles by iteration, estimated",
    "share of the program's cycles, estimated",
    "log2 cycles of the program by the task's iterations, estimated",
    "share of the body that takes vectors apart",
];

/// Capacities that traffic is worked out for, bytes.
pub(crate) const CAPACITIES: [f64; 4] = [512.0, 32768.0, 524288.0, 8388608.0];

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
    pub const OVER_LIMIT: usize = 33;
    pub const STEPS: usize = 34;
    pub const LINES: usize = 37;
    pub const LANES: usize = 40;
    pub const OF_8_LANES: usize = 41;
    pub const OF_16_LANES: usize = 42;
    pub const UNROLLED_BY_LIMIT: usize = 43;
    pub const COPIES: usize = 44;
    pub const INNERMOST: usize = 45;
    pub const ACCUMULATORS: usize = 46;
    pub const REDUCED: usize = 47;
    pub const LOADS: usize = 48;
    pub const RECOMPUTED: usize = 49;
    pub const INLINED: usize = 50;
    pub const PARALLEL_TRIPS: usize = 51;
    pub const TASK_SHARE: usize = 52;
    pub const TRAFFIC: usize = 53;
    pub const VECTOR_BYTES: usize = 57;
    pub const OF_TARGET_LANES: usize = 58;
    pub const BODY: usize = 59;
    pub const MEMORY: usize = 60;
    pub const PRESSURE: usize = 61;
    pub const HELD: usize = 62;
    pub const LANE_BY_LANE: usize = 63;
    pub const BY_ITERATION: usize = 64;
    pub const CYCLES: usize = 65;
    pub const CYCLES_SHARE: usize = 66;
    pub const CYCLES_OF_ALL: usize = 67;
    pub const TAKEN_APART: usize = 68;
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
