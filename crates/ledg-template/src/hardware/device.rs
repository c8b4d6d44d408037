//! A device: one chip's data sheet.

use super::precision::Precision;
use super::runtime::Runtime;
use serde::Deserialize;

/// What sort of chip it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A graphics processor with its own board or module.
    Gpu,
    /// A server, desktop or laptop processor.
    Cpu,
    /// The graphics processor of a phone's chip.
    MobileGpu,
    /// The processor cores of a phone's or small board's chip.
    MobileCpu,
    /// A neural accelerator beside a processor.
    Npu,
    /// A vision processor.
    Vpu,
    /// Google's tensor processor.
    Tpu,
    /// Programmable logic.
    Fpga,
    /// Another chip made for one purpose.
    Asic,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Gpu,
        Self::Cpu,
        Self::MobileGpu,
        Self::MobileCpu,
        Self::Npu,
        Self::Vpu,
        Self::Tpu,
        Self::Fpga,
        Self::Asic,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
            Self::MobileGpu => "mobile-gpu",
            Self::MobileCpu => "mobile-cpu",
            Self::Npu => "npu",
            Self::Vpu => "vpu",
            Self::Tpu => "tpu",
            Self::Fpga => "fpga",
            Self::Asic => "asic",
        }
    }
}

/// Dense peak rates in TFLOP/s (TOP/s for integers); `None`: not supported or not published.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Peaks {
    /// Double-precision matrix products, on matrix units where there are any.
    pub fp64: Option<f64>,
    /// Single-precision matrix products, on matrix units where there are any.
    pub fp32: Option<f64>,
    /// Single-precision arithmetic outside matrix units, where it differs from `fp32`.
    pub fp32_vector: Option<f64>,
    /// TF32 matrix products.
    pub tf32: Option<f64>,
    /// Half-precision matrix products, with fp32 accumulation where the chip can.
    pub fp16: Option<f64>,
    /// bfloat16 matrix products.
    pub bf16: Option<f64>,
    /// 16-bit fixed-point products.
    pub int16: Option<f64>,
    /// 8-bit integer products.
    pub int8: Option<f64>,
}

impl Peaks {
    /// The field's name that holds the rate of matrix products at this precision.
    pub fn field(precision: Precision) -> &'static str {
        match precision {
            Precision::Fp64 => "fp64",
            Precision::Fp32 => "fp32",
            Precision::Tf32 => "tf32",
            Precision::Amp | Precision::Fp16 => "fp16",
            Precision::AmpBf16 | Precision::Bf16 => "bf16",
            Precision::Int16 => "int16",
            Precision::Int8 => "int8",
        }
    }

    /// Matrix products at this precision, TFLOP/s or TOP/s.
    pub fn matmul(&self, precision: Precision) -> Option<f64> {
        match precision {
            Precision::Fp64 => self.fp64,
            Precision::Fp32 => self.fp32,
            Precision::Tf32 => self.tf32,
            Precision::Amp | Precision::Fp16 => self.fp16,
            Precision::AmpBf16 | Precision::Bf16 => self.bf16,
            Precision::Int16 => self.int16,
            Precision::Int8 => self.int8,
        }
    }

    /// Elementwise arithmetic in fp32, TFLOP/s: frameworks compute elementwise operators in fp32 even when the data is
    /// half. Without a figure of its own it is `fp32`, as then both run on the same units.
    pub fn vector(&self) -> Option<f64> {
        self.fp32_vector.or(self.fp32)
    }

    /// The precisions that have a peak.
    pub fn precisions(&self) -> Vec<Precision> {
        Precision::ALL.into_iter().filter(|p| self.matmul(*p).is_some()).collect()
    }
}

/// Where figures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The figures, such as `peak.fp32` or `tdp_w`.
    pub fields: Vec<String>,
    /// The document.
    pub title: String,
    /// Who published it.
    pub publisher: String,
    /// Where it is, if it has a lasting address.
    pub url: Option<String>,
    /// How the figures follow from the document, where it does not print them.
    pub derived: Option<String>,
    /// What else a reader has to know.
    pub note: Option<String>,
}

/// One chip's data sheet, checked. Units are in the names; `None` is "not stated", never zero.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Device {
    /// The file it came from.
    pub origin: String,
    /// Its unique id, such as `nvidia-t4`.
    pub name: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    /// The maker, such as `NVIDIA`.
    pub vendor: String,
    /// The maker's word in sentences, such as `Nv`.
    pub vendor_short: String,
    /// What sort of chip it is.
    pub kind: Kind,
    /// The architecture's name, such as `Turing`.
    pub architecture: String,
    /// The year it came out.
    pub year: Option<f64>,
    /// Streaming multiprocessors, compute units or physical cores.
    pub units: Option<f64>,
    /// Boost clock.
    pub clock_mhz: Option<f64>,
    /// Base clock.
    pub base_clock_mhz: Option<f64>,
    /// Design power.
    pub tdp_w: Option<f64>,
    /// Memory on the device, in GB as data sheets count.
    pub memory_gb: Option<f64>,
    /// Memory bandwidth, 10^9 bytes a second.
    pub memory_bandwidth_gb_s: Option<f64>,
    /// The last level of cache, MiB.
    pub l2_cache_mb: Option<f64>,
    /// First-level data cache of one unit, KiB.
    pub l1_kb: Option<f64>,
    /// Typical time to launch one kernel.
    pub launch_overhead_us: Option<f64>,
    /// Dense peak rates.
    pub peak: Peaks,
    /// What else a reader has to know, such as which variant of a card it is.
    pub note: Option<String>,
    /// The runtime that is meant when none is named.
    pub default_runtime: Runtime,
    /// The runtimes it lists: profile name and runtime, in the file's order.
    pub runtimes: Vec<(String, Runtime)>,
    /// Where the figures come from.
    pub sources: Vec<Source>,
}

impl Device {
    /// The id and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The default runtime and the listed ones.
    pub(super) fn all_runtimes(&self) -> impl Iterator<Item = &Runtime> {
        std::iter::once(&self.default_runtime).chain(self.runtimes.iter().map(|(_, runtime)| runtime))
    }

    /// Is it the same sheet, wherever it was read?
    pub(super) fn same_sheet(&self, other: &Self) -> bool {
        *self == Self { origin: self.origin.clone(), ..other.clone() }
    }
}
