//! Figures of one sheet that can hardly be meant: nothing is refused for them, a check warns of them.

use super::device::{Device, Kind};

/// A figure that is hardly meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubt {
    /// The figure, such as `peak.fp16`.
    pub field: &'static str,
    /// What is strange about it.
    pub message: String,
    /// What to look at.
    pub advice: String,
}

impl Device {
    /// Figures that contradict each other, are of another unit's magnitude, or are missing and needed.
    pub fn doubts(&self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let mut doubt = |field, message: String, advice: &str| {
            doubts.push(Doubt { field, message, advice: advice.to_owned() });
        };
        let peak = &self.peak;
        let pairs = [
            ("base_clock_mhz", self.base_clock_mhz, "clock_mhz", self.clock_mhz),
            ("peak.fp32_vector", peak.fp32_vector, "peak.fp32", peak.fp32),
            ("peak.fp32", peak.fp32, "peak.tf32", peak.tf32),
            ("peak.tf32", peak.tf32, "peak.fp16", peak.fp16),
            ("peak.fp32", peak.fp32, "peak.fp16", peak.fp16),
            ("peak.bf16", peak.bf16, "peak.int8", peak.int8),
        ];
        for (small, a, large, b) in pairs {
            if let Some((a, b)) = a.zip(b).filter(|(a, b)| a > b) {
                doubt(small, format!("{small} = {a} is above {large} = {b}"), "look both up again");
            }
        }
        let ranges = [
            ("year", self.year, 2005.0, 2035.0, "a year such as 2024"),
            ("clock_mhz", self.clock_mhz, 50.0, 7000.0, "MHz"),
            ("tdp_w", self.tdp_w, 0.01, 3000.0, "W"),
            ("memory_bandwidth_gb_s", self.memory_bandwidth_gb_s, 1.0, 100_000.0, "10^9 bytes a second"),
            ("memory_gb", self.memory_gb, 0.01, 2000.0, "GiB"),
            ("l2_cache_mb", self.l2_cache_mb, 0.01, 2000.0, "MiB"),
            ("l1_kb", self.l1_kb, 1.0, 20_000.0, "KiB"),
            ("launch_overhead_us", self.launch_overhead_us, 0.01, 1000.0, "microseconds an operator"),
        ];
        for (field, value, lo, hi, unit) in ranges {
            if let Some(value) = value.filter(|v| !(lo..=hi).contains(v)) {
                doubt(field, format!("{field} = {value} is outside of {lo} to {hi}"), &format!("its unit is {unit}"));
            }
        }
        for (field, value) in [("year", self.year), ("units", self.units)] {
            if let Some(value) = value.filter(|v| v.fract() != 0.0) {
                doubt(field, format!("{field} = {value} is no whole number"), "look it up again");
            }
        }
        if self.kind == Kind::Gpu {
            for (field, value) in [("tdp_w", self.tdp_w), ("year", self.year)] {
                if value.is_none() {
                    let advice = "how much of its peak a GPU holds is taken from its power and its year; without either it is taken to hold all \
                         of it";
                    doubt("kind", format!("{field} is not stated"), advice);
                }
            }
        }
        // One operation a byte would be the wildest machine; a million is a unit mixed up.
        if let Some(bandwidth) = self.memory_bandwidth_gb_s {
            let best = peak.precisions().into_iter().filter_map(|p| peak.matmul(p)).fold(0.0, f64::max);
            let balance = best * 1e3 / bandwidth;
            let most = match self.kind {
                Kind::Cpu | Kind::MobileCpu => 5_000.0,
                _ => 20_000.0,
            };
            if !(0.5..=most).contains(&balance) {
                let message = format!("its peak is {balance:.3} operations for each byte of memory bandwidth");
                doubt(
                    "memory_bandwidth_gb_s",
                    message,
                    "peaks are in TFLOP/s or TOP/s, bandwidth in 10^9 bytes a second",
                );
            }
        } else {
            doubt(
                "peak",
                "memory_bandwidth_gb_s is not stated".to_owned(),
                "no latency can be estimated without it: state it, or derive it from channels x width x transfers a second",
            );
        }
        doubts
    }
}
