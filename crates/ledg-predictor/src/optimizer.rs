//! AdamW with gradient clipping and a running average of the weights.
//!
//! Own code, because the tensor library's AdamW keeps its moments to itself: a training that is stopped could not go on
//! as if it had not been.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

use crate::error::{PredictorError, Result};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.98;
const EPSILON: f64 = 1e-8;

/// One trainable tensor with its moments and running average.
struct Slot {
    name: String,
    var: Var,
    /// Matrices decay, biases and scales do not.
    decays: bool,
    weight: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    average: Vec<f32>,
}

/// The optimizer of one model.
///
/// ```
/// use candle_core::{Device, Var};
/// use ledg_predictor::AdamW;
///
/// let w = Var::new(&[1.0f32, -2.0], &Device::Cpu)?;
/// let mut adam = AdamW::new(vec![("w".into(), w.clone())], 0.0, 1.0, 0.99)?;
/// let norm = adam.step(&w.sqr()?.sum_all()?.backward()?, 0.1)?;
/// // The gradient is 2 w, its norm that before clipping; the first step is as long as the learning rate.
/// assert!((norm - 20f64.sqrt()).abs() < 1e-5);
/// let now = w.to_vec1::<f32>()?;
/// assert!((now[0] - 0.9).abs() < 1e-5 && (now[1] + 1.9).abs() < 1e-5, "{now:?}");
/// # Ok::<(), ledg_predictor::PredictorError>(())
/// ```
pub struct AdamW {
    slots: Vec<Slot>,
    step: u64,
    weight_decay: f64,
    clip_norm: f64,
    ema_decay: f64,
}

impl AdamW {
    /// Fresh moments for these variables. `weight_decay` is by unit of learning rate and for matrices only; a gradient whose norm
    /// over all variables is above `clip_norm` is scaled down to it; `ema_decay` is what the running average keeps at each step.
    ///
    /// # Errors
    /// A variable that is not f32.
    pub fn new(vars: Vec<(String, Var)>, weight_decay: f64, clip_norm: f64, ema_decay: f64) -> Result<Self> {
        let slot = |(name, var): (String, Var)| -> Result<Slot> {
            let weight = var.flatten_all()?.to_vec1::<f32>()?;
            let zeros = vec![0.0; weight.len()];
            let decays = var.dims().len() > 1;
            Ok(Slot { name, decays, average: weight.clone(), first: zeros.clone(), second: zeros, weight, var })
        };
        let slots = vars.into_iter().map(slot).collect::<Result<_>>()?;
        Ok(AdamW { slots, step: 0, weight_decay, clip_norm, ema_decay })
    }

    /// Number of trainable numbers.
    pub fn n_parameters(&self) -> usize {
        self.slots.iter().map(|s| s.weight.len()).sum()
    }

    /// One step. Returns the norm of the gradient before clipping.
    ///
    /// # Errors
    /// [`PredictorError::Diverged`] when the gradient is not finite: training that has diverged is stopped, not continued.
    pub fn step(&mut self, grads: &GradStore, learning_rate: f64) -> Result<f64> {
        let mut flat = Vec::with_capacity(self.slots.len());
        let mut squares = 0.0;
        for slot in &self.slots {
            let grad = match grads.get(slot.var.as_tensor()) {
                Some(grad) => grad.flatten_all()?.to_vec1::<f32>()?,
                None => vec![0.0; slot.weight.len()],
            };
            squares += grad.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
            flat.push(grad);
        }
        let norm = squares.sqrt();
        if !norm.is_finite() {
            return Err(PredictorError::Diverged { step: self.step });
        }
        let scale = (self.clip_norm / norm.max(1e-12)).min(1.0);
        self.step += 1;
        let t = self.step as f64;
        let (correct1, correct2) = (1.0 - BETA1.powf(t), 1.0 - BETA2.powf(t));
        // Early averages would otherwise be dominated by the initial weights.
        let keep = self.ema_decay.min((1.0 + t) / (10.0 + t)) as f32;
        for (slot, grad) in self.slots.iter_mut().zip(flat) {
            let decay = if slot.decays { 1.0 - learning_rate * self.weight_decay } else { 1.0 };
            for (i, g) in grad.iter().enumerate() {
                let g = f64::from(*g) * scale;
                let m = BETA1 * f64::from(slot.first[i]) + (1.0 - BETA1) * g;
                let v = BETA2 * f64::from(slot.second[i]) + (1.0 - BETA2) * g * g;
                (slot.first[i], slot.second[i]) = (m as f32, v as f32);
                let update = (m / correct1) / ((v / correct2).sqrt() + EPSILON);
                slot.weight[i] = (f64::from(slot.weight[i]) * decay - learning_rate * update) as f32;
                slot.average[i] = keep * slot.average[i] + (1.0 - keep) * slot.weight[i];
            }
            slot.var.set(&Tensor::from_slice(&slot.weight, slot.var.shape(), &Device::Cpu)?)?;
        }
        Ok(norm)
    }

    /// The running averages by name.
    pub fn averages(&self) -> Result<BTreeMap<String, Tensor>> {
        let tensor = |s: &Slot| Ok((s.name.clone(), Tensor::from_slice(&s.average, s.var.shape(), &Device::Cpu)?));
        self.slots.iter().map(tensor).collect()
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Everything needed to go on: weights, moments, averages.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            let parts = [
                ("weight", &slot.weight),
                ("first", &slot.first),
                ("second", &slot.second),
                ("average", &slot.average),
            ];
            for (part, data) in parts {
                state.insert(format!("{part}:{}", slot.name), Tensor::from_slice(data, data.len(), &Device::Cpu)?);
            }
        }
        Ok(state)
    }

    /// Goes on from a state after that many steps.
    ///
    /// # Errors
    /// [`PredictorError::Checkpoint`] names a tensor that is missing or has another size; variables before it are restored then.
    pub fn restore(&mut self, state: &std::collections::HashMap<String, Tensor>, step: u64) -> Result<()> {
        for slot in &mut self.slots {
            let n = slot.weight.len();
            let get = |part: &str| -> Result<Vec<f32>> {
                let key = format!("{part}:{}", slot.name);
                let bad = |why: String| PredictorError::Checkpoint { key: key.clone(), why };
                let data = state.get(&key).ok_or_else(|| bad("is missing".into()))?.to_vec1::<f32>()?;
                if data.len() != n {
                    return Err(bad(format!("has {} numbers, the model {n}", data.len())));
                }
                Ok(data)
            };
            let (weight, first, second, average) = (get("weight")?, get("first")?, get("second")?, get("average")?);
            slot.var.set(&Tensor::from_slice(&weight, slot.var.shape(), &Device::Cpu)?)?;
            (slot.weight, slot.first, slot.second, slot.average) = (weight, first, second, average);
        }
        self.step = step;
        Ok(())
    }
}

/// Linear warm-up to the peak over the first `warmup` (a share, 0 to 1) of `total` steps, then a cosine to 0.
///
/// ```
/// use ledg_predictor::learning_rate;
///
/// let rates: Vec<f64> = [0, 9, 55, 100].map(|step| learning_rate(step, 100, 1.0, 0.1)).to_vec();
/// let expected = [0.1, 1.0, 0.5, 0.0];
/// assert!(rates.iter().zip(expected).all(|(rate, wanted)| (rate - wanted).abs() < 1e-12), "{rates:?}");
/// ```
pub fn learning_rate(step: u64, total: u64, peak: f64, warmup: f64) -> f64 {
    let rise = (total as f64 * warmup).max(1.0);
    let step = step as f64;
    if step < rise {
        return peak * (step + 1.0) / rise;
    }
    let done = (step - rise) / (total as f64 - rise).max(1.0);
    peak * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule() {
        assert!((learning_rate(0, 100, 1.0, 0.1) - 0.1).abs() < 1e-12);
        assert!((learning_rate(9, 100, 1.0, 0.1) - 1.0).abs() < 1e-12);
        assert!((learning_rate(55, 100, 1.0, 0.1) - 0.5).abs() < 1e-12);
        assert!(learning_rate(100, 100, 1.0, 0.1) < 1e-12);
    }

    #[test]
    fn first_step_moves_by_the_learning_rate_against_the_gradient() {
        let var = Var::new(&[1.0f32, -2.0], &Device::Cpu).unwrap();
        let mut adam = AdamW::new(vec![("w".into(), var.clone())], 0.0, 1e9, 0.0).unwrap();
        let loss = (var.as_tensor() * 3.0).unwrap().sum_all().unwrap();
        let norm = adam.step(&loss.backward().unwrap(), 0.1).unwrap();
        assert!((norm - 18f64.sqrt()).abs() < 1e-5);
        let got = var.to_vec1::<f32>().unwrap();
        assert!((got[0] - 0.9).abs() < 1e-5 && (got[1] + 2.1).abs() < 1e-5, "{got:?}");
        assert_eq!(adam.averages().unwrap()["w"].to_vec1::<f32>().unwrap(), got, "decay 0 keeps the latest");
    }
}
