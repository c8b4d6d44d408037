//! What this host is: its processor by cpuid, its cores, and what one of them really reaches.
//!
//! tract runs a plan on one thread unless told otherwise, so the rates are those of one thread: the sustained rate of
//! tract's own matrix product, a triad over arrays that no cache holds, and what an operator takes that does nothing.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tract_core::internal::*;
use tract_core::ops::einsum::EinSum;
use tract_core::ops::math::tanh;

use crate::error::{Result, TractAdapterError};
use crate::facts::tract_error;

/// Side of the square matrices of the product: large enough to reach the rate, small enough for a cache.
const SIDE: usize = 768;
/// Elements of each array of the triad: 64 MiB, three of them, more than a share of any last-level cache.
const ELEMENTS: usize = 16 << 20;
/// Operators of the chain that does next to nothing.
const CHAIN: usize = 256;
/// How often each is repeated; the best counts, as for STREAM.
const REPEATS: usize = 12;

/// This host.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Brand as the processor says it.
    pub cpu: String,
    /// Maker.
    pub vendor: String,
    /// Generation, or family and model where it is not known.
    pub architecture: String,
    /// Physical cores.
    pub cores: usize,
    /// Clock in MHz, where the processor or the system states it.
    pub clock_mhz: Option<f64>,
    /// Last level of cache in MiB, where the processor states it.
    pub cache_mb: Option<f64>,
    /// First-level data cache of a core in KiB, where the processor states it.
    pub l1_kb: Option<f64>,
    /// Rate of single-precision matrix products on one thread, TFLOP/s.
    pub sgemm_tflops: f64,
    /// Bandwidth of a triad on one thread, 10^9 bytes a second.
    pub stream_gb_s: f64,
    /// What tract takes for an operator that does next to nothing, microseconds.
    pub launch_us: f64,
}

/// The processor's brand.
pub fn cpu_name() -> String {
    cpu::identity().brand
}

impl Host {
    /// Finds out; takes a few seconds.
    ///
    /// # Errors
    /// Where the processor has no name, or tract cannot run a matrix product.
    pub fn detect() -> Result<Host> {
        let identity = cpu::identity();
        if identity.brand.is_empty() {
            let why = "it has no brand string".to_owned();
            return Err(TractAdapterError::Host { what: "processor", why });
        }
        Ok(Host {
            cpu: identity.brand,
            vendor: identity.vendor,
            architecture: identity.architecture,
            cores: num_cpus::get_physical(),
            clock_mhz: identity.clock_mhz.or_else(system_clock_mhz),
            cache_mb: identity.cache_mb,
            l1_kb: identity.l1_kb,
            sgemm_tflops: sgemm_tflops()?,
            stream_gb_s: stream_gb_s(),
            launch_us: launch_us()?,
        })
    }

    /// The host as a hardware file, which `--hardware` takes. `date` is when it was measured.
    pub fn to_toml(&self, name: &str, date: &str) -> String {
        let mut text = format!("# Written by `ledg-cost hardware detect` on {date}.\nschema = 1\nname = {name:?}\n");
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "vendor = {vendor:?}\nvendor_short = {vendor:?}\nkind = \"cpu\"\narchitecture = {arch:?}\nunits = 1\n",
            vendor = self.vendor,
            arch = self.architecture,
        );
        let mut stated = vec!["units"];
        let figures = [
            ("clock_mhz", self.clock_mhz.map(|x| x.round())),
            ("memory_bandwidth_gb_s", Some((10.0 * self.stream_gb_s).round() / 10.0)),
            ("l2_cache_mb", self.cache_mb),
            ("l1_kb", self.l1_kb),
            ("launch_overhead_us", Some((1e3 * self.launch_us).round() / 1e3)),
        ];
        for (field, value) in figures {
            if let Some(value) = value {
                let _ = writeln!(text, "{field} = {value}");
                stated.push(field);
            }
        }
        let _ = write!(
            text,
            "default_runtime = \"tract0.23-fp32-nchw\"\nruntimes = [\"tract0.23-fp32-nchw\"]\n\
             note = \"{cpu}, one thread of {cores} cores, as tract runs a plan on one thread; rates are measured, not stated\"\n\n\
             [peak]\nfp32 = {peak}\n\n",
            cpu = self.cpu.replace(['"', '\\'], ""),
            cores = self.cores,
            peak = (1e5 * self.sgemm_tflops).round() / 1e5,
        );
        let measured = ["memory_bandwidth_gb_s", "launch_overhead_us"];
        let said: Vec<&str> = stated.iter().copied().filter(|f| !measured.contains(f)).collect();
        let sources = [
            (said, "cpuid and the system's description of the processor", None),
            (
                vec!["peak.fp32"],
                "Measured on this host",
                Some(format!("tract's matrix product of {SIDE} x {SIDE} x {SIDE} on one thread, best of {REPEATS}")),
            ),
            (
                vec!["memory_bandwidth_gb_s"],
                "Measured on this host",
                Some(format!("triad over three arrays of {} MiB on one thread, best of {REPEATS}", ELEMENTS >> 18)),
            ),
            (
                vec!["launch_overhead_us"],
                "Measured on this host",
                Some(format!("a chain of {CHAIN} operators on 16 numbers each, run by tract, best of {REPEATS}")),
            ),
        ];
        for (fields, title, derived) in sources {
            let _ = writeln!(text, "[[source]]\nfields = {fields:?}\ntitle = {title:?}\npublisher = \"this host\"");
            if let Some(derived) = derived {
                let _ = writeln!(text, "derived = {derived:?}");
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// A name for the host's file: `host-amd-epyc`.
    pub fn file_name(&self) -> String {
        let brand = self.cpu.to_lowercase();
        let words: Vec<&str> = brand.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        let name = format!("host-{}", words.join("-"));
        name.chars().take(60).collect::<String>().trim_end_matches('-').to_owned()
    }
}

/// Waits a moment and tells how busy others keep this machine's processors; `None` where the system does not say.
pub fn busy_share(moment: Duration) -> Option<f64> {
    let before = processor_times()?;
    std::thread::sleep(moment);
    let after = processor_times()?;
    let all = (after.0 - before.0).max(1) as f64;
    Some((after.1 - before.1) as f64 / all)
}

/// Refuses a machine that others keep busy.
///
/// # Errors
/// [`TractAdapterError::Noisy`], with what was seen.
pub fn check_idle(max_busy: f64) -> Result<()> {
    let Some(busy) = busy_share(Duration::from_millis(500)) else { return Ok(()) };
    if busy <= max_busy {
        return Ok(());
    }
    let (seen, limit) = (100.0 * busy, 100.0 * max_busy);
    let why = format!(
        "other processes, or the host of this virtual machine, keep its processors busy for {seen:.0} % of the time, more than {limit:.0} %"
    );
    Err(TractAdapterError::Noisy { why })
}

/// All and busy processor time since boot, in ticks: Linux's `/proc/stat`. Stolen time is busy.
fn processor_times() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let first: Vec<u64> = ticks.into_iter().take(8).collect();
    let all: u64 = first.iter().sum();
    let idle = first.get(3)? + first.get(4)?;
    Some((all, all - idle))
}

fn system_clock_mhz() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("cpu MHz"))?;
    line.split_once(':')?.1.trim().parse().ok()
}

/// The best of several rates.
fn best(mut rate: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut best = 0.0f64;
    for _ in 0..REPEATS {
        best = best.max(rate()?);
    }
    Ok(best)
}

fn sgemm_tflops() -> Result<f64> {
    let refused = |e: TractError| tract_error("matrix product", "run", &e);
    let build = || -> TractResult<_> {
        let mut model = TypedModel::default();
        let a = model.add_source("a", f32::fact([SIDE, SIDE]))?;
        let numbers: Vec<f32> = (0..SIDE * SIDE).map(|i| (i % 7) as f32 * 0.1).collect();
        let b = model.add_const("b", Tensor::from_shape(&[SIDE, SIDE], &numbers)?)?;
        let axes: AxesMapping = "mk,kn->mn".parse()?;
        let c = model.wire_node("c", EinSum::new(axes, f32::datum_type()), &[a, b])?;
        model.select_output_outlets(&c)?;
        let plan = TypedSimplePlan::new(model.into_optimized()?)?;
        Ok((plan, Tensor::from_shape(&[SIDE, SIDE], &numbers)?.into_tvalue()))
    };
    let (plan, input) = build().map_err(refused)?;
    best(|| {
        let start = Instant::now();
        let output = plan.run(tvec!(input.clone())).map_err(refused)?;
        let elapsed = start.elapsed().as_secs_f64();
        black_box(output);
        Ok(2.0 * (SIDE as f64).powi(3) / elapsed / 1e12)
    })
}

fn launch_us() -> Result<f64> {
    let refused = |e: TractError| tract_error("chain of small operators", "run", &e);
    let build = || -> TractResult<Arc<TypedSimplePlan>> {
        let mut model = TypedModel::default();
        let mut wire = model.add_source("x", f32::fact([16]))?;
        for i in 0..CHAIN {
            wire = model.wire_node(format!("n{i}"), tanh(), &[wire])?[0];
        }
        model.select_output_outlets(&[wire])?;
        TypedSimplePlan::new(model.into_optimized()?)
    };
    let plan = build().map_err(refused)?;
    let input = Tensor::from_shape(&[16], &[0.5f32; 16]).map_err(refused)?.into_tvalue();
    let per_us = best(|| {
        let start = Instant::now();
        black_box(plan.run(tvec!(input.clone())).map_err(refused)?);
        Ok(CHAIN as f64 / start.elapsed().as_secs_f64() / 1e6)
    })?;
    Ok(1.0 / per_us)
}

fn stream_gb_s() -> f64 {
    let (b, c) = (vec![1.0f32; ELEMENTS], vec![2.0f32; ELEMENTS]);
    let mut a = vec![0.0f32; ELEMENTS];
    let rate = best(|| {
        let start = Instant::now();
        for ((a, b), c) in a.iter_mut().zip(&b).zip(&c) {
            *a = b + 3.0 * c;
        }
        black_box(&mut a);
        let bytes = 3 * ELEMENTS * size_of::<f32>();
        Ok(bytes as f64 / start.elapsed().as_secs_f64() / 1e9)
    });
    // A triad cannot fail.
    rate.unwrap_or(0.0)
}

/// What the processor says of itself.
#[derive(Debug, Default)]
struct Identity {
    brand: String,
    vendor: String,
    architecture: String,
    clock_mhz: Option<f64>,
    cache_mb: Option<f64>,
    l1_kb: Option<f64>,
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod cpu {
    use super::Identity;
    use raw_cpuid::{CacheType, CpuId};

    pub(super) fn identity() -> Identity {
        let cpuid = CpuId::new();
        let text = |s: Option<String>| s.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let brand = text(cpuid.get_processor_brand_string().map(|b| b.as_str().to_owned()));
        let vendor = match text(cpuid.get_vendor_info().map(|v| v.as_str().to_owned())).as_str() {
            "AuthenticAMD" => "AMD".to_owned(),
            "GenuineIntel" => "Intel".to_owned(),
            other => other.to_owned(),
        };
        let (family, model, stepping) = cpuid
            .get_feature_info()
            .map_or((0, 0, 0), |f| (u32::from(f.family_id()), u32::from(f.model_id()), u32::from(f.stepping_id())));
        let clock = cpuid.get_processor_frequency_info().map(|f| f64::from(f.processor_base_frequency()));
        let caches: Vec<_> = cpuid.get_cache_parameters().into_iter().flatten().collect();
        let bytes = |c: &raw_cpuid::CacheParameter| {
            c.associativity() * c.physical_line_partitions() * c.coherency_line_size() * c.sets()
        };
        let data = || caches.iter().filter(|c| c.cache_type() != CacheType::Instruction);
        let last = data().max_by_key(|c| c.level());
        let first = data().find(|c| c.level() == 1);
        Identity {
            architecture: architecture(&vendor, family, model, stepping),
            brand,
            vendor,
            clock_mhz: clock.filter(|&mhz| mhz > 0.0),
            cache_mb: last.map(|c| bytes(c) as f64 / f64::from(1 << 20)).filter(|&mb| mb > 0.0),
            l1_kb: first.map(|c| bytes(c) as f64 / 1024.0).filter(|&kb| kb > 0.0),
        }
    }

    /// Generations by family and model, as the vendors publish them; others by their numbers.
    fn architecture(vendor: &str, family: u32, model: u32, stepping: u32) -> String {
        let known = match (vendor, family, model) {
            ("AMD", 0x17, 0x00..=0x2f) => "Zen",
            ("AMD", 0x17, _) => "Zen 2",
            ("AMD", 0x19, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf) => "Zen 4",
            ("AMD", 0x19, _) => "Zen 3",
            ("AMD", 0x1a, _) => "Zen 5",
            ("Intel", 6, 0x3c | 0x3f | 0x45 | 0x46) => "Haswell",
            ("Intel", 6, 0x3d | 0x47 | 0x4f | 0x56) => "Broadwell",
            ("Intel", 6, 0x55) if stepping >= 5 => "Cascade Lake",
            ("Intel", 6, 0x4e | 0x5e | 0x55) => "Skylake",
            ("Intel", 6, 0x8e | 0x9e) => "Kaby Lake",
            ("Intel", 6, 0xa5 | 0xa6) => "Comet Lake",
            ("Intel", 6, 0x6a | 0x6c | 0x7d | 0x7e) => "Ice Lake",
            ("Intel", 6, 0x8c | 0x8d) => "Tiger Lake",
            ("Intel", 6, 0x8f) => "Sapphire Rapids",
            ("Intel", 6, 0xcf) => "Emerald Rapids",
            ("Intel", 6, 0x97 | 0x9a) => "Alder Lake",
            ("Intel", 6, 0xb7 | 0xba | 0xbf) => "Raptor Lake",
            _ => return format!("family {family} model {model}"),
        };
        known.to_owned()
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
mod cpu {
    use super::Identity;

    /// Without cpuid, what the system says.
    pub(super) fn identity() -> Identity {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find(|l| l.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let brand = field("model name").or_else(|| field("Hardware")).or_else(|| field("CPU part")).unwrap_or_default();
        Identity {
            brand,
            vendor: field("CPU implementer").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            architecture: std::env::consts::ARCH.to_owned(),
            ..Identity::default()
        }
    }
}
