//! Number formats and memory layouts of a runtime.

use serde::Deserialize;
use std::fmt;

/// In what arithmetic a runtime computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Precision {
    /// IEEE double.
    Fp64,
    /// IEEE single throughout.
    Fp32,
    /// Single in memory, matrix products in TF32.
    Tf32,
    /// Automatic mixed precision: matrix products in half with fp32 accumulation, the rest as the framework decides.
    Amp,
    /// Automatic mixed precision with bfloat16.
    AmpBf16,
    /// IEEE half throughout.
    Fp16,
    /// bfloat16 throughout.
    Bf16,
    /// 16-bit fixed point.
    Int16,
    /// 8-bit integers.
    Int8,
}

impl Precision {
    /// Every precision, in the order messages list them.
    pub const ALL: [Self; 9] =
        [Self::Fp64, Self::Fp32, Self::Tf32, Self::Amp, Self::AmpBf16, Self::Fp16, Self::Bf16, Self::Int16, Self::Int8];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp64 => "fp64",
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Amp => "amp",
            Self::AmpBf16 => "amp_bf16",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
        }
    }

    /// The precision of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// Bytes of one element of an activation: what travels between operators.
    pub fn bytes_per_element(self) -> f64 {
        match self {
            Self::Fp64 => 8.0,
            Self::Fp32 | Self::Tf32 => 4.0,
            Self::Amp | Self::AmpBf16 | Self::Fp16 | Self::Bf16 | Self::Int16 => 2.0,
            Self::Int8 => 1.0,
        }
    }

    /// Does a framework choose by operator between half precision and fp32 (autocast)?
    pub fn is_mixed(self) -> bool {
        matches!(self, Self::Amp | Self::AmpBf16)
    }

    /// Are products computed from floating-point numbers of two bytes, in all operators or in those that autocast chooses?
    pub fn is_half(self) -> bool {
        self.is_mixed() || matches!(self, Self::Fp16 | Self::Bf16)
    }

    /// Is the arithmetic of integers or fixed point?
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int16 | Self::Int8)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The order of a feature map's dimensions in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channels, height, width.
    Nchw,
    /// Batch, height, width, channels ("channels last").
    Nhwc,
}

impl Layout {
    /// Every layout.
    pub const ALL: [Self; 2] = [Self::Nchw, Self::Nhwc];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nchw => "nchw",
            Self::Nhwc => "nhwc",
        }
    }

    /// The layout of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
