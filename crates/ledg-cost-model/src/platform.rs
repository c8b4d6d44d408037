//! From a platform's data sheet and runtime to the numbers and words that the predictor takes.

use ledg_graph::Execution;
use ledg_predictor::{Movement, Normalization, PlatformInput, PlatformRates, Rates, Settings};
use ledg_template::hardware::{Device, Kind, Layout, Platform, PlatformNumbers, Precision};

use crate::error::{CostModelError, Result};

/// Names of the runtime settings.
pub const RUNTIME_NAMES: [&str; N_RUNTIME] = [
    "mixed precision",
    "half-width activations",
    "bfloat16",
    "tf32",
    "integers",
    "channels last",
    "compiled",
    "framework version known",
    "framework version",
    "gpu",
    "cpu",
    "mobile",
    "accelerator",
];

/// Number of runtime settings.
pub const N_RUNTIME: usize = 13;

/// Names of the data-sheet numbers.
pub const SHEET_NAMES: [&str; N_SHEET] = [
    "ln(matmul peak)",
    "ln(vector peak)",
    "ln(bandwidth)",
    "ln(matmul peak / bandwidth)",
    "ln(matmul peak / vector peak)",
    "ln(units)",
    "ln(clock)",
    "ln(matmul peak per unit and cycle)",
    "ln(cache)",
    "ln(memory)",
    "ln(power)",
    "ln(matmul peak / power)",
    "year",
];

/// Number of data-sheet numbers.
pub const N_SHEET: usize = 13;

/// Cost of starting one operator where the data sheet does not say (none does): the order of magnitude of a kernel
/// launch on a GPU and of a dispatch on a CPU. The learned correction of the launch term starts from here.
const LAUNCH_S: f64 = 3e-6;

/// What an operator of a GPU costs to start where a framework does so eagerly, against a compiled engine's launch: the GPU waits for
/// dispatch, shape checks and memory in Python and C++. NAS-Bench-201's largest networks, 330 operators at batch 1, take 31 to 50 µs an
/// operator on four GPUs by PyTorch 1.8, against the 3 µs of a launch alone.
const EAGER_LAUNCHES: f64 = 12.0;

/// What an operator costs to start on a chip that a small host drives (a phone's GPU, a vision processor, an NPU, programmable logic),
/// against a graphics card that an engine has the kernels of queued: the driver's calls run on slow cores. An order of magnitude.
const SMALL_HOST_LAUNCHES: f64 = 10.0;

/// A platform before standardisation.
#[derive(Debug, Clone, PartialEq)]
pub struct RawPlatform {
    /// Name that resolves to the platform.
    pub name: String,
    /// Kind of chip; intervals are calibrated by kind.
    pub kind: Kind,
    /// The platform's words: device sentence, then runtime sentence if there is one.
    pub sentence: String,
    /// Runtime settings by [`RUNTIME_NAMES`].
    pub runtime: [f32; N_RUNTIME],
    /// Data-sheet numbers by [`SHEET_NAMES`]; `None` where a figure is not stated.
    pub sheet: [Option<f32>; N_SHEET],
    /// Rates of the physical prior.
    pub rates: PlatformRates,
}

impl RawPlatform {
    /// The numbers and words of a platform, as models see it that say nothing else.
    ///
    /// # Errors
    /// [`CostModelError::MissingFigure`] when the data sheet states no bandwidth.
    pub fn new(platform: &Platform) -> Result<Self> {
        Self::seen_with(platform, Rates::default(), Settings::default(), Movement::default())
    }

    /// The numbers and words of a platform, rates and runtime settings by the model's rules.
    ///
    /// # Errors
    /// As [`RawPlatform::new`].
    pub fn seen_with(platform: &Platform, rates: Rates, settings: Settings, movement: Movement) -> Result<Self> {
        let n = platform.numbers();
        let bandwidth = n.bandwidth_bytes_s.ok_or_else(|| CostModelError::MissingFigure {
            origin: platform.device.origin.clone(),
            hardware: platform.device.name.clone(),
            field: "memory_bandwidth_gb_s",
        })?;
        let ln = |x: Option<f64>| x.map(|x| x.ln() as f32);
        let per = |b: Option<f64>| b.map(|b| n.peak_matmul_flops / b);
        let sheet = [
            ln(Some(n.peak_matmul_flops)),
            ln(n.peak_vector_flops),
            ln(Some(bandwidth)),
            ln(per(Some(bandwidth))),
            ln(per(n.peak_vector_flops)),
            ln(n.units),
            ln(n.clock_hz),
            ln(per(n.units.zip(n.clock_hz).map(|(u, c)| u * c))),
            ln(n.cache_bytes),
            ln(n.memory_bytes),
            ln(n.tdp_w),
            ln(per(n.tdp_w)),
            n.year.map(|y| (y - 2020.0) as f32),
        ];
        let words = [Some(platform.sentence()), platform.runtime_sentence()];
        Ok(RawPlatform {
            name: platform.to_string(),
            kind: platform.device.kind,
            sentence: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
            runtime: match settings {
                Settings::Shared => runtime_settings(platform),
                Settings::HalfOnGpus => half_on_gpus(platform),
            },
            sheet,
            rates: PlatformRates {
                execution: match movement {
                    Movement::Stated => Execution::AsStated,
                    Movement::Framework => execution(platform),
                },
                ..match rates {
                    Rates::BaseClock => {
                        base_clock_rates(platform, &n, bandwidth, FED_MATMUL_PER_VECTOR, STREAMING_SHARE)
                    }
                    Rates::NarrowFeed => {
                        let (fed, least) = (NARROWLY_FED_MATMUL_PER_VECTOR, NARROWLY_FED_STREAMING_SHARE);
                        base_clock_rates(platform, &n, bandwidth, fed, least)
                    }
                    Rates::PowerLimit => power_limit_rates(platform, &n, bandwidth),
                    Rates::EagerLaunch => eager_launch_rates(platform, &n, bandwidth),
                    Rates::Streaming => power_limit_rates(platform, &n, bandwidth * streamed_share(&platform.device)),
                }
            },
        })
    }

    /// Name of the device, without its runtime.
    pub fn device(&self) -> &str {
        self.name.split_once(':').map_or(&self.name, |(device, _)| device)
    }

    /// The predictor's input: standardised numbers, and the sentence's vector.
    pub fn input(&self, sentence_vector: &[f32], normalization: &Normalization) -> PlatformInput {
        PlatformInput {
            sentence: normalization.platform.apply(sentence_vector).into(),
            runtime: normalization.runtime.apply(&self.runtime),
            sheet: normalization.sheet.apply_known(&self.sheet),
            rates: self.rates,
        }
    }
}

/// [`Movement::Framework`]: PyTorch, operator by operator or compiled; the rules of other engines are not followed.
fn execution(platform: &Platform) -> Execution {
    let runtime = &platform.runtime;
    let (mixed, half) = (runtime.precision.is_mixed(), runtime.precision.is_half());
    let gpu = platform.device.kind == Kind::Gpu;
    let version = runtime.version_major_minor().and_then(|v| pytorch_like_version(&v));
    // Since 2.5 attention without a kernel is computed in single precision.
    let wide_attention = gpu && half && version.is_none_or(|v| v >= 1.0);
    match runtime.compiler.as_str() {
        "eager" => {
            Execution::Eager {
                gpu,
                channels_last: runtime.layout == Layout::Nhwc,
                mixed,
                // `scaled_dot_product_attention` came with 2.0.
                fused_attention: version.is_none_or(|v| v >= 0.0),
                wide_attention,
            }
        }
        "dynamo" => Execution::Compiled { gpu, mixed, half, wide_attention },
        _ => Execution::AsStated,
    }
}

/// [`Rates::BaseClock`], or with other `fed` and least share of the bandwidth [`Rates::NarrowFeed`].
fn base_clock_rates(platform: &Platform, n: &PlatformNumbers, bandwidth: f64, fed: f64, least: f64) -> PlatformRates {
    let sustained = sustained_share(&platform.device);
    let (matmul, vector) = peaks(platform.device.kind, n, fed);
    PlatformRates {
        matmul_flops: matmul * sustained,
        vector_flops: vector * sustained,
        bandwidth_bytes_s: bandwidth * sustained.max(least),
        cache_bytes: n.cache_bytes,
        units: n.units,
        bytes_per_element: n.bytes_per_element,
        launch_s: n.launch_overhead_s.unwrap_or(LAUNCH_S),
        execution: Execution::AsStated,
    }
}

/// [`Rates::PowerLimit`].
fn power_limit_rates(platform: &Platform, n: &PlatformNumbers, bandwidth: f64) -> PlatformRates {
    let kind = platform.device.kind;
    let (matmul, vector) = peaks(kind, n, FED_MATMUL_PER_VECTOR);
    let (share, age) = match kind {
        Kind::Gpu => (fed_share(n), n.year.map_or(1.0, launch_age)),
        _ => (1.0, 1.0),
    };
    PlatformRates {
        matmul_flops: matmul * share,
        vector_flops: vector,
        bandwidth_bytes_s: bandwidth,
        cache_bytes: n.cache_bytes,
        units: n.units,
        bytes_per_element: n.bytes_per_element,
        launch_s: n.launch_overhead_s.unwrap_or(LAUNCH_S * age),
        execution: Execution::AsStated,
    }
}

/// [`Rates::EagerLaunch`].
fn eager_launch_rates(platform: &Platform, n: &PlatformNumbers, bandwidth: f64) -> PlatformRates {
    let rates = power_limit_rates(platform, n, bandwidth);
    let slower = match (n.launch_overhead_s, platform.device.kind, platform.runtime.compiler.as_str()) {
        (None, Kind::Gpu, "eager") => EAGER_LAUNCHES,
        (None, Kind::MobileGpu | Kind::Vpu | Kind::Npu | Kind::Fpga, _) => SMALL_HOST_LAUNCHES,
        _ => 1.0,
    };
    PlatformRates { launch_s: rates.launch_s * slower, ..rates }
}

/// Peaks of matrix products, as fast as the chip feeds its matrix units (`fed` FLOP for each of the vector units), and of everything
/// else, FLOP/s.
fn peaks(kind: Kind, n: &PlatformNumbers, fed: f64) -> (f64, f64) {
    // Integer runtimes state no separate rate for what lies outside matrix products.
    let vector = n.peak_vector_flops.unwrap_or(n.peak_matmul_flops);
    (fed_matmul_flops(kind, n.peak_matmul_flops, vector, fed), vector)
}

/// Energy of a fp32 FLOP of a GPU of 2016 in a matrix product, its operands brought in, joules; see [`fed_share`].
const FLOP_J_2016: f64 = 25e-12;

/// The year since when it does not fall: GPUs of 2022 to 2025 are made in one class of processes, 5 to 4 nm.
const FLOP_J_FALLS_UNTIL: f64 = 2022.0;
/// Years in which that energy halves: 16 nm in 2016, 8 to 7 nm in 2020.
const FLOP_J_HALVES_IN: f64 = 4.0;

/// Exponent of the soft minimum of peak and power.
const SOFTNESS: f64 = 4.0;

/// Share of a GPU's peak in matrix products that its power limit feeds; 1 where power or year is not stated.
///
/// The soft minimum of 1 and power / (rate x energy a FLOP). Fitted on large fp32 matrix products and convolutions of
/// NeuSight's P4, P100, V100, T4 and A100: the share of its peak that a device reaches, predicted from the other devices'
/// with a constant fitted on them, is off by 0.23 in mean |ln|, against 0.37 by base clock and 0.35 by boost clock. The
/// constant lies between 22 and 28 pJ whichever device is left out. docs/prior.md has the fit.
fn fed_share(n: &PlatformNumbers) -> f64 {
    let (Some(power_w), Some(year)) = (n.tdp_w, n.year) else { return 1.0 };
    let flop_j = FLOP_J_2016 * 0.5_f64.powf((year.min(FLOP_J_FALLS_UNTIL) - 2016.0) / FLOP_J_HALVES_IN);
    // Where matrix units do the work, a FLOP costs less the narrower its operands: an eighth at two bytes. Integers, which state no
    // vector rate, have instructions of that kind wherever they have a peak.
    let narrow = n.peak_vector_flops.map_or(n.bytes_per_element < 4.0, |vector| n.peak_matmul_flops > vector);
    let full_cost_flops = if narrow { n.peak_matmul_flops * n.bytes_per_element / 16.0 } else { n.peak_matmul_flops };
    let demand = full_cost_flops * flop_j / power_w;
    (1.0 + demand.powf(SOFTNESS)).powf(-1.0 / SOFTNESS)
}

/// What starting an operator costs with a GPU of this year, against one of 2020: hosts and drivers are of about the GPU's
/// age. The smallest operators of NeuSight's data take 45 µs on a P100, 32 on a V100, 26 on an A100, 17 on an MI100; single
/// NAS-Bench-201 networks a fifth less on GPUs of 2018 than on those of 2016 and 2017.
fn launch_age(year: f64) -> f64 {
    (-0.1 * (year - 2020.0)).exp()
}

/// Share of the stated bandwidth that streaming kernels reach at least: NeuSight's large elementwise kernels reach 0.72 to
/// 0.90 of it on six GPUs, whatever their clocks.
const STREAMING_SHARE: f64 = 0.7;

/// The same by [`Rates::NarrowFeed`], as the least of these GPUs reaches it.
const NARROWLY_FED_STREAMING_SHARE: f64 = 0.72;

/// Share of its stated bandwidth that a GPU's kernels keep busy, for [`Rates::Streaming`]: as much as its cores sustain of their boost
/// clock, but never less than NeuSight's large elementwise kernels reach on T4 and P4.
///
/// Where no base clock is stated (P100, V100, MI100), what they reach there in the mean. What networks get of a RTX 3090, a 4090 and a
/// PRO 6000 Max-Q follows these shares where the stated bandwidths are 15 % off. docs/prior.md has both.
fn streamed_share(device: &Device) -> f64 {
    match (device.kind, device.base_clock_mhz) {
        (Kind::Gpu, Some(_)) => sustained_share(device).max(LEAST_STREAMED_SHARE),
        (Kind::Gpu, None) => TYPICAL_STREAMED_SHARE,
        _ => 1.0,
    }
}

/// See [`streamed_share`].
const LEAST_STREAMED_SHARE: f64 = 0.75;
/// See [`streamed_share`].
const TYPICAL_STREAMED_SHARE: f64 = 0.8;

/// Share of its peak rates that a chip's cores sustain within its power limit.
///
/// GPU data sheets give peaks at the boost clock, which no power-limited card holds through a network; the base clock is
/// what the vendor guarantees. In the measurements at hand a T4 (boost 1590 MHz, base 585) reaches 2.9-3.1 of 8.1 TFLOP/s
/// in fp32, which is its rate at the base clock. Peaks of other kinds of chip are stated at the base clock already.
fn sustained_share(device: &Device) -> f64 {
    match (device.kind, device.base_clock_mhz, device.clock_mhz) {
        (Kind::Gpu, Some(base), Some(boost)) if base < boost => base / boost,
        _ => 1.0,
    }
}

/// Matrix-product FLOP that the rest of a GPU's multiprocessor (registers, shared memory, issue) feeds for each FLOP of its
/// vector peak.
///
/// Matrix units have outgrown what feeds them: from an RTX 4090 to an RTX PRO 6000 the stated peak for each vector FLOP
/// doubles, measured networks gain far less. Of 4, 8, 16 and infinity, 8 gave the lowest mean error of RTX 3090 and RTX 4090 held
/// out in turn on the timm data (14.3 % without, 13.6 % with it; no attention, 14 epochs).
const FED_MATMUL_PER_VECTOR: f64 = 8.0;

/// The same by [`Rates::NarrowFeed`]. Of 2, 4 and 8, 2 gave the lowest mean error of RTX 3090 and RTX 4090 held out in turn by what
/// the model has become since (docs/prior.md).
const NARROWLY_FED_MATMUL_PER_VECTOR: f64 = 2.0;

/// The rate of matrix products in a network: a GPU's matrix units in series with what feeds them.
fn fed_matmul_flops(kind: Kind, matmul_flops: f64, vector_flops: f64, fed: f64) -> f64 {
    match kind {
        Kind::Gpu => 1.0 / (1.0 / matmul_flops + 1.0 / (fed * vector_flops)),
        _ => matmul_flops,
    }
}

fn runtime_settings(platform: &Platform) -> [f32; N_RUNTIME] {
    let runtime = &platform.runtime;
    let is = |b: bool| if b { 1.0 } else { 0.0 };
    let precision = runtime.precision;
    let version = runtime.version_major_minor().and_then(|v| pytorch_like_version(&v));
    let kind = platform.device.kind;
    [
        is(precision.is_mixed()),
        is(precision.bytes_per_element() == 2.0),
        is(matches!(precision, Precision::AmpBf16 | Precision::Bf16)),
        is(precision == Precision::Tf32),
        is(precision.is_integer()),
        is(runtime.layout == Layout::Nhwc),
        is(runtime.compiler != "eager"),
        is(version.is_some()),
        version.unwrap_or(0.0),
        is(kind == Kind::Gpu),
        is(kind == Kind::Cpu),
        is(matches!(kind, Kind::MobileGpu | Kind::MobileCpu)),
        is(matches!(kind, Kind::Npu | Kind::Vpu | Kind::Tpu | Kind::Fpga | Kind::Asic)),
    ]
}

/// [`Settings::HalfOnGpus`]: "mixed precision" is half precision on a GPU too. Else a GPU's fp16 and bf16 are told by what TPUs and
/// vision processors made of half precision.
fn half_on_gpus(platform: &Platform) -> [f32; N_RUNTIME] {
    let mut settings = runtime_settings(platform);
    if platform.device.kind == Kind::Gpu && platform.runtime.precision.is_half() {
        settings[0] = 1.0;
    }
    settings
}

/// Releases since 2.0, in fives: 1.13, the last of the 1 series, counts as -1.
fn pytorch_like_version(major_minor: &str) -> Option<f32> {
    let (major, minor) = major_minor.split_once('.')?;
    let (major, minor): (f32, f32) = (major.parse().ok()?, minor.parse().ok()?);
    Some(if major < 2.0 { minor - 14.0 } else { (major - 2.0) * 10.0 + minor } / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledg_template::hardware::HardwareRegistry;

    fn raw(name: &str) -> RawPlatform {
        RawPlatform::new(&HardwareRegistry::builtin().resolve(name).unwrap()).unwrap()
    }

    #[test]
    fn runtime_settings_say_what_the_runtime_is() {
        let p = raw("rtx4090:amp_bf16/nhwc/dynamo/pt2.4.0+cu124");
        let set: Vec<&str> = RUNTIME_NAMES.iter().zip(p.runtime).filter(|(_, x)| *x != 0.0).map(|(n, _)| *n).collect();
        assert_eq!(
            set,
            [
                "mixed precision",
                "half-width activations",
                "bfloat16",
                "channels last",
                "compiled",
                "framework version known",
                "framework version",
                "gpu"
            ]
        );
        assert_eq!(p.runtime[8], 0.8);
        assert_eq!(raw("rtx3090:amp/nchw/eager/pt1.13+cu117").runtime[8], -0.2);
    }

    #[test]
    fn compiled_networks_are_mixed_or_half_or_neither() {
        let of = |name: &str| execution(&HardwareRegistry::builtin().resolve(name).unwrap());
        let compiled = |gpu, mixed, half, wide_attention| Execution::Compiled { gpu, mixed, half, wide_attention };
        assert_eq!(of("rtx4090:fp32/nchw/dynamo/pt2.9.1+cu128"), compiled(true, false, false, false));
        assert_eq!(of("rtx4090:amp/nchw/dynamo/pt2.4.0+cu124"), compiled(true, true, true, false));
        assert_eq!(of("rtxpro6000maxq:bf16/nchw/dynamo/pt2.9.1+cu130"), compiled(true, false, true, true));
        assert_eq!(of("intel-core-i9-10940x:fp32/nchw/dynamo/pt2.9.1"), compiled(false, false, false, false));
        let wide = |name: &str| matches!(of(name), Execution::Eager { wide_attention: true, .. });
        assert!(!wide("rtx4090:amp/nchw/eager/pt2.4.0+cu124"));
        assert!(wide("rtx4090:amp/nchw/eager/pt2.5.0+cu124"));
    }

    #[test]
    fn rates_are_those_that_the_data_sheet_guarantees() {
        let p = raw("t4:fp32");
        let base_clock = 8.1 * 585.0 / 1590.0;
        assert!((p.rates.vector_flops / 1e12 - base_clock).abs() < 1e-9, "the rate at the base clock");
        assert!((p.rates.matmul_flops / 1e12 - base_clock * 8.0 / 9.0).abs() < 1e-9, "as fast as it is fed");
        assert!((p.rates.bandwidth_bytes_s / 1e9 - 0.7 * 320.0).abs() < 1e-9, "the share that streaming reaches");
        assert_eq!(p.rates.bytes_per_element, 4.0);
        assert!(p.sentence.starts_with("Nv GPU FP32 8.1 Turing 70W"), "{}", p.sentence);
    }

    #[test]
    fn a_narrow_feed_slows_matrix_units_and_keeps_more_memory_busy() {
        let of = |name: &str, rates| {
            let platform = HardwareRegistry::builtin().resolve(name).unwrap();
            RawPlatform::seen_with(&platform, rates, Settings::default(), Movement::Stated).unwrap().rates
        };
        let seen = |rates| of("rtx4090:amp/nchw/eager/pt2.4.0", rates);
        let (wide, narrow) = (seen(Rates::BaseClock), seen(Rates::NarrowFeed));
        // Matrix units of twice the vector rate, in series with twice or eight times of it.
        assert!((narrow.matmul_flops / wide.matmul_flops - (0.5 + 1.0 / 8.0)).abs() < 1e-3, "{narrow:?} {wide:?}");
        assert_eq!(PlatformRates { matmul_flops: wide.matmul_flops, ..narrow }, wide);
        let (wide, narrow) = (of("t4:fp32", Rates::BaseClock), of("t4:fp32", Rates::NarrowFeed));
        assert!(
            (narrow.bandwidth_bytes_s / wide.bandwidth_bytes_s - 0.72 / 0.7).abs() < 1e-9,
            "far below its boost clock"
        );
    }

    fn by_power(name: &str) -> RawPlatform {
        let platform = HardwareRegistry::builtin().resolve(name).unwrap();
        RawPlatform::seen_with(&platform, Rates::PowerLimit, Settings::HalfOnGpus, Movement::Stated).unwrap()
    }

    #[test]
    fn power_limits_matrix_products_and_nothing_else() {
        let p = by_power("t4:fp32");
        // 8.1 TFLOP/s at 25 pJ / sqrt(2) (two years after 2016) ask 143 W of the 70 W.
        let demand: f64 = 8.1 * 25.0 / 2.0_f64.sqrt() / 70.0;
        let share = (1.0 + demand.powi(4)).powf(-0.25);
        assert!((0.4..0.5).contains(&share), "{share}");
        assert!((p.rates.matmul_flops / 1e12 - 8.1 * 8.0 / 9.0 * share).abs() < 1e-6);
        assert!((p.rates.vector_flops / 1e12 - 8.1).abs() < 1e-9, "the stated peak");
        assert!((p.rates.bandwidth_bytes_s / 1e9 - 320.0).abs() < 1e-9, "the stated bandwidth");
        assert!((p.rates.launch_s - 3e-6 * 0.2_f64.exp()).abs() < 1e-12, "two years older than 2020");
        // Integers: a sixteenth of the energy, with no rate of their own elsewhere.
        let demand = 130.0 * 25.0 / 2.0_f64.sqrt() / 16.0 / 70.0;
        let share = (1.0_f64 + demand.powi(4)).powf(-0.25);
        let int8 = by_power("t4:int8/nchw/tensorrt/trt7.1").rates;
        assert!((int8.matmul_flops / 1e12 - 130.0 * 8.0 / 9.0 * share).abs() < 1e-6, "{int8:?}");
        let a100 = by_power("a100:fp32").rates;
        assert!(a100.matmul_flops > 0.8 * 19.5e12 * 8.0 / 9.0, "it asks no more than its 250 W: {a100:?}");
    }

    #[test]
    fn streaming_is_the_power_limit_with_less_bandwidth_on_gpus() {
        let shares = [
            ("rtx4090:amp/nchw/eager/pt2.4.0", 2235.0 / 2520.0),
            ("t4:fp32", 0.75),
            ("v100-pcie-32gb:fp32", 0.8),
            ("intel-core-i9-10940x", 1.0),
            ("google-tpu-v2", 1.0),
        ];
        for (name, share) in shares {
            let platform = HardwareRegistry::builtin().resolve(name).unwrap();
            let seen =
                |rates| RawPlatform::seen_with(&platform, rates, Settings::default(), Movement::Stated).unwrap().rates;
            let (stated, streamed) = (seen(Rates::PowerLimit), seen(Rates::Streaming));
            let ratio = streamed.bandwidth_bytes_s / stated.bandwidth_bytes_s;
            assert!((ratio - share).abs() < 1e-9, "{name}: {ratio}");
            assert_eq!(PlatformRates { bandwidth_bytes_s: stated.bandwidth_bytes_s, ..streamed }, stated, "{name}");
        }
    }

    #[test]
    fn eager_frameworks_and_small_hosts_start_operators_more_slowly() {
        let launch = |name: &str, rates| {
            let platform = HardwareRegistry::builtin().resolve(name).unwrap();
            RawPlatform::seen_with(&platform, rates, Settings::default(), Movement::Stated).unwrap().rates.launch_s
        };
        let expected = [
            ("1080ti:fp32/nchw/eager/pt1.8.1+cu102", 12.0),
            ("gtx1660", 1.0),
            ("gold_6226", 1.0),
            ("pixel3", 1.0),
            ("adreno-640", 10.0),
            ("myriad-vpu", 10.0),
            ("fpga", 10.0),
        ];
        for (name, times) in expected {
            let ratio = launch(name, Rates::EagerLaunch) / launch(name, Rates::PowerLimit);
            assert!((ratio - times).abs() < 1e-9, "{name}: {ratio}");
        }
    }

    #[test]
    fn other_kinds_of_chip_keep_their_stated_rates() {
        for name in ["intel-core-i9-10940x", "qualcomm-snapdragon-855-cpu", "google-tpu-v2"] {
            assert_eq!(by_power(name).rates, raw(name).rates, "{name}");
        }
    }

    #[test]
    fn half_precision_is_one_setting_on_gpus_mixed_or_not() {
        let set = |name: &str| by_power(name).runtime[..3].to_vec();
        assert_eq!(set("rtx4090:amp/nchw/eager/pt2.4.0"), [1.0, 1.0, 0.0]);
        assert_eq!(set("rtx4090:fp16/nchw/eager/pt2.4.0"), [1.0, 1.0, 0.0]);
        assert_eq!(set("rtx4090:bf16/nchw/eager/pt2.4.0"), [1.0, 1.0, 1.0]);
        assert_eq!(set("rtx4090:fp32/nchw/eager/pt2.4.0"), [0.0, 0.0, 0.0]);
        assert_eq!(set("google-tpu-v2"), [0.0, 1.0, 1.0]);
    }
}
