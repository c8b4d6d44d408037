//! Equation (2) for several members at once: platform vectors, and their part of the readout.

use candle_nn::VarBuilder;
use pulp::Arch;

use super::linear::{Block, Dense, Linear, Then};
use super::readout::{Corrections, Unit};
use super::simd::padded;
use super::weights;
use crate::config::{HardwareInputs, PredictorConfig};
use crate::error::Result;
use crate::input::PlatformInput;
use crate::ops::N_TERMS;
use crate::roofline::N_PHYSICAL;

/// Weights that act on platforms.
#[derive(Debug)]
pub(crate) struct Platforms {
    /// Width of one member's vector, padded.
    block: usize,
    runtime: Linear,
    sentence: Option<Linear>,
    sheet: Option<Linear>,
    out: Vec<Linear>,
    /// The readout's hidden units, all of its biases included.
    hidden: Vec<Linear>,
    base: Vec<Linear>,
}

impl Platforms {
    pub fn load(config: &PredictorConfig, vbs: &[VarBuilder]) -> Result<Self> {
        let d = config.d_platform;
        let joined = |name: &str, d_in: usize| -> Result<Linear> {
            let layers = vbs.iter().map(|vb| weights::dense(d_in, d, vb.pp("platforms").pp(name)));
            Ok(Linear::side_by_side(&layers.collect::<Result<Vec<Dense>>>()?))
        };
        let each = |layer: &dyn Fn(&VarBuilder) -> Result<Dense>| -> Result<Vec<Linear>> {
            vbs.iter().map(|vb| Ok(Linear::side_by_side(&[layer(vb)?]))).collect()
        };
        let (sentence, sheet) = match config.hardware {
            HardwareInputs::None => (false, false),
            HardwareInputs::Sentence => (true, false),
            HardwareInputs::Sheet => (false, true),
            HardwareInputs::Both => (true, true),
        };
        let hidden = |vb: &VarBuilder| -> Result<Dense> {
            let vb = vb.pp("readout");
            let mut layer = weights::dense(d, config.d_readout, vb.pp("platform"))?;
            let physical = weights::vector(config.d_readout, "bias", &vb.pp("physical"))?;
            layer.bias.iter_mut().zip(physical).for_each(|(bias, x)| *bias += x);
            Ok(layer)
        };
        Ok(Platforms {
            block: padded(d),
            runtime: joined("runtime", config.n_runtime)?,
            sentence: if sentence { Some(joined("sentence", config.sentence_dim)?) } else { None },
            sheet: if sheet { Some(joined("sheet", config.n_sheet)?) } else { None },
            out: each(&|vb| weights::dense(d, d, vb.pp("platforms.out")))?,
            hidden: each(&hidden)?,
            base: each(&|vb| weights::dense(d, N_TERMS, vb.pp("readout.base")))?,
        })
    }

    /// # Shapes
    /// p platforms → hidden (p, members, padded d_readout), base (p, members, N_TERMS)
    pub fn run(&self, arch: Arch, platforms: &[PlatformInput]) -> (Vec<f32>, Vec<[f32; N_TERMS]>) {
        let (p, members) = (platforms.len(), self.out.len());
        if p == 0 {
            return (Vec::new(), Vec::new());
        }
        let whole = Block { stride: members * self.block, offset: 0 };
        let mut sum = vec![0.0; p * whole.stride];
        let mut add = |layer: &Linear, row: &dyn Fn(&PlatformInput) -> Vec<f32>| {
            let x: Vec<f32> = platforms.iter().flat_map(row).collect();
            let each = Block { stride: x.len() / p, offset: 0 };
            layer.apply(arch, p, (&x, each), (&mut sum, whole), Then::Add);
        };
        add(&self.runtime, &|p| p.runtime.clone());
        if let Some(layer) = &self.sentence {
            add(layer, &|p| p.sentence.to_vec());
        }
        if let Some(layer) = &self.sheet {
            add(layer, &|p| p.sheet.clone());
        }
        sum.iter_mut().for_each(|x| *x /= 1.0 + (-*x).exp());
        let width = self.hidden[0].d_out();
        let (mut hidden, mut base) = (vec![0.0; p * members * width], vec![[0.0; N_TERMS]; p * members]);
        let mut vector = vec![0.0; p * self.out[0].d_out()];
        let mut terms = vec![0.0; p * self.base[0].d_out()];
        for m in 0..members {
            let member = Block { offset: m * self.block, ..whole };
            let own = Block { stride: self.out[m].d_out(), offset: 0 };
            self.out[m].apply(arch, p, (&sum, member), (&mut vector, own), Then::Silu);
            let place = Block { stride: members * width, offset: m * width };
            self.hidden[m].apply(arch, p, (&vector, own), (&mut hidden, place), Then::Set);
            let four = Block { stride: self.base[m].d_out(), offset: 0 };
            self.base[m].apply(arch, p, (&vector, own), (&mut terms, four), Then::Set);
            for (i, terms) in terms.chunks_exact(four.stride).enumerate() {
                base[i * members + m].copy_from_slice(&terms[..N_TERMS]);
            }
        }
        (hidden, base)
    }
}

/// The readout's weights that act on rows.
pub(crate) fn corrections(config: &PredictorConfig, vbs: &[VarBuilder]) -> Result<Corrections> {
    let d = config.d_readout;
    let (mut units, mut bias) = (Vec::with_capacity(d * vbs.len()), Vec::with_capacity(vbs.len()));
    for vb in vbs {
        let vb = vb.pp("readout");
        let physical = weights::dense(N_PHYSICAL, d, vb.pp("physical"))?;
        let out = weights::dense(d, N_TERMS, vb.pp("out"))?;
        units.extend((0..d).map(|j| Unit {
            physical: std::array::from_fn(|k| physical.weight[j][k]),
            out: std::array::from_fn(|t| out.weight[t][j]),
        }));
        bias.push(std::array::from_fn(|t| out.bias[t]));
    }
    Ok(Corrections { d, cap: config.correction_cap as f32, units, bias })
}
