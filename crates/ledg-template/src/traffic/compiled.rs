//! Loops fused: what reaches memory is what a library reads or writes, what more than one loop reads, and long concatenations. Loops that
//! hand each other values otherwise are one kernel, which reads a value once.

use ledg_graph::Traffic;

use super::{Kind, Step, Steps, Width, attention};

const NONE: u32 = u32::MAX;

/// Operands up to which TorchInductor makes a concatenation part of the loop that reads it (`max_pointwise_cat_inputs`).
const FUSED_CONCATENATION: usize = 8;

/// Adds what each step moves in a compiled network.
pub(super) fn run(steps: Steps<'_>, traffic: &mut [Traffic]) {
    let n_values = steps.values.len();
    // By value: the value whose data it is; by value whose data it is: the step that writes it, who reads it, whether it is wide.
    let mut root: Vec<u32> = (0..n_values as u32).collect();
    let mut writer = vec![NONE; n_values];
    let (mut by_library, mut by_loops) = (vec![0_u32; n_values], vec![0_u32; n_values]);
    let mut last_loop = vec![NONE; n_values];
    let mut wide: Vec<bool> = (0..n_values as u32).map(|v| steps.is_given(v)).collect();
    for (at, step) in steps.steps.iter().enumerate() {
        let first = step.inputs.first().map_or(NONE, |&v| root[v as usize]);
        if step.kind.renames() && first != NONE {
            step.outputs.iter().for_each(|&out| root[out as usize] = first);
            continue;
        }
        let library = step.kind.is_library();
        for (i, &v) in step.inputs.iter().enumerate() {
            let v = root[v as usize];
            if step.inputs[..i].iter().any(|&w| root[w as usize] == v) {
                continue;
            }
            let readers = if library { &mut by_library } else { &mut by_loops };
            readers[v as usize] += 1;
            if !library {
                last_loop[v as usize] = at as u32;
            }
        }
        let widest = step.inputs.iter().any(|&v| wide[root[v as usize] as usize]) || (step.combines && step.weight);
        let result = match step.width {
            Width::Half => false,
            Width::Single | Width::SingleResult => true,
            Width::Widest => widest && !library,
        };
        for &out in &step.outputs {
            writer[out as usize] = at as u32;
            wide[out as usize] = result && steps.is_float(out);
        }
    }
    let elements = |v: u32| steps.elements(v);
    let written = |v: u32| {
        let at = writer[v as usize];
        let (libraries, loops) = (by_library[v as usize], by_loops[v as usize]);
        if at == NONE || libraries > 0 || loops != 1 {
            return true;
        }
        let step = steps.steps[at as usize];
        step.kind.is_library() || (step.kind == Kind::Concat && step.inputs.len() > FUSED_CONCATENATION)
    };
    // A loop casts as it writes: what libraries alone read is narrow in memory.
    let doubles = |v: u32| {
        wide[v as usize] && (writer[v as usize] == NONE || by_loops[v as usize] > 0 || by_library[v as usize] == 0)
    };
    // By step: the last of the loops that are one kernel with it.
    let mut kernel: Vec<u32> = (0..steps.steps.len() as u32).collect();
    for (at, step) in steps.steps.iter().enumerate().rev() {
        let handed_on = step.outputs.iter().find(|&&out| root[out as usize] == out && !written(out));
        if let Some(&out) = handed_on {
            kernel[at] = kernel[last_loop[out as usize] as usize];
        }
    }
    let mut order: Vec<u32> = (0..steps.steps.len() as u32).collect();
    order.sort_by_key(|&at| kernel[at as usize]);
    let mut read_by = vec![NONE; n_values];
    let channels_last = is_channels_last(steps);
    for at in order.into_iter().map(|at| at as usize) {
        let (step, traffic) = (steps.steps[at], &mut traffic[at]);
        if step.kind.renames() && !step.inputs.is_empty() {
            continue;
        }
        libraries(steps, step, channels_last, &root, traffic);
        let library = step.kind.is_library();
        for (i, &v) in step.inputs.iter().enumerate() {
            let own = root[v as usize];
            let twice = step.inputs[..i].iter().any(|&w| root[w as usize] == own);
            if twice || !written(own) || (!library && read_by[own as usize] == kernel[at]) {
                continue;
            }
            read_by[own as usize] = kernel[at];
            // A part of the data, or the data repeated.
            let read = elements(v).min(elements(own));
            traffic.compiled += read;
            traffic.compiled_mixed += if doubles(own) && !library { read } else { 0.0 };
        }
        for &out in &step.outputs {
            if written(out) {
                traffic.compiled += elements(out);
                traffic.compiled_mixed += if doubles(out) { elements(out) } else { 0.0 };
            }
            // A bias, or the batch normalisation folded into it, is a pass unless a loop takes it along.
            if matches!(step.kind, Kind::Conv { bias: true, .. }) && by_loops[out as usize] == 0 {
                traffic.compiled += 2.0 * elements(out);
            }
        }
    }
}

/// What is copied for a library, what of its work vector units do, and what attention adds that is spelled out.
fn libraries(steps: Steps<'_>, step: &Step, channels_last: bool, root: &[u32], traffic: &mut Traffic) {
    let elements = |v: u32| steps.elements(v);
    match step.kind {
        Kind::Conv { weights, .. } => {
            let written = step.outputs.iter().map(|&v| elements(v)).sum();
            let last = channels_last && step.outputs.iter().all(|&v| steps.shape(v).len() == 4);
            traffic.compiled_vector_flops += weights.vector_flops(written, last);
            let images: f64 = step.inputs.iter().chain(&step.outputs).map(|&v| elements(v)).sum();
            if channels_last && weights.copies_channels_last() {
                traffic.compiled += 2.0 * images;
            }
            // Matrix units take channels-last.
            if !channels_last && weights.copies_channels_first() {
                traffic.compiled_half += 2.0 * images;
            }
            // A part of the channels has gaps between positions.
            let parts = step.inputs.iter().filter(|&&v| elements(root[v as usize]) > elements(v));
            traffic.compiled += 2.0 * parts.map(|&v| elements(v)).sum::<f64>();
        }
        Kind::Attention if attention::is_spelled_out(steps, step) => {
            traffic.compiled += attention::COMPILED_SCORE_PASSES * attention::scores(steps, step);
        }
        _ => {}
    }
}

/// Whether TorchInductor lays images out as channels-last: where its factors say that the convolutions gain by it.
fn is_channels_last(steps: Steps<'_>) -> bool {
    let mut sum = [0.0; 2];
    for step in steps.steps {
        if let Kind::Conv { weights, .. } = step.kind {
            let own = weights.flops(step.outputs.iter().map(|&v| steps.elements(v)).sum());
            sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
    }
    let [flops, weighed] = sum;
    flops > 0.0 && weighed <= flops
}
