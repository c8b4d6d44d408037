//! Entry points that cannot fail: NULL and indices beyond the last give nothing, and freeing NULL is fine.

use std::collections::BTreeSet;
use std::ptr::{null, null_mut};

use ledg::*;

use crate::world::{free, world};

/// Calls each function, and gives the names of all.
macro_rules! each {
    ($($function:ident($($argument:expr),*) $(gives $expected:expr)?;)*) => {{
        $(
            let given = $function($($argument),*);
            each!(@check given $function $($expected)?);
        )*
        BTreeSet::from([$(stringify!($function)),*])
    }};
    (@check $given:ident $function:ident) => { let () = $given; };
    (@check $given:ident $function:ident $expected:expr) => { assert_eq!($given, $expected, stringify!($function)) };
}

/// Length of a view, which is never without a place for its first byte.
fn length(view: ledg_str) -> usize {
    assert!(!view.data.is_null());
    view.len
}

#[test]
fn null_gives_nothing() {
    let mut n = 7usize;
    // SAFETY: NULL everywhere, and a local place.
    let asked = unsafe {
        each! {
            ledg_error_code(null()) gives LEDG_OK;
            ledg_registry_count(null()) gives 0;
            ledg_graph_node_count(null()) gives 0;
            ledg_node_costs_count(null()) gives 0;
            ledg_records_count(null()) gives 0;
            ledg_schedule_model_records(null()) gives 0;
            ledg_node_costs_origins(null(), 0, &mut n) gives null();
            ledg_cancel_request(null());
            ledg_set_log(None, null_mut(), i32::MAX);
            ledg_error_free(null_mut());
            ledg_string_free(null_mut());
            ledg_cancel_free(null_mut());
            ledg_registry_free(null_mut());
            ledg_hw_free(null_mut());
            ledg_model_free(null_mut());
            ledg_graph_free(null_mut());
            ledg_builder_free(null_mut());
            ledg_node_costs_free(null_mut());
            ledg_records_free(null_mut());
            ledg_session_free(null_mut());
            ledg_schedule_model_free(null_mut());
        }
    };
    assert_eq!(n, 0);
    // SAFETY: NULL everywhere.
    let views = unsafe {
        [
            ("ledg_error_message", ledg_error_message(null())),
            ("ledg_string_view", ledg_string_view(null())),
            ("ledg_registry_name", ledg_registry_name(null(), 0)),
            ("ledg_hw_name", ledg_hw_name(null())),
            ("ledg_graph_name", ledg_graph_name(null())),
            ("ledg_graph_node_name", ledg_graph_node_name(null(), 0)),
            ("ledg_node_costs_name", ledg_node_costs_name(null(), 0)),
            ("ledg_node_costs_op", ledg_node_costs_op(null(), 0)),
            ("ledg_node_costs_sentence", ledg_node_costs_sentence(null(), 0)),
        ]
    };
    for (function, view) in views {
        assert_eq!(length(view), 0, "{function}");
    }
    let functions = crate::header::functions();
    let quiet = functions.iter().filter(|f| f.takes_pointers && f.arguments.last().is_none_or(|a| a != "err"));
    let quiet: BTreeSet<&str> = quiet.map(|f| f.name.as_str()).collect();
    assert_eq!(asked.into_iter().chain(views.map(|(f, _)| f)).collect::<BTreeSet<_>>(), quiet);
}

#[test]
fn beyond_the_last_there_is_nothing() {
    let w = world();
    let mut n = 7usize;
    // SAFETY: live handles and a local place.
    unsafe {
        for beyond in [1 << 20, 1 << 40, usize::MAX] {
            let views = [
                ledg_registry_name(w.registry, beyond),
                ledg_graph_node_name(w.graph, beyond),
                ledg_node_costs_name(w.costs, beyond),
                ledg_node_costs_op(w.costs, beyond),
                ledg_node_costs_sentence(w.costs, beyond),
            ];
            assert_eq!(views.map(length), [0; 5]);
            assert!(ledg_node_costs_origins(w.costs, beyond, &mut n).is_null() && n == 0);
        }
        assert!(ledg_node_costs_origins(w.costs, 0, null_mut()).is_null());
        assert!(!ledg_node_costs_origins(w.costs, 0, &mut n).is_null() && n == 1);
        for (major, minor, expected) in [
            (LEDG_ABI_MAJOR, LEDG_ABI_MINOR, LEDG_OK),
            (LEDG_ABI_MAJOR, 0, LEDG_OK),
            (LEDG_ABI_MAJOR, LEDG_ABI_MINOR + 1, LEDG_E_ABI),
            (LEDG_ABI_MAJOR + 1, 0, LEDG_E_ABI),
            (0, 0, LEDG_E_ABI),
            (u32::MAX, u32::MAX, LEDG_E_ABI),
        ] {
            assert_eq!(ledg_abi_check(major, minor), expected);
        }
        assert_eq!(length(ledg_status_name(i32::MIN)), "LEDG_E_UNKNOWN".len());
    }
    free(w);
}
