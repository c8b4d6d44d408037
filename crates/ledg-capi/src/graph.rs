//! Graphs: read from ONNX or JSON, asked for what they are.

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use ledg_cost_model::graph::{Graph, Limits};
use ledg_cost_model::onnx::{self, Imported, OnnxOptions, UnknownPolicy};
use ledg_cost_model::{CostModel, PreparedGraph};
use once_cell::sync::OnceCell;

use crate::error::ledg_error;
use crate::guard;
use crate::log::{LEDG_LOG_INFO, LEDG_LOG_WARN, say};
use crate::model::ledg_model;
use crate::pointers::{check, check_column, free, growing, handle, list, make, sized_or_default, slice, zero};
use crate::status::{Failure, LEDG_E_GRAPH, LEDG_E_INVALID, LEDG_E_LIMIT, LEDG_E_SYMBOL, Result, fail, ledg_status};
use crate::text::{ledg_str, ledg_string};

/// Refuse operators that no shape rule knows: the default.
pub const LEDG_UNKNOWN_REFUSE: u32 = 0;
/// Keep operators that no shape rule knows, as a plugin's are, which a file is read without. Predictions of such a graph need
/// `LEDG_PREDICT_UNKNOWN`, but for operators that the model has templates of and whose shapes the file declares.
pub const LEDG_UNKNOWN_KEEP: u32 = 1;

/// Most bytes of a graph in JSON unless told otherwise.
const MAX_JSON_BYTES: u64 = 512 << 20;
/// Most symbols that a call binds.
const MAX_SYMBOLS: usize = 65_536;
/// Models that a graph keeps its prepared form for.
const PREPARED_FOR: usize = 4;

/// A graph of operators with shapes. Immutable: any number of threads may use it at once. What a model works out about it is
/// kept with it, without locks, for the first four models that it is used with (those that share weights and templates
/// count as one).
#[allow(non_camel_case_types)]
pub struct ledg_graph {
    pub(crate) graph: Arc<Graph>,
    name: CString,
    prepared: [OnceCell<(Arc<CostModel>, Arc<PreparedGraph>)>; PREPARED_FOR],
}

impl ledg_graph {
    pub(crate) fn new(graph: Graph) -> Self {
        let name = CString::new(graph.name().replace('\0', "\\0")).unwrap_or_default();
        ledg_graph { graph: Arc::new(graph), name, prepared: [const { OnceCell::new() }; PREPARED_FOR] }
    }

    /// The graph as the model takes it.
    pub(crate) fn prepared(&self, model: &ledg_model) -> Result<Arc<PreparedGraph>> {
        let mine = |slot: &OnceCell<(Arc<CostModel>, Arc<PreparedGraph>)>| {
            slot.get().filter(|(base, _)| Arc::ptr_eq(base, &model.base)).map(|(_, prepared)| Arc::clone(prepared))
        };
        if let Some(prepared) = self.prepared.iter().find_map(mine) {
            return Ok(prepared);
        }
        let prepared = Arc::new(model.base.prepare(&self.graph)?);
        for slot in &self.prepared {
            if let Some(theirs) = mine(slot) {
                return Ok(theirs);
            }
            // Taken by another thread meanwhile, perhaps for this very model: then the next look finds it.
            match slot.set((Arc::clone(&model.base), Arc::clone(&prepared))) {
                Ok(()) => break,
                Err(_) => {
                    if let Some(theirs) = mine(slot) {
                        return Ok(theirs);
                    }
                }
            }
        }
        Ok(prepared)
    }
}

/// How to read a graph. Set `struct_size`, zero the rest; zero is the default of every field.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_graph_opts {
    /// `sizeof(ledg_graph_opts)`.
    pub struct_size: usize,
    /// Names of dynamic dimensions to bind, as the ONNX file has them (`batch`) or as `input.axis` (`ids.0`).
    pub symbols: *const ledg_str,
    /// Their sizes, at least 1.
    pub symbol_sizes: *const u64,
    /// Number of both, at most 65,536.
    pub n_symbols: usize,
    /// `LEDG_UNKNOWN_REFUSE` or `LEDG_UNKNOWN_KEEP`.
    pub unknown: u32,
    /// Zero.
    pub reserved: u32,
    /// Most nodes, up to 16,777,216; 0 means 50,000.
    pub max_nodes: u64,
    /// Most values, up to 16,777,216; 0 means 400,000.
    pub max_values: u64,
    /// Most bytes of the file or text, weights included; 0 means 16 GiB for ONNX and 512 MiB for JSON.
    pub max_bytes: u64,
}
growing!(ledg_graph_opts, max_bytes);

/// Bounds that stay inside what ids can number.
pub(crate) const MOST_NODES: u64 = 1 << 24;

/// Limits from the caller's numbers, 0 meaning the default.
pub(crate) fn limits(max_nodes: u64, max_values: u64) -> Result<Limits> {
    let mut limits = Limits::default();
    for (what, given, own) in
        [("max_nodes", max_nodes, &mut limits.max_nodes), ("max_values", max_values, &mut limits.max_values)]
    {
        if given > MOST_NODES {
            return fail(LEDG_E_LIMIT, format!("`{what}` is {given}, at most {MOST_NODES} can be asked for"));
        }
        if given > 0 {
            *own = given;
        }
    }
    Ok(limits)
}

impl ledg_graph_opts {
    fn policy(&self) -> Result<UnknownPolicy> {
        match self.unknown {
            LEDG_UNKNOWN_REFUSE => Ok(UnknownPolicy::Error),
            LEDG_UNKNOWN_KEEP => Ok(UnknownPolicy::Report),
            other => fail(LEDG_E_INVALID, format!("`opts.unknown` is {other}, it must be a LEDG_UNKNOWN_*")),
        }
    }

    /// # Safety
    /// The header's contract of slices and strings.
    unsafe fn onnx(&self) -> Result<OnnxOptions> {
        let mut options = OnnxOptions { limits: limits(self.max_nodes, self.max_values)?, ..OnnxOptions::default() };
        if self.max_bytes > 0 {
            options.max_file_bytes = self.max_bytes;
        }
        options.unknown = self.policy()?;
        zero(self.reserved.into(), "opts.reserved")?;
        // SAFETY: the caller's promise is ours.
        let (names, sizes) = unsafe {
            let names = list(self.symbols, self.n_symbols, MAX_SYMBOLS, "opts.symbols")?;
            (names, slice(self.symbol_sizes, self.n_symbols, "opts.symbol_sizes")?)
        };
        for (name, &size) in names.iter().zip(sizes) {
            // SAFETY: as above.
            let name = unsafe { name.name_or_empty("opts.symbols")? };
            if size == 0 {
                return fail(
                    LEDG_E_SYMBOL,
                    format!("`opts.symbol_sizes`: `{name}` is bound to 0, it must be at least 1"),
                );
            }
            if options.dims.insert(name.to_owned(), size).is_some() {
                return fail(LEDG_E_SYMBOL, format!("`opts.symbols`: `{name}` is bound twice"));
            }
        }
        Ok(options)
    }

    /// Limits of a JSON graph, and the most bytes of its text.
    fn json(&self) -> Result<(Limits, usize)> {
        if self.n_symbols > 0 {
            return fail(LEDG_E_SYMBOL, "`opts.symbols`: sizes in a JSON graph are fixed, there is no symbol to bind");
        }
        zero(self.reserved.into(), "opts.reserved")?;
        // Every operator of a JSON graph is there with its shapes, so both ways to treat unknown ones give the same graph.
        self.policy()?;
        let most = if self.max_bytes > 0 { self.max_bytes } else { MAX_JSON_BYTES };
        Ok((limits(self.max_nodes, self.max_values)?, usize::try_from(most).unwrap_or(usize::MAX)))
    }
}

/// The graph, after telling the log what its reading rests on.
fn imported(imported: Imported) -> ledg_graph {
    for unknown in &imported.unknown {
        say(LEDG_LOG_WARN, || {
            let graph = imported.graph.name();
            format!("{graph}: node `{}` ({}): no shape rule knows the operator", unknown.node, unknown.op)
        });
    }
    for c in &imported.contradictions {
        say(LEDG_LOG_WARN, || {
            let graph = imported.graph.name();
            format!(
                "{graph}: value `{}` is declared {:?}, its operator makes it {:?}, which is used",
                c.value, c.declared, c.inferred
            )
        });
    }
    read(imported.graph)
}

/// A graph that was read, after telling the log.
fn read(graph: Graph) -> ledg_graph {
    say(LEDG_LOG_INFO, || format!("graph `{}` read, nodes: {}", graph.name(), graph.nodes().len()));
    ledg_graph::new(graph)
}

/// Reads a graph from the bytes of an ONNX model, with or without weights; the bytes may be freed afterwards. `opts` may be
/// NULL. The caller owns `*out`; free it with `ledg_graph_free`.
///
/// Errors: `LEDG_E_PARSE` if it is malformed, `LEDG_E_UNKNOWN_OP`, `LEDG_E_SYMBOL` for a dynamic dimension that is not bound
/// or a symbol that is not there, `LEDG_E_GRAPH` for a cycle and the like, `LEDG_E_LIMIT` beyond the limits of `opts`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_from_onnx(
    name: ledg_str,
    data: *const u8,
    len: usize,
    opts: *const ledg_graph_opts,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of slices, structs and strings.
    unsafe {
        make(out, err, || {
            check(data, "data")?;
            let options = sized_or_default(opts, "opts")?.onnx()?;
            let name = name.name_or_empty("name")?;
            // Before the bytes are copied, which is where a length that nobody means would end the process.
            let bytes = list(data, len, usize::try_from(options.max_file_bytes).unwrap_or(usize::MAX), "data")?;
            let name = if name.is_empty() { "(bytes)" } else { name };
            Ok(imported(onnx::import_bytes(name, bytes.to_vec().into(), &options)?))
        })
    }
}

/// Reads a graph from an ONNX file; weights, in the file or beside it, are not read. Else as `ledg_graph_from_onnx`.
///
/// Errors: also `LEDG_E_IO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_from_onnx_file(
    path: ledg_str,
    opts: *const ledg_graph_opts,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of structs and strings.
    unsafe {
        make(out, err, || {
            let options = sized_or_default(opts, "opts")?.onnx()?;
            Ok(imported(onnx::import_file(Path::new(path.name_or_empty("path")?), &options)?))
        })
    }
}

/// Reads a graph from ledg's JSON, version 1 of the wire format. Symbols cannot be bound: sizes are fixed. Else as
/// `ledg_graph_from_onnx`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_from_json(
    text: ledg_str,
    opts: *const ledg_graph_opts,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of structs and strings.
    unsafe {
        make(out, err, || {
            let (limits, most) = sized_or_default(opts, "opts")?.json()?;
            Ok(read(Graph::from_json(text.get("text", most)?, limits)?))
        })
    }
}

/// Writes a graph as JSON, one line. The caller owns `*out`; free it with `ledg_string_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_to_json(
    graph: *const ledg_graph,
    out: *mut *mut ledg_string,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let graph = handle(graph, "graph")?;
            ledg_string::new(graph.graph.to_json()?)
        })
    }
}

/// Gives a new graph at another batch size: dimension 0 of the inputs, followed through every node. Predictions do not need it;
/// they take batch sizes. The caller owns `*out`; free it with `ledg_graph_free`.
///
/// Errors: `LEDG_E_GRAPH` if the graph cannot have that batch size; 0 is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_with_batch(
    graph: *const ledg_graph,
    batch: u64,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let graph = handle(graph, "graph")?;
            Ok(ledg_graph::new(graph.graph.rescale_batch(batch)?))
        })
    }
}

/// Number of nodes; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_node_count(graph: *const ledg_graph) -> usize {
    // SAFETY: NULL or a live graph, by the contract of handles.
    guard::value(0, || unsafe { graph.as_ref() }.map_or(0, |g| g.graph.nodes().len()))
}

/// Name of a node, in topological order; not NUL-terminated; empty for NULL and beyond the last. A view that lives as long as
/// the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_node_name(graph: *const ledg_graph, node: usize) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live graph, by the contract of handles.
        let node = unsafe { graph.as_ref() }.and_then(|g| g.graph.nodes().get(node));
        node.map_or(ledg_str::EMPTY, |n| ledg_str::of(&n.name))
    })
}

/// Name of a graph, NUL-terminated; empty for NULL. A view that lives as long as the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_name(graph: *const ledg_graph) -> ledg_str {
    guard::value(ledg_str::EMPTY, || {
        // SAFETY: NULL or a live graph, by the contract of handles.
        unsafe { graph.as_ref() }.map_or(ledg_str::EMPTY, |g| ledg_str::of_terminated(&g.name))
    })
}

/// Writes the 32 bytes (SHA-256) that identify what a graph computes: operators, attributes, types, shapes and edges. Names do
/// not count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_hash(
    graph: *const ledg_graph,
    out32: *mut u8,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles; `out32` is checked and holds 32 bytes.
    unsafe {
        guard::call(err, || {
            let graph = handle(graph, "graph")?;
            check(out32, "out32")?;
            let hash = graph.graph.content_hash().0;
            std::ptr::copy_nonoverlapping(hash.as_ptr(), out32, hash.len());
            Ok(())
        })
    }
}

/// Says how much of a graph the model knows: the share of the nodes that cost something which templates cover, 0 to 1, and
/// the number of those that none covers. Either output may be NULL.
///
/// Errors: `LEDG_E_GRAPH` and `LEDG_E_TEMPLATE` for a graph that the model cannot describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_coverage(
    model: *const ledg_model,
    graph: *const ledg_graph,
    share: *mut f64,
    n_unknown: *mut usize,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles; outputs are checked.
    unsafe {
        guard::call(err, || {
            let (model, graph) = (handle(model, "model")?, handle(graph, "graph")?);
            check_column(share, "share")?;
            check_column(n_unknown, "n_unknown")?;
            let prepared = graph.prepared(model)?;
            let nodes = &prepared.described().nodes;
            let unknown = nodes.iter().filter(|n| !n.known).count();
            if !share.is_null() {
                share.write(1.0 - unknown as f64 / (nodes.len() as f64).max(1.0));
            }
            if !n_unknown.is_null() {
                n_unknown.write(unknown);
            }
            Ok(())
        })
    }
}

/// Frees a graph. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_graph_free(graph: *mut ledg_graph) {
    // SAFETY: NULL or a graph that this library made and the caller frees once, by the contract of handles.
    unsafe { free(graph) }
}

/// A graph that no model could estimate: it has nodes, but none costs anything.
pub(crate) fn nothing_to_cost(graph: &ledg_graph) -> Failure {
    Failure { code: LEDG_E_GRAPH, message: format!("graph `{}`: none of its nodes costs anything", graph.graph.name()) }
}
