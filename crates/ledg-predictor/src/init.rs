//! Seeded initial weights: the same seed gives the same weights, whatever the order in which layers ask for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Creates trainable variables on request and remembers them by name.
///
/// ```
/// use candle_core::DType;
/// use candle_nn::Init;
/// use ledg_predictor::SeededInit;
///
/// let weight = |seed, names: &[&str]| -> candle_core::Result<Vec<f32>> {
///     let init = SeededInit::new(seed);
///     for name in names {
///         init.builder(DType::F32).get_with_hints(4, name, Init::Uniform { lo: -1.0, up: 1.0 })?;
///     }
///     let (name, var) = init.vars().swap_remove(0); // in order of name
///     assert_eq!(name, "a");
///     var.to_vec1()
/// };
/// assert_eq!(weight(7, &["a"])?, weight(7, &["b", "a"])?);
/// assert_ne!(weight(7, &["a"])?, weight(8, &["a"])?);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SeededInit {
    seed: u64,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl SeededInit {
    /// No variables yet.
    pub fn new(seed: u64) -> Self {
        SeededInit { seed, vars: Arc::default() }
    }

    /// A builder that creates variables here.
    pub fn builder(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, Device::Cpu)
    }

    /// All variables by name, in order of name.
    pub fn vars(&self) -> Vec<(String, Var)> {
        let vars = self.vars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        vars.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    fn draw(&self, shape: &Shape, name: &str, hint: Init) -> candle_core::Result<Vec<f32>> {
        // FNV-1a of the name: each tensor has its own stream.
        let stream =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        match hint {
            Init::Const(c) => Ok(vec![c as f32; shape.elem_count()]),
            Init::Uniform { lo, up } => {
                Ok((0..shape.elem_count()).map(|_| rng.random_range(lo as f32..up as f32)).collect())
            }
            other => candle_core::bail!("no seeded form of the initialisation {other:?} of {name}"),
        }
    }
}

impl SimpleBackend for SeededInit {
    fn get(&self, shape: Shape, name: &str, hint: Init, dtype: DType, device: &Device) -> candle_core::Result<Tensor> {
        let mut vars = self.vars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(var) = vars.get(name) {
            return Ok(var.as_tensor().clone());
        }
        let data = self.draw(&shape, name, hint)?;
        let var = Var::from_tensor(&Tensor::from_vec(data, shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name}: a new variable needs a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}
