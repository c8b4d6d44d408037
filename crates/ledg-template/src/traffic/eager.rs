//! Operators one by one: casts, copies, passes. Strides are followed here alone, so the copies that compiled products need are
//! added here as well.

use ledg_graph::Traffic;

use super::strides::{Strides, product};
use super::{Kind, Steps, Width, attention};

/// Threads with a load under way that keep a GPU's memory busy; fewer of them take as long for each of theirs. By
/// `efficientformer_v2`, 14 x 14 positions and 250 to 410 ns a sample and channel whatever their number, the layout and the version:
/// 102 thousand on an RTX 4090, 112 on an RTX 3090, 294 on an RTX PRO 6000.
const THREADS_IN_FLIGHT: f64 = 100_000.0;

/// A value while the graph runs.
#[derive(Debug, Clone, Copy)]
struct State {
    wide: bool,
    /// A library wrote it, so that no loop can have written it in another layout.
    by_library: bool,
    /// The axis that the batch is along; sizes are of one sample.
    batch_axis: u8,
    /// Images given as channels first, and as channels last.
    strides: [Strides; 2],
    /// Elements that a reshape had to copy, not yet counted with a node; the narrow ones, and what wide ones add.
    copied: [[f64; 2]; 2],
}

/// Follows the steps and adds what each moves.
pub(super) fn run(steps: Steps<'_>, traffic: &mut [Traffic]) {
    let mut run = Run { steps, states: vec![None; steps.values.len()], shape: [Vec::new(), Vec::new()] };
    for (at, traffic) in traffic.iter_mut().enumerate() {
        run.step(at, traffic);
    }
}

struct Run<'s> {
    steps: Steps<'s>,
    states: Vec<Option<State>>,
    /// Scratch memory.
    shape: [Vec<u64>; 2],
}

/// A shape at two samples: at one, an axis of the batch alone would seem to merge with any other.
fn doubled(shape: &[u64], batch_axis: u8, into: &mut Vec<u64>) {
    into.clear();
    into.extend_from_slice(shape);
    if let Some(axis) = into.get_mut(usize::from(batch_axis)) {
        *axis = axis.saturating_mul(2);
    }
}

impl Run<'_> {
    fn state(&mut self, v: u32) -> State {
        if let Some(state) = self.states[v as usize] {
            return state;
        }
        let mut shape = Vec::new();
        doubled(self.steps.shape(v), 0, &mut shape);
        let strides = [Strides::contiguous(&shape), Strides::channels_last(&shape)];
        let state =
            State { wide: self.steps.is_given(v), by_library: true, batch_axis: 0, strides, copied: [[0.0; 2]; 2] };
        self.states[v as usize] = Some(state);
        state
    }

    fn step(&mut self, at: usize, traffic: &mut Traffic) {
        let steps = self.steps;
        let step = steps.steps[at];
        let Some(&first) = step.inputs.first() else {
            let written: f64 = step.outputs.iter().map(|&v| self.steps.elements(v)).sum();
            traffic.eager.iter_mut().for_each(|t| *t += written);
            return;
        };
        let x = self.state(first);
        let shape = steps.shape(first);
        match step.kind {
            Kind::Reshape => return self.reshape(first, x, step.outputs.first().copied()),
            Kind::Transpose => {
                let batch_axis = step.perm.iter().position(|&p| p == x.batch_axis).unwrap_or(0) as u8;
                let state = State { batch_axis, strides: x.strides.map(|s| s.permuted(&step.perm)), ..x };
                return self.set(&step.outputs, state);
            }
            Kind::Select(axis) => {
                let batch_axis = x.batch_axis - u8::from(x.batch_axis > axis && x.batch_axis > 0);
                let strides = x.strides.map(|s| s.without(usize::from(axis)));
                return self.set(&step.outputs, State { batch_axis, strides, ..x });
            }
            Kind::Alias => {
                for &out in &step.outputs {
                    let to = steps.shape(out);
                    let repeats = to.iter().zip(shape).any(|(to, from)| to > from) || to.len() != shape.len();
                    let strides = x.strides.map(|s| if repeats { s.expanded(shape, to) } else { s });
                    let copied = x.copied.map(|c| c.map(|c| c / step.outputs.len() as f64));
                    let added = u8::try_from(to.len().saturating_sub(shape.len())).unwrap_or(u8::MAX);
                    let batch_axis = x.batch_axis.saturating_add(added);
                    self.states[out as usize] = Some(State { strides, copied, batch_axis, ..x });
                }
                return;
            }
            _ => {}
        }
        self.kernel(at, first, x, traffic);
    }

    fn set(&mut self, outputs: &[u32], state: State) {
        outputs.iter().for_each(|&out| self.states[out as usize] = Some(state));
    }

    fn reshape(&mut self, from: u32, x: State, to: Option<u32>) {
        let Some(to) = to else { return };
        let steps = self.steps;
        let (old, new) = (steps.shape(from), steps.shape(to));
        // The batch is the outermost part of its axis: it goes where as many elements stand outside of it.
        let outside = product(old.iter().take(usize::from(x.batch_axis)));
        let mut before = 1_u64;
        let mut batch_axis = 0;
        for (axis, &d) in new.iter().enumerate() {
            if before == outside {
                batch_axis = axis as u8;
                break;
            }
            before = d.saturating_mul(before);
        }
        let [mut old2, mut new2] = std::mem::take(&mut self.shape);
        doubled(old, x.batch_axis, &mut old2);
        doubled(new, batch_axis, &mut new2);
        let mut state = State { batch_axis, ..x };
        for layout in 0..2 {
            state.strides[layout] = x.strides[layout].viewed(&old2, &new2).unwrap_or_else(|| {
                let elements = 2.0 * self.steps.elements(from);
                state.copied[layout][0] += elements;
                state.copied[layout][1] += if x.wide { elements } else { 0.0 };
                Strides::contiguous(&new2)
            });
        }
        self.shape = [old2, new2];
        self.states[to as usize] = Some(state);
    }

    /// An operator that runs: what it reads and writes, and what it has cast and copied before.
    fn kernel(&mut self, at: usize, first: u32, x: State, traffic: &mut Traffic) {
        let steps = self.steps;
        let step = steps.steps[at];
        let read: f64 = step.inputs.iter().map(|&v| self.steps.elements(v)).sum();
        let written: f64 = step.outputs.iter().map(|&v| self.steps.elements(v)).sum();
        // Narrow elements, by layout; what mixed precision adds to them.
        let (mut plain, mut mixed) = ([read + written; 2], [0.0; 2]);
        if step.kind == Kind::Interpolation {
            self.idle(at, &x, plain[0], traffic);
        }
        let mut wide_in = 0.0;
        for &v in &step.inputs {
            let state = self.state(v);
            for layout in 0..2 {
                plain[layout] += state.copied[layout][0];
                mixed[layout] += state.copied[layout][1];
            }
            let elements = self.steps.elements(v);
            wide_in += if state.wide { elements } else { 0.0 };
            for layout in 0..2 {
                let copies = self.has_to_copy(step.kind, v, &state, layout);
                // Compiled, a library's product needs the same copy of what another one wrote.
                let product = matches!(step.kind, Kind::Layer | Kind::Product);
                if layout == 0 && product && state.by_library && (copies || state.copied[0][0] > 0.0) {
                    traffic.compiled += 2.0 * elements;
                }
                if copies {
                    plain[layout] += 2.0 * elements;
                    let wide = step.width == Width::Single || (state.wide && step.width != Width::Half);
                    mixed[layout] += if wide { 2.0 * elements } else { 0.0 };
                }
            }
        }
        let narrow_in = read - wide_in;
        let widens = step.combines && step.weight;
        let (wide, extra) = match step.width {
            // Reads wide, writes narrow, as a kernel of its own.
            Width::Half => (false, 3.0 * wide_in),
            Width::Single => (true, 3.0 * narrow_in + read + written),
            Width::SingleResult => (true, wide_in + written),
            Width::Widest if wide_in > 0.0 || widens => (true, wide_in + written),
            Width::Widest => (false, 0.0),
        };
        mixed.iter_mut().for_each(|m| *m += extra);
        if let Kind::Conv { bias, weights } = step.kind {
            for (layout, flops) in traffic.vector_flops.iter_mut().enumerate() {
                *flops += weights.vector_flops(written, self.answers_channels_last(first, &x, layout));
            }
            plain.iter_mut().for_each(|p| *p += if bias { 2.0 * written } else { 0.0 });
            if weights.copies_channels_last() {
                for (layout, plain) in plain.iter_mut().enumerate() {
                    *plain += if self.answers_channels_last(first, &x, layout) { 2.0 * (read + written) } else { 0.0 };
                }
            }
        }
        for layout in 0..2 {
            traffic.eager[layout] += plain[layout];
            traffic.eager_mixed[layout] += mixed[layout];
        }
        if step.kind == Kind::Attention {
            self.scores(at, traffic);
        }
        self.results(at, x, wide);
    }

    /// Passes over the scores of attention.
    fn scores(&self, at: usize, traffic: &mut Traffic) {
        let step = self.steps.steps[at];
        let scores = attention::scores(self.steps, step);
        if attention::has_no_kernel(self.steps, step) {
            attention::widen(self.steps, step, traffic);
        }
        if attention::is_spelled_out(self.steps, step) {
            let bias = if attention::is_biased(step) { 1.0 } else { 0.0 };
            let passes = attention::SCORE_PASSES + bias * attention::BIAS_PASSES;
            let mixed = attention::MIXED_SCORE_PASSES + bias * attention::MIXED_BIAS_PASSES - passes;
            traffic.eager.iter_mut().for_each(|t| *t += passes * scores);
            traffic.eager_mixed.iter_mut().for_each(|t| *t += mixed * scores);
        } else {
            traffic.scores += attention::SCORE_PASSES * scores;
            traffic.scores_mixed += attention::MIXED_SCORE_PASSES * scores;
        }
    }

    /// Interpolation of an image that is not channels last has as many threads as the answer has positions; with fewer than memory
    /// would serve, a GPU takes as long as if so much more were `moved`.
    fn idle(&self, at: usize, x: &State, moved: f64, traffic: &mut Traffic) {
        let step = self.steps.steps[at];
        let (Some(&from), Some(&to)) = (step.inputs.first(), step.outputs.first()) else { return };
        let positions: f64 = self.steps.shape(to).iter().skip(2).map(|&d| d as f64).product();
        let mut shape = Vec::new();
        doubled(self.steps.shape(from), x.batch_axis, &mut shape);
        for (layout, idle) in traffic.idle.iter_mut().enumerate() {
            if !x.strides[layout].is_channels_last(&shape) {
                *idle += moved * (THREADS_IN_FLIGHT / positions.max(1.0) - 1.0).max(0.0);
            }
        }
    }

    /// Whether a convolution of that image answers in channels-last, where images are given in that layout.
    fn answers_channels_last(&self, image: u32, x: &State, layout: usize) -> bool {
        let mut given = Vec::new();
        layout == 1 || {
            doubled(self.steps.shape(image), x.batch_axis, &mut given);
            x.strides[layout].is_channels_last(&given)
        }
    }

    /// Whether an operand has to be copied into another layout first.
    fn has_to_copy(&mut self, kind: Kind, v: u32, state: &State, layout: usize) -> bool {
        let mut shape = std::mem::take(&mut self.shape[0]);
        doubled(self.steps.shape(v), state.batch_axis, &mut shape);
        let strides = &state.strides[layout];
        let contiguous = || strides.is_contiguous(&shape);
        let copies = match kind {
            // Weights are channels last where images are given so, and take their input along.
            Kind::Conv { .. } => {
                !strides.is_channels_last(&shape) && (layout == 1 && shape.len() == 4 || !contiguous())
            }
            Kind::Layer => {
                let (rows, last) = (product(shape.iter().rev().skip(1)), shape.last().copied().unwrap_or(1));
                shape.len() > 1 && strides.viewed(&shape, &[rows, last]).is_none()
            }
            Kind::Product if shape.len() > 3 => {
                let lead = shape.len() - 2;
                let merges = strides.leading(lead).viewed(&shape[..lead], &[product(shape[..lead].iter())]).is_some();
                !merges || !strides.has_unit(2, &shape)
            }
            Kind::Attention => !strides.has_unit(1, &shape),
            Kind::Norm => !contiguous(),
            _ => false,
        };
        self.shape[0] = shape;
        copies
    }

    fn results(&mut self, at: usize, x: State, wide: bool) {
        let steps = self.steps;
        let step = steps.steps[at];
        // The largest operand decides on the layout.
        let like = step
            .inputs
            .iter()
            .copied()
            .reduce(|a, b| if self.steps.elements(b) > self.steps.elements(a) { b } else { a });
        let like = like.map_or(x, |v| self.state(v));
        let by_library = step.kind.is_library();
        let like_shape = |v: &u32| steps.shape(*v);
        let all_last = |run: &mut Self, layout: usize| {
            step.inputs.iter().all(|&v| {
                let state = run.state(v);
                let mut shape = Vec::new();
                doubled(like_shape(&v), state.batch_axis, &mut shape);
                state.strides[layout].is_channels_last(&shape)
            })
        };
        for &out in &step.outputs {
            let rank = steps.shape(out).len();
            let of = if step.kind == Kind::Product { x } else { like };
            let rank_in = step.inputs.first().map_or(rank, |v| like_shape(v).len());
            let batch_axis = match step.kind {
                Kind::Product => (usize::from(of.batch_axis) + rank).saturating_sub(rank_in),
                _ => usize::from(of.batch_axis),
            };
            let batch_axis = batch_axis.min(rank.saturating_sub(1)) as u8;
            let mut shape = Vec::new();
            doubled(steps.shape(out), batch_axis, &mut shape);
            let strides = std::array::from_fn(|layout| match step.kind {
                Kind::Conv { .. } if self.answers_channels_last(step.inputs[0], &x, layout) => {
                    Strides::channels_last(&shape)
                }
                Kind::Conv { .. } | Kind::Layer | Kind::Product | Kind::Norm => Strides::contiguous(&shape),
                // Written as (batch, positions, heads, size).
                Kind::Attention if rank == 4 => {
                    Strides::contiguous(&[shape[0], shape[2], shape[1], shape[3]]).permuted(&[0, 2, 1, 3])
                }
                Kind::Attention => Strides::contiguous(&shape),
                Kind::Concat if all_last(self, layout) => Strides::channels_last(&shape),
                Kind::Concat => Strides::contiguous(&shape),
                _ => of.strides[layout].like(&shape),
            });
            let wide = wide && steps.is_float(out);
            self.states[out as usize] = Some(State { wide, by_library, batch_axis, strides, copied: [[0.0; 2]; 2] });
        }
    }
}
