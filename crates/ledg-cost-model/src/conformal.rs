//! Intervals by split conformal prediction.
//!
//! On records of model families that a model has not seen, the score of a record is `|ln(measured / predicted)| / scale`.
//! For a coverage of 1-α the interval is `predicted · exp(±q · scale)`, q the ⌈(n+1)(1-α)⌉-th smallest score. The scale
//! is wider where the members of the ensemble disagree. Scores are kept by kind of chip. Devices that were never measured
//! have scores of their own, from devices held out of training with all their records, by kind too. There each device counts
//! the same, however many records it has: a device's errors resemble each other, and it is another device that is asked about.
//! So it is devices that are exchangeable, and of m of them the quantile is that of a share (1-α)(m+1)/m.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{CostModelError, Result};

/// The floor of the scale: what members that agree may all be wrong by, in ln latency.
const FLOOR: f64 = 0.05;

/// Key of the scores of all kinds together.
const POOLED: &str = "any";
/// Key of the scores on devices that were held out of training; followed by `:gpu` those of a kind of chip.
const UNMEASURED: &str = "unmeasured";
/// With fewer held-out records of a kind than this, all kinds together stand in.
const MIN_SCORES: usize = 100;
/// With fewer held-out devices of a kind than this, all kinds together stand in: the widths would be those of one device. They do so
/// too for a coverage that the kind's devices are too few for.
const MIN_DEVICES: usize = 5;

/// A prediction on a device that was held out of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnUnmeasured<'a> {
    /// Device.
    pub device: &'a str,
    /// Kind of chip.
    pub kind: &'a str,
    /// ln of the predicted seconds.
    pub ln_predicted: f64,
    /// ln of the measured seconds.
    pub ln_measured: f64,
    /// Standard deviation of the members' ln latencies.
    pub spread: f64,
}

/// Sorted scores of a calibration set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformal {
    /// Number of calibration records.
    pub n: usize,
    /// Number of devices that they are of, each of which counts the same; `None` where records do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<usize>,
    /// Scores at evenly spaced ranks, ascending: a compressed empirical distribution.
    pub scores: Vec<f32>,
}

/// Scores by kind of chip.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformalTable {
    /// By kind of chip (`gpu`, `cpu`, …) and `any`; for devices never measured `unmeasured` and `unmeasured:gpu`, ….
    pub groups: BTreeMap<String, Conformal>,
}

/// How far a prediction may be off where the members' ln predictions spread that much.
pub(crate) fn scale(spread: f64) -> f64 {
    FLOOR + spread
}

impl Conformal {
    /// Keeps at most this many ranks.
    const RANKS: usize = 400;

    /// From unsorted scores.
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        let n = scores.len();
        let keep = n.min(Self::RANKS);
        let rank = |k: usize| if keep < 2 { 0 } else { (k * (n - 1)).div_ceil(keep - 1) };
        Conformal { n, devices: None, scores: (0..keep).map(|k| scores[rank(k)] as f32).collect() }
    }

    /// From unsorted scores by device, each of which counts the same.
    fn of_devices(devices: &BTreeMap<&str, Vec<f64>>) -> Self {
        let weighted = devices.values().flat_map(|own| own.iter().map(|&score| (score, 1.0 / own.len() as f64)));
        let mut weighted: Vec<(f64, f64)> = weighted.collect();
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n = weighted.len();
        let keep = n.min(Self::RANKS);
        // The smallest score below or at which a share k / (keep - 1) of the devices' weight lies.
        let all: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let mut scores = Vec::with_capacity(keep);
        let mut below = 0.0;
        for &(score, weight) in &weighted {
            below += weight;
            while scores.len() < keep && below >= all * (scores.len() as f64 / (keep as f64 - 1.0).max(1.0) - 1e-9) {
                scores.push(score as f32);
            }
        }
        Conformal { n, devices: Some(devices.len()), scores }
    }

    /// The score that a share `coverage` of fresh records, or of a fresh device's, stays below.
    ///
    /// # Errors
    /// When `coverage` is no share, or the calibration set is too small for it.
    pub fn quantile(&self, coverage: f64) -> Result<f64> {
        let bad = |why| CostModelError::Interval { coverage, why };
        if !(coverage > 0.0 && coverage < 1.0) {
            return Err(bad("it must lie strictly between 0 and 1"));
        }
        // Rounding up to a kept rank errs on the wide side.
        let last = self.scores.len() as f64 - 1.0;
        let position = match self.devices {
            Some(devices) => {
                let share = coverage * (1.0 + 1.0 / devices as f64);
                if share > 1.0 {
                    return Err(bad("too few devices were held out of the model's training for it: ask for less"));
                }
                share * last
            }
            None => {
                let rank = ((self.n as f64 + 1.0) * coverage).ceil();
                if rank > self.n as f64 {
                    return Err(bad("the model was calibrated on too few records for it: ask for less"));
                }
                (rank - 1.0) / (self.n as f64 - 1.0).max(1.0) * last
            }
        };
        let score = self.scores.get((position - 1e-9).ceil().max(0.0) as usize);
        score.map(|&score| f64::from(score)).ok_or(bad("the model was not calibrated"))
    }

    /// Whether there are records and devices enough for a coverage.
    fn bears(&self, coverage: f64) -> bool {
        self.n >= MIN_SCORES && self.quantile(coverage).is_ok()
    }
}

impl ConformalTable {
    /// From (kind of chip, ln predicted, ln measured, spread of the members).
    pub fn calibrate<'a>(records: impl IntoIterator<Item = (&'a str, f64, f64, f64)>) -> Self {
        let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (kind, predicted, measured, spread) in records {
            let score = (measured - predicted).abs() / scale(spread);
            groups.entry(kind.to_owned()).or_default().push(score);
            groups.entry(POOLED.to_owned()).or_default().push(score);
        }
        ConformalTable { groups: groups.into_iter().map(|(kind, scores)| (kind, Conformal::new(scores))).collect() }
    }

    /// The table with these scores of devices that were held out of training, instead of any it has.
    pub fn with_unmeasured<'a>(mut self, records: impl IntoIterator<Item = OnUnmeasured<'a>>) -> Self {
        let mut groups: BTreeMap<String, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
        for record in records {
            let score = (record.ln_measured - record.ln_predicted).abs() / scale(record.spread);
            for key in [UNMEASURED.to_owned(), format!("{UNMEASURED}:{}", record.kind)] {
                groups.entry(key).or_default().entry(record.device).or_default().push(score);
            }
        }
        groups.retain(|key, devices| key == UNMEASURED || devices.len() >= MIN_DEVICES);
        self.groups.retain(|key, _| !key.starts_with(UNMEASURED));
        self.groups.extend(groups.into_iter().map(|(key, devices)| (key, Conformal::of_devices(&devices))));
        self
    }

    /// The half-width in ln latency on a device: by kind of chip if it was measured in training, else by what devices
    /// that were not showed. Where the table has no such scores, all scores together stand in.
    ///
    /// # Errors
    /// As [`Conformal::quantile`]; also when the table is empty.
    pub fn half_width(&self, kind: &str, measured: bool, coverage: f64, spread: f64) -> Result<f64> {
        let own = if measured { kind.to_owned() } else { format!("{UNMEASURED}:{kind}") };
        let stand_in = if measured { POOLED } else { UNMEASURED };
        let group = self.groups.get(&own).filter(|c| c.bears(coverage));
        let group = group.or_else(|| self.groups.get(stand_in)).or_else(|| self.groups.get(POOLED));
        let group = group.ok_or(CostModelError::Interval { coverage, why: "the model was not calibrated" })?;
        Ok(group.quantile(coverage)? * scale(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_hand() {
        let c = Conformal::new((1..=9).rev().map(f64::from).collect());
        // Rank ceil(10 * 0.5) = 5, ceil(10 * 0.9) = 9; 0.95 would need a tenth record.
        assert_eq!(c.quantile(0.5).unwrap(), 5.0);
        assert_eq!(c.quantile(0.9).unwrap(), 9.0);
        assert!(c.quantile(0.95).is_err());
        assert!(c.quantile(1.0).is_err() && c.quantile(f64::NAN).is_err());
    }

    #[test]
    fn compressed_quantiles_err_on_the_wide_side() {
        let n = 5000;
        let c = Conformal::new((0..n).map(f64::from).collect());
        for coverage in [0.5, 0.8, 0.9, 0.95] {
            let exact = ((f64::from(n) + 1.0) * coverage).ceil() - 1.0;
            let got = c.quantile(coverage).unwrap();
            assert!(got >= exact && got <= exact + 26.0, "{coverage}: {got} for {exact}");
        }
    }

    #[test]
    fn devices_count_alike_whatever_their_records() {
        // Of ten devices nine are within 1, one with nine tenths of all records is off by 7.
        let records = (0..10).flat_map(|device| {
            let (n, off) = if device == 9 { (810, 7.0) } else { (10, 1.0) };
            std::iter::repeat_n((device, off), n)
        });
        let names: Vec<String> = (0..10).map(|device| device.to_string()).collect();
        let records = records.map(|(device, off)| OnUnmeasured {
            device: &names[device],
            kind: "gpu",
            ln_predicted: off,
            ln_measured: 0.0,
            spread: 0.95,
        });
        let table = ConformalTable::default().with_unmeasured(records);
        let half = |coverage| table.half_width("gpu", false, coverage, 0.95).unwrap();
        // Ten devices bear 10/11 at most: a share of 0.55, 0.88 and 0.99 of them.
        assert_eq!([half(0.5), half(0.8), half(0.9)], [1.0, 1.0, 7.0]);
        assert!(table.half_width("gpu", false, 0.92, 0.95).is_err());
    }

    #[test]
    fn kinds_never_measured_use_all() {
        let table = ConformalTable::calibrate((0..100).map(|i| ("gpu", 0.0, f64::from(i) / 100.0, 0.0)));
        let half =
            |table: &ConformalTable, kind, measured, spread| table.half_width(kind, measured, 0.9, spread).unwrap();
        assert_eq!(half(&table, "npu", true, 0.0), half(&table, "gpu", true, 0.0));
        assert!(half(&table, "gpu", true, 0.2) > half(&table, "gpu", true, 0.0));
        assert_eq!(half(&table, "gpu", false, 0.0), half(&table, "gpu", true, 0.0));
        let on = |kind, device, n: u32, off: f64| {
            (0..n).map(move |i| OnUnmeasured {
                device,
                kind,
                ln_predicted: 0.0,
                ln_measured: off * f64::from(i) / f64::from(n),
                spread: 0.0,
            })
        };
        let names = |kind: &str| (0..10).map(|i| format!("{kind}{i}")).collect::<Vec<_>>();
        let (gpus, cpus) = (names("gpu"), names("cpu"));
        let records =
            gpus.iter().flat_map(|d| on("gpu", d, 40, 4.0)).chain(cpus.iter().flat_map(|d| on("cpu", d, 40, 20.0)));
        let wider = table.with_unmeasured(records.chain(on("npu", "k", 1000, 90.0)));
        assert!(half(&wider, "gpu", false, 0.0) > 3.0 * half(&wider, "gpu", true, 0.0));
        assert!(half(&wider, "cpu", false, 0.0) > 3.0 * half(&wider, "gpu", false, 0.0));
        // One device of a kind says nothing of another, however many its records: all kinds stand in.
        assert_eq!(half(&wider, "npu", false, 0.0), half(&wider, "phone", false, 0.0));
        assert!(half(&wider, "npu", false, 0.0) < 20.0, "twenty-one devices, of which it is one");
        // Ten devices of a kind bear 10/11 at most, all of them more.
        let asked = |coverage| wider.half_width("gpu", false, coverage, 0.0);
        assert!(asked(0.93).unwrap() > 2.0 * asked(0.9).unwrap());
        assert!(asked(0.96).unwrap_err().to_string().contains("too few devices"));
        let again = wider.clone().with_unmeasured(gpus.iter().flat_map(|d| on("gpu", d, 40, 1.0)));
        assert!(half(&again, "gpu", false, 0.0) <= 1.0, "nothing of the earlier devices is left");
        assert_eq!(half(&again, "gpu", true, 0.0), half(&wider, "gpu", true, 0.0));
        assert!(ConformalTable::default().half_width("gpu", true, 0.9, 0.0).is_err());
    }
}
