//! What a model is told of a graph.

use crate::error::ledg_error;
use crate::graph::ledg_graph;
use crate::model::ledg_model;
use crate::pointers::{bits, handle, make};
use crate::status::{Failure, LEDG_E_INTERNAL, LEDG_E_LIMIT, fail, ledg_status};
use crate::text::ledg_string;

/// In the flags of `ledg_explain`: JSON in place of text, with all nodes and neighbours.
pub const LEDG_EXPLAIN_JSON: u32 = 1 << 0;
/// In the flags of `ledg_explain`: the attention masks as grids, one character for each pair of nodes.
pub const LEDG_EXPLAIN_MASKS: u32 = 1 << 1;

/// Most nodes whose masks are printed: three grids of that many characters squared.
const MASKED_NODES: usize = 1 << 12;

/// Explains what a model is told of a graph: sentences, magnitudes and, if asked for, masks, as `ledg-cost explain` prints
/// them. The text is for people and changes between versions; the JSON is for programs. The caller owns `*out`; free it
/// with `ledg_string_free`.
///
/// Errors: `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for a graph that the model cannot describe, `LEDG_E_LIMIT` for masks of more than
/// 4,096 nodes that cost something.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_explain(
    model: *const ledg_model,
    graph: *const ledg_graph,
    flags: u32,
    out: *mut *mut ledg_string,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let (model, graph) = (handle(model, "model")?, handle(graph, "graph")?);
            bits(flags, LEDG_EXPLAIN_JSON | LEDG_EXPLAIN_MASKS, "flags")?;
            let described = model.model.describer().describe(&graph.graph)?;
            let n = described.nodes.len();
            if flags & LEDG_EXPLAIN_MASKS != 0 && n > MASKED_NODES {
                return fail(
                    LEDG_E_LIMIT,
                    format!("the masks are {n} x {n}, at most {MASKED_NODES} nodes can be printed"),
                );
            }
            let text = if flags & LEDG_EXPLAIN_JSON != 0 {
                let internal = |e: serde_json::Error| Failure { code: LEDG_E_INTERNAL, message: e.to_string() };
                serde_json::to_string_pretty(&described.explain()).map_err(internal)?
            } else {
                let mut text =
                    ledg_cost_model::text::summary(graph.graph.name(), graph.graph.nodes().len(), &[], &described);
                text += &format!("\n{}", ledg_cost_model::text::sentences(&described));
                text += &format!("\n{}", ledg_cost_model::text::nodes(&described, usize::MAX));
                if flags & LEDG_EXPLAIN_MASKS != 0 {
                    text += &format!("\n{}", ledg_cost_model::text::masks(&described));
                }
                // Names come from files and calls, which may hold what ends a text in C.
                text.replace('\0', "\\0")
            };
            ledg_string::new(text)
        })
    }
}
