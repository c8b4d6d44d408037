//! Where results go, filled with what no call writes, so that what was written shows.

use std::ffi::c_void;

use ledg::*;

/// A place for each kind of result.
#[derive(Debug, PartialEq)]
pub struct Places {
    pub handle: *mut c_void,
    pub ids: [u32; 4],
    pub status: [ledg_status; 4],
    pub numbers: [f64; 8],
    pub bytes: [u8; 32],
    pub count: usize,
}

impl Default for Places {
    fn default() -> Self {
        Places {
            handle: std::ptr::without_provenance_mut(0x5ee5),
            ids: [9; 4],
            status: [7; 4],
            numbers: [7.0; 8],
            bytes: [7; 32],
            count: 7,
        }
    }
}

/// Columns of one row that end in the places.
pub fn columns(places: *mut Places) -> ledg_columns {
    // SAFETY: the caller's places are live.
    unsafe {
        let number = |i: usize| (&raw mut (*places).numbers).cast::<f64>().add(i);
        ledg_columns {
            struct_size: size_of::<ledg_columns>(),
            len: 1,
            latency_s: number(0),
            lo_s: number(1),
            hi_s: number(2),
            known: number(3),
            spread: number(4),
            evidence: (&raw mut (*places).bytes).cast(),
            status: (&raw mut (*places).status).cast(),
        }
    }
}

/// As above, for costs by node.
pub fn node_columns(places: *mut Places) -> ledg_node_columns {
    // SAFETY: the caller's places are live.
    unsafe {
        let number = |i: usize| (&raw mut (*places).numbers).cast::<f64>().add(i);
        ledg_node_columns {
            struct_size: size_of::<ledg_node_columns>(),
            len: 1,
            latency_s: number(0),
            compute_s: number(1),
            issue_s: number(2),
            memory_s: number(3),
            launch_s: number(4),
            known: (&raw mut (*places).bytes).cast(),
        }
    }
}
