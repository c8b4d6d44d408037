//! Unseen chips with a few of their records: what calibration makes of the model, and of the baselines with the same
//! records.
//!
//! For each platform of a chip, and each model that did not see it, `n` records are drawn. The model is calibrated to
//! them as `CostModel::calibrate` does it; to what other methods predict, the level is added that the same fit gives
//! where there is nothing but a level. The error is that on the platform's other records. Every method gets the same
//! draws.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use ledg_cost_model::{Comparison, Fit, calibrated_level};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{EnsemblePrediction, Method};
use crate::data::Dataset;

/// Numbers of records of the unseen chip.
pub const RECORDS: [usize; 4] = [0, 3, 10, 30];
/// Draws of each number of records.
pub const DRAWS: u64 = 20;

/// What one member of a method says of the held-out records, in their order.
enum Member<'a> {
    /// ln seconds, to which a level can be added.
    Level(&'a [f64]),
    /// Records against predictions, to which all can be fitted that a calibration knows of.
    Compared(&'a [Comparison]),
}

impl Member<'_> {
    /// ln seconds of the records at the places `rest`, calibrated to those at `some`.
    fn calibrated(&self, held_out: &[EnsemblePrediction], some: &[usize], rest: &[usize]) -> Vec<f64> {
        match self {
            Member::Level(ln) => {
                let off: Vec<f64> = some.iter().map(|&i| held_out[i].ln_measured - ln[i]).collect();
                let level = calibrated_level(&off);
                rest.iter().map(|&i| ln[i] + level).collect()
            }
            Member::Compared(all) => {
                let fit = Fit::to(some.iter().map(|&i| &all[i]));
                rest.iter().map(|&i| fit.ln_predicted(&all[i])).collect()
            }
        }
    }
}

/// Errors by unseen chip, method and number of records.
pub struct FewShot {
    /// Names of the methods, the model first.
    pub methods: Vec<String>,
    /// Names of the chips, with their numbers of records.
    pub devices: Vec<(String, usize)>,
    /// MAPE, percent, by chip, method, place in [`RECORDS`] and member; the mean over draws.
    mape: Vec<Vec<Vec<Vec<f64>>>>,
}

impl FewShot {
    /// From what the methods predict for the held-out records; `compared` has those of the first method against its members,
    /// for a calibration that knows of more than a level. Where it is empty, the first method gets a level like the others.
    pub fn new(
        data: &Dataset,
        held_out: &[EnsemblePrediction],
        methods: &[Method],
        compared: &[Vec<Comparison>],
    ) -> Self {
        // A device may be held out in several folds, each with a model of its own: a calibration is one model's.
        let mut devices: BTreeMap<&str, BTreeMap<(usize, usize), Vec<usize>>> = BTreeMap::new();
        for (place, p) in held_out.iter().enumerate() {
            let platform = data.records[p.record].platform;
            let device = data.platforms[platform].device.as_str();
            devices.entry(device).or_default().entry((p.fold, platform)).or_default().push(place);
        }
        let errors = |platforms: &BTreeMap<(usize, usize), Vec<usize>>, member: &Member, n: usize| {
            // Without records there is nothing to draw.
            let draws = if n == 0 { 1 } else { DRAWS };
            let each = (0..draws).map(|draw| {
                let (mut sum, mut count) = (0.0, 0usize);
                for (&(_, platform), places) in platforms {
                    let drawn = drawn(places.len(), n, platform, draw);
                    let some: Vec<usize> = drawn.iter().map(|&i| places[i]).collect();
                    let rest: Vec<usize> =
                        (0..places.len()).filter(|i| drawn.binary_search(i).is_err()).map(|i| places[i]).collect();
                    for (&i, ln) in rest.iter().zip(member.calibrated(held_out, &some, &rest)) {
                        sum += ((ln - held_out[i].ln_measured).exp() - 1.0).abs();
                        count += 1;
                    }
                }
                100.0 * sum / count as f64
            });
            each.sum::<f64>() / draws as f64
        };
        let of_device = |platforms: &BTreeMap<(usize, usize), Vec<usize>>| {
            let of_method = |(place, method): (usize, &Method)| {
                let members: Vec<Member> = match place {
                    0 if !compared.is_empty() => compared.iter().map(|own| Member::Compared(own)).collect(),
                    _ => method.members.iter().map(|ln| Member::Level(ln)).collect(),
                };
                let with = |n: usize| members.iter().map(|m| errors(platforms, m, n)).collect();
                RECORDS.map(with).to_vec()
            };
            methods.iter().enumerate().map(of_method).collect()
        };
        // Hundreds of fits a platform: half an hour where dozens of devices have ten thousands of records.
        let style = ProgressStyle::with_template("few-shot, chips {bar:30} {pos}/{len} {elapsed}/{duration}");
        let bar =
            ProgressBar::new(devices.len() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        FewShot {
            methods: methods.iter().map(|m| m.name.clone()).collect(),
            devices: devices
                .iter()
                .map(|(name, platforms)| ((*name).to_owned(), platforms.values().map(Vec::len).sum()))
                .collect(),
            mape: on_all_cores(|| {
                devices.par_iter().map(|(_, platforms)| of_device(platforms)).inspect(|_| bar.inc(1)).collect()
            }),
        }
    }

    /// MAPE of a method on a chip, percent: one figure a member.
    pub fn of(&self, device: usize, method: usize, records: usize) -> &[f64] {
        &self.mape[device][method][records]
    }

    /// The median chip's and the mean chip's MAPE of a method, percent: one pair a member.
    pub fn over_devices(&self, method: usize, records: usize) -> Vec<(f64, f64)> {
        let members = self.mape.first().map_or(0, |d| d[method][records].len());
        let of_member = |member: usize| {
            let mut all: Vec<f64> = self.mape.iter().map(|d| d[method][records][member]).collect();
            all.sort_by(f64::total_cmp);
            let middle = all.len() / 2;
            let median = if all.len() % 2 == 1 { all[middle] } else { (all[middle - 1] + all[middle]) / 2.0 };
            (median, all.iter().sum::<f64>() / all.len() as f64)
        };
        (0..members).map(of_member).collect()
    }
}

/// `n` of `of` places, ascending; always at least one is left.
fn drawn(of: usize, n: usize, platform: usize, draw: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(platform as u64);
    rng.set_stream(draw);
    let mut drawn = index::sample(&mut rng, of, n.min(of - 1)).into_vec();
    drawn.sort_unstable();
    drawn
}

/// Runs what divides its work on as many threads as there are cores: this program's own pool has one, for the tensor library's sake.
fn on_all_cores<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    match rayon::ThreadPoolBuilder::new().num_threads(cores).build() {
        Ok(pool) => pool.install(work),
        // Without threads of its own it takes longer.
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use ledg_cost_model::template::hardware::HardwareRegistry;
    use ledg_cost_model::{CostModel, Platform, PredictOptions};

    use super::*;
    use crate::data::synthetic;

    /// Predictions that are all low by the same factor are put right by a few records; noise stays.
    #[test]
    fn a_level_is_put_right_and_noise_is_not() {
        let data = synthetic::dataset();
        let held_out: Vec<EnsemblePrediction> = (0..data.records.len())
            .map(|record| {
                let ln = data.records[record].latency_s.ln();
                EnsemblePrediction { record, fold: 0, ln_predicted: ln, spread: 0.0, ln_measured: ln }
            })
            .collect();
        let off = |noise: f64| -> Vec<f64> {
            let sign = |i: usize| if i.is_multiple_of(2) { noise } else { -noise };
            held_out.iter().enumerate().map(|(i, p)| p.ln_measured - 2f64.ln() + sign(i)).collect()
        };
        let methods = [off(0.0), off(0.3)].map(|member| Method { name: "m".into(), members: vec![member] });
        let few = FewShot::new(&data, &held_out, &methods, &[]);
        assert_eq!(few.devices, [("rtx3090".to_owned(), 12), ("rtx4090".to_owned(), 12)]);
        assert!((few.of(0, 0, 0)[0] - 50.0).abs() < 1e-9, "half of the time is an error of 50 %");
        // Ten records leave a few percent of the shrinkage.
        assert!(few.of(0, 0, 2)[0] < 2.0, "{:?}", few.of(0, 0, 2));
        assert!(few.of(0, 1, 2)[0] > 20.0, "{:?}", few.of(0, 1, 2));
        assert_eq!(few.over_devices(0, 0).len(), 1);
        assert_eq!(drawn(5, 30, 0, 0).len(), 4);
        assert_ne!(drawn(100, 3, 0, 0), drawn(100, 3, 0, 1));
    }

    /// What one fold's model is off says nothing of another's.
    #[test]
    fn each_model_is_calibrated_to_its_own_records() {
        let data = synthetic::dataset();
        let fold_of = |record: usize| record / 2 % 2;
        let held_out: Vec<EnsemblePrediction> = (0..data.records.len())
            .map(|record| {
                let ln = data.records[record].latency_s.ln();
                EnsemblePrediction { record, fold: fold_of(record), ln_predicted: ln, spread: 0.0, ln_measured: ln }
            })
            .collect();
        let member = held_out.iter().map(|p| p.ln_measured + if p.fold == 0 { 1.0 } else { -1.0 }).collect();
        let few = FewShot::new(&data, &held_out, &[Method { name: "m".into(), members: vec![member] }], &[]);
        assert!(few.of(0, 0, 0)[0] > 100.0 && few.of(0, 0, 2)[0] < 10.0, "{:?}", few.of(0, 0, 2));
    }

    /// A chip that is like another one that training measured: no level makes it so, a calibration does.
    #[test]
    fn a_chip_among_others_is_found_by_the_fit_of_the_product() {
        let (data, model) = (synthetic::dataset(), CostModel::default_model().unwrap());
        let registry = HardwareRegistry::builtin();
        let like = registry.resolve("raspi4").unwrap();
        let (mut held_out, mut compared, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for (record, r) in data.records.iter().enumerate() {
            let on = registry.resolve(&data.platforms[r.platform].platform.name).unwrap();
            let graph = model.prepare_described((*data.graphs[r.graph].graph).clone()).unwrap();
            let predicted = |on: &Platform| {
                model.predict(&graph, &[(on.clone(), r.batch)], &PredictOptions::default()).unwrap()[0].latency_s
            };
            let (own_s, seconds) = (predicted(&on), 1.5 * predicted(&like));
            plain.push(own_s.ln());
            compared.extend(model.compare(&graph, &[(on, r.batch, seconds)]).unwrap());
            let (ln_predicted, ln_measured) = (own_s.ln(), seconds.ln());
            held_out.push(EnsemblePrediction { record, fold: 0, ln_predicted, spread: 0.0, ln_measured });
        }
        let methods = [0, 1].map(|_| Method { name: "m".into(), members: vec![plain.clone()] });
        let few = FewShot::new(&data, &held_out, &methods, &[compared]);
        let (fitted, level) = (few.of(0, 0, 2)[0], few.of(0, 1, 2)[0]);
        assert!(level > 5.0 && fitted < level / 2.0, "{fitted} by the fit, {level} by a level");
        // Without records both are the prediction as it is.
        assert!((few.of(0, 0, 0)[0] - few.of(0, 1, 0)[0]).abs() < 1e-4);
    }

    #[test]
    fn tables_have_all_cores_whatever_the_products_have() {
        let cores = std::thread::available_parallelism().unwrap().get();
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| on_all_cores(rayon::current_num_threads)), cores);
    }
}
