//! From node vectors and a platform to a latency.

mod paper;
mod sum;

pub(crate) use paper::PaperReadout;
pub(crate) use sum::{Rows, SumReadout};
