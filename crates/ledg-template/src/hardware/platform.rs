//! A platform: a device and a runtime, as words and as numbers.

use super::builtin;
use super::device::Device;
use super::error::HardwareError;
use super::precision::Precision;
use super::runtime::Runtime;
use super::wording::render;
use std::fmt;
use std::sync::Arc;

/// A device that runs graphs in a certain way.
///
/// `Display` writes the name that [`resolve`](super::HardwareRegistry::resolve) reads:
/// `nvidia-rtx-3090:amp/nchw/eager/pt2.4.0`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Platform {
    /// The device.
    pub device: Arc<Device>,
    /// How graphs run on it.
    pub runtime: Runtime,
}

/// A platform in SI units. `None` is "not stated", never zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlatformNumbers {
    /// Dense matrix products at the runtime's precision (matrix units where there are any), floating-point or integer
    /// operations a second.
    pub peak_matmul_flops: f64,
    /// Elementwise arithmetic, outside matrix units, in fp32 (also for half-precision runtimes, which widen to it);
    /// operations a second. `None` for integer and double runtimes and for chips without an fp32 figure.
    pub peak_vector_flops: Option<f64>,
    /// Memory bandwidth, bytes a second.
    pub bandwidth_bytes_s: Option<f64>,
    /// The last level of cache, bytes.
    pub cache_bytes: Option<f64>,
    /// Streaming multiprocessors, compute units or physical cores.
    pub units: Option<f64>,
    /// Boost clock, Hz.
    pub clock_hz: Option<f64>,
    /// Design power, W.
    pub tdp_w: Option<f64>,
    /// Memory of the device, bytes.
    pub memory_bytes: Option<f64>,
    /// Bytes of one element of an activation at the runtime's precision; amp counts as 2.
    pub bytes_per_element: f64,
    /// Typical time to launch one kernel, s.
    pub launch_overhead_s: Option<f64>,
    /// The year the device came out.
    pub year: Option<f64>,
}

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

impl Platform {
    /// A platform, if the device states a peak for the runtime's precision and lists its framework and compiler.
    pub fn new(device: Arc<Device>, runtime: Runtime) -> Result<Self, HardwareError> {
        check_allowed(&device, &runtime)?;
        Ok(Self { device, runtime })
    }

    /// The platform in the paper's words: vendor, kind, precision, TFLOP/s at that precision, architecture, power.
    ///
    /// `Nv GPU FP32 8.1 Turing 70W`. What the device does not state is left out.
    pub fn sentence(&self) -> String {
        let wording = builtin::wording();
        let (device, precision) = (&self.device, self.runtime.precision);
        render(&wording.sentence, |key| match key {
            "vendor" => Some(device.vendor_short.clone()),
            "kind" => Some(wording.kind(device.kind)),
            "precision" => Some(wording.precision(precision)),
            "tflops" => device.peak.matmul(precision).map(|peak| wording.number(peak)),
            "architecture" => Some(device.architecture.clone()),
            "watts" => device.tdp_w.map(|power| wording.number(power)),
            _ => unreachable!("Wording::parse refuses other keys"),
        })
    }

    /// The runtime in words, such as `PyTorch 2.4 compiled NHWC mixed FP16`; `None` for the plain runtime that
    /// `wording.toml` names.
    pub fn runtime_sentence(&self) -> Option<String> {
        let wording = builtin::wording();
        let runtime = &self.runtime;
        if builtin::registry().profile(&wording.plain_runtime) == Some(runtime) {
            return None;
        }
        Some(render(&wording.runtime_sentence, |key| match key {
            "framework" => Some(runtime.framework.words.clone()),
            "version" => runtime.version_major_minor(),
            "compiler" => runtime.framework.compilers.get(&runtime.compiler).cloned(),
            "layout" => Some(wording.layout(runtime.layout)),
            "precision" => Some(wording.runtime_precision(runtime.precision)),
            _ => unreachable!("Wording::parse refuses other keys"),
        }))
    }

    /// The platform in numbers.
    ///
    /// # Panics
    ///
    /// If a caller changed the runtime to a precision that [`new`](Self::new) would have refused.
    pub fn numbers(&self) -> PlatformNumbers {
        let (device, precision) = (&self.device, self.runtime.precision);
        let scaled = |figure: Option<f64>, unit: f64| figure.map(|f| f * unit);
        let peak = device.peak.matmul(precision).expect("Platform::new refuses a precision without a peak");
        let widens = !precision.is_integer() && precision != Precision::Fp64;
        PlatformNumbers {
            peak_matmul_flops: peak * 1e12,
            peak_vector_flops: if widens { scaled(device.peak.vector(), 1e12) } else { None },
            bandwidth_bytes_s: scaled(device.memory_bandwidth_gb_s, 1e9),
            cache_bytes: scaled(device.l2_cache_mb, MIB),
            units: device.units,
            clock_hz: scaled(device.clock_mhz, 1e6),
            tdp_w: device.tdp_w,
            memory_bytes: scaled(device.memory_gb, GIB),
            bytes_per_element: precision.bytes_per_element(),
            launch_overhead_s: scaled(device.launch_overhead_us, 1e-6),
            year: device.year,
        }
    }
}

fn check_allowed(device: &Device, runtime: &Runtime) -> Result<(), HardwareError> {
    if !device.all_runtimes().any(|listed| listed.way() == runtime.way()) {
        let mut listed: Vec<_> = device.all_runtimes().map(Runtime::way).collect();
        listed.sort();
        listed.dedup();
        return Err(HardwareError::UnlistedRuntime {
            device: device.name.clone(),
            framework: runtime.framework.name.clone(),
            compiler: runtime.compiler.clone(),
            listed,
        });
    }
    if device.peak.matmul(runtime.precision).is_none() {
        return Err(HardwareError::UnsupportedPrecision {
            device: device.name.clone(),
            precision: runtime.precision,
            available: device.peak.precisions().iter().map(ToString::to_string).collect(),
        });
    }
    Ok(())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device.name, self.runtime)
    }
}
