//! Batches, options of predictions and columns whose fields make no sense.

use std::ptr::{null, null_mut};

use ledg::*;

use crate::world::{World, fails, free, world};

fn batch(w: &World) -> ledg_batch {
    ledg_batch {
        struct_size: size_of::<ledg_batch>(),
        n: 1,
        graphs: (&raw const w.graph).cast(),
        n_graphs: 1,
        hw: (&raw const w.hw).cast(),
        n_hw: 1,
        batch_sizes: null(),
        n_batch_sizes: 0,
    }
}

pub fn opts() -> ledg_predict_opts {
    ledg_predict_opts {
        struct_size: size_of::<ledg_predict_opts>(),
        coverage: 0.0,
        threads: 0,
        flags: 0,
        cancel: null(),
    }
}

/// Predicts with these arguments, which must fail and leave the columns alone.
#[track_caller]
fn predict_fails(w: &World, expected: i32, batch: &ledg_batch, opts: &ledg_predict_opts, size: usize, len: usize) {
    let (mut latency_s, mut status) = ([7.0; 4], [7; 4]);
    let columns = ledg_columns {
        struct_size: size,
        len,
        latency_s: latency_s.as_mut_ptr(),
        lo_s: null_mut(),
        hi_s: null_mut(),
        known: null_mut(),
        spread: null_mut(),
        evidence: null_mut(),
        status: status.as_mut_ptr(),
    };
    // SAFETY: live handles; what is wrong is refused before it is used.
    fails(expected, |e| unsafe { ledg_predict(w.model, batch, opts, &columns, e) });
    assert_eq!((latency_s, status), ([7.0; 4], [7; 4]));
    let mut scores = [7.0; 4];
    if size == size_of::<ledg_columns>() && len == 4 {
        // SAFETY: as above.
        fails(expected, |e| unsafe { ledg_rank_scores(w.model, batch, opts, scores.as_mut_ptr(), null_mut(), 4, e) });
    }
    assert_eq!(scores, [7.0; 4]);
}

#[test]
fn batches_that_make_no_sense_are_told() {
    let w = world();
    let whole = size_of::<ledg_columns>();
    let good = batch(&w);
    let with = |change: fn(&mut ledg_batch)| {
        let mut b = batch(&w);
        change(&mut b);
        b
    };
    predict_fails(&w, LEDG_E_LIMIT, &with(|b| b.n = usize::MAX), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_graphs = 3), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_graphs = 0), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_hw = usize::MAX), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &with(|b| b.n_batch_sizes = 2), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_NULL, &with(|b| b.n_batch_sizes = 1), &opts(), whole, 4);
    predict_fails(&w, LEDG_E_NULL, &with(|b| b.graphs = null()), &opts(), whole, 4);
    let none: *const ledg_graph = null();
    let mut b = good;
    b.graphs = &raw const none;
    predict_fails(&w, LEDG_E_NULL, &b, &opts(), whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &good, &opts(), whole, 0);
    for size in [0, 1, whole - 1, whole + 1, whole + 8, 1 << 20, usize::MAX] {
        // One byte or eight more: what lies behind is not zero or not there; only refused sizes are given here.
        if size < whole || size > 1 << 16 {
            predict_fails(&w, LEDG_E_STRUCT_SIZE, &good, &opts(), size, 4);
            predict_fails(
                &w,
                LEDG_E_STRUCT_SIZE,
                &ledg_batch { struct_size: size.min(whole - 9), ..good },
                &opts(),
                whole,
                4,
            );
            predict_fails(
                &w,
                LEDG_E_STRUCT_SIZE,
                &good,
                &ledg_predict_opts { struct_size: size.min(31), ..opts() },
                whole,
                4,
            );
        }
    }
    for coverage in [f64::NAN, f64::INFINITY, -0.5, 1.0, 2.0, -f64::MIN_POSITIVE] {
        predict_fails(&w, LEDG_E_INTERVAL, &good, &ledg_predict_opts { coverage, ..opts() }, whole, 4);
    }
    predict_fails(&w, LEDG_E_LIMIT, &good, &ledg_predict_opts { threads: u32::MAX, ..opts() }, whole, 4);
    predict_fails(&w, LEDG_E_INVALID, &good, &ledg_predict_opts { flags: 2, ..opts() }, whole, 4);
    free(w);
}
