//! Costs by node.

use ledg_cost_model::NodeEstimate;

use crate::error::ledg_error;
use crate::graph::ledg_graph;
use crate::guard;
use crate::hardware::ledg_hw;
use crate::model::ledg_model;
use crate::pointers::{check, check_column, free, growing, handle, make, room, sized, sized_or_default};
use crate::predict::{Question, answer, ledg_predict_opts, prepare};
use crate::status::{Failure, LEDG_E_INTERNAL, LEDG_E_MODEL, Result, fail, ledg_status};
use crate::text::ledg_str;

/// What the nodes of a graph cost on a platform. Rows are what is executed: fused nodes make one row, views and what folds into
/// constants make none; each row names the graph's nodes that it stands for. Immutable; any number of threads may use it.
#[allow(non_camel_case_types)]
pub struct ledg_node_costs {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    op: String,
    sentence: String,
    known: bool,
    /// Nodes of the graph.
    origins: Vec<usize>,
    cost: NodeEstimate,
}

/// Where costs by node go: each column is NULL, for not wanted, or has room for `len` elements. Set `struct_size`, zero the rest.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_node_columns {
    /// `sizeof(ledg_node_columns)`.
    pub struct_size: usize,
    /// Elements that every column has room for, at least the number of rows.
    pub len: usize,
    /// Seconds; the sum over all rows is the latency of the graph.
    pub latency_s: *mut f64,
    /// Of these, seconds bound by arithmetic.
    pub compute_s: *mut f64,
    /// Seconds the cores spend on moving elements.
    pub issue_s: *mut f64,
    /// Seconds bound by memory traffic.
    pub memory_s: *mut f64,
    /// Seconds to start the operator.
    pub launch_s: *mut f64,
    /// 1 where a template covers the operator, else 0.
    pub known: *mut u8,
}
growing!(ledg_node_columns, known);

/// Predicts what each node costs, at a batch size of at least 1, or 0 for the graph's own. `opts` may be NULL. The caller owns
/// `*out`; free it with `ledg_node_costs_free`.
///
/// Errors: those of a call and of a row of `ledg_predict`; `LEDG_E_MODEL` for a model without `LEDG_CAP_NODES`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_predict_nodes(
    model: *const ledg_model,
    graph: *const ledg_graph,
    hw: *const ledg_hw,
    batch: u64,
    opts: *const ledg_predict_opts,
    out: *mut *mut ledg_node_costs,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and structs.
    unsafe {
        make(out, err, || {
            let (model, graph, hw) = (handle(model, "model")?, handle(graph, "graph")?, handle(hw, "hw")?);
            let manner = sized_or_default(opts, "opts")?.manner(true)?;
            let question = Question { graph, hw, batch: (batch > 0).then_some(batch) };
            let estimate = answer(model, &[question], &manner)?.swap_remove(0)?;
            let described = prepare(model, graph, manner.unknown)?;
            let described = described.described();
            if estimate.nodes.len() != described.nodes.len() {
                return fail(LEDG_E_MODEL, "this model has no costs by node: see LEDG_CAP_NODES");
            }
            let mut place = std::collections::HashMap::new();
            for (i, node) in graph.graph.nodes().iter().enumerate() {
                place.insert(node.name.as_str(), i);
            }
            let row = |cost: NodeEstimate| {
                let node = &described.nodes[cost.node];
                let origins = described.origins[cost.node].iter().map(|name| place.get(name.as_str()).copied());
                let lost =
                    || Failure { code: LEDG_E_INTERNAL, message: format!("node `{}` comes from nowhere", node.name) };
                Ok(Row {
                    name: node.name.clone(),
                    op: node.op.to_string(),
                    sentence: node.sentence.clone(),
                    known: node.known,
                    origins: origins.collect::<Option<_>>().ok_or_else(lost)?,
                    cost,
                })
            };
            let rows = estimate.nodes.into_iter().map(row).collect::<Result<_>>()?;
            Ok(ledg_node_costs { rows })
        })
    }
}

/// A column of numbers: where it goes, its name, what it holds.
type Column = (*mut f64, &'static str, fn(&NodeEstimate) -> f64);

/// Number of rows; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_count(costs: *const ledg_node_costs) -> usize {
    // SAFETY: NULL or live costs, by the contract of handles.
    guard::value(0, || unsafe { costs.as_ref() }.map_or(0, |c| c.rows.len()))
}

/// # Safety
/// NULL or live costs.
unsafe fn text(costs: *const ledg_node_costs, row: usize, get: fn(&Row) -> &str) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: the caller's promise is ours.
        let row = unsafe { costs.as_ref() }.and_then(|c| c.rows.get(row));
        row.map_or(ledg_str::EMPTY, |r| ledg_str::of(get(r)))
    })
}

/// Name of a row's node, not NUL-terminated; empty for NULL and beyond the last. A view that lives as long as the costs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_name(costs: *const ledg_node_costs, row: usize) -> ledg_str {
    // SAFETY: NULL or live costs, by the contract of handles.
    unsafe { text(costs, row, |r| &r.name) }
}

/// Operator of a row, such as `Conv` or `com.acme.Lut`, else as `ledg_node_costs_name`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_op(costs: *const ledg_node_costs, row: usize) -> ledg_str {
    // SAFETY: NULL or live costs, by the contract of handles.
    unsafe { text(costs, row, |r| &r.op) }
}

/// Sentence that the model reads for a row, else as `ledg_node_costs_name`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_sentence(costs: *const ledg_node_costs, row: usize) -> ledg_str {
    // SAFETY: NULL or live costs, by the contract of handles.
    unsafe { text(costs, row, |r| &r.sentence) }
}

/// Nodes of the graph that a row stands for: an array of `*n` indices for `ledg_graph_node_name`, in topological order. A view
/// that lives as long as the costs; NULL, with `*n` 0, for NULL and beyond the last row. `n` may not be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_origins(
    costs: *const ledg_node_costs,
    row: usize,
    n: *mut usize,
) -> *const usize {
    guard::value(std::ptr::null(), || {
        if check(n, "n").is_err() {
            return std::ptr::null();
        }
        // SAFETY: NULL or live costs, by the contract of handles; `n` is checked.
        unsafe {
            let origins = costs.as_ref().and_then(|c| c.rows.get(row)).map(|r| r.origins.as_slice());
            n.write(origins.map_or(0, <[usize]>::len));
            origins.map_or(std::ptr::null(), <[usize]>::as_ptr)
        }
    })
}

/// Writes the costs into columns, in topological order of the rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_columns(
    costs: *const ledg_node_costs,
    columns: *const ledg_node_columns,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and structs; columns are checked and have room for `len`.
    unsafe {
        guard::call(err, || {
            let costs = handle(costs, "costs")?;
            let columns = sized(columns, "columns")?;
            let n = costs.rows.len();
            room(columns.len, n, "columns.len")?;
            let numbers: [Column; 5] = [
                (columns.latency_s, "columns.latency_s", |c| c.latency_s),
                (columns.compute_s, "columns.compute_s", |c| c.compute_s),
                (columns.issue_s, "columns.issue_s", |c| c.issue_s),
                (columns.memory_s, "columns.memory_s", |c| c.memory_s),
                (columns.launch_s, "columns.launch_s", |c| c.launch_s),
            ];
            for (column, what, _) in numbers {
                check_column(column, what)?;
            }
            for (column, _, get) in numbers.into_iter().filter(|(column, ..)| !column.is_null()) {
                for (i, row) in costs.rows.iter().enumerate() {
                    column.add(i).write(get(&row.cost));
                }
            }
            if !columns.known.is_null() {
                for (i, row) in costs.rows.iter().enumerate() {
                    columns.known.add(i).write(u8::from(row.known));
                }
            }
            Ok(())
        })
    }
}

/// Frees costs by node. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_node_costs_free(costs: *mut ledg_node_costs) {
    // SAFETY: NULL or costs that this library made and the caller frees once, by the contract of handles.
    unsafe { free(costs) }
}
