//! Sessions: a graph that is edited and asked about again and again.

use std::sync::Arc;

use ledg_cost_model::graph::Attrs;
use ledg_cost_model::{Edit, Platform, Session};

use crate::builder::{MAX_LIST, MAX_RANK, attribute, attributes, dtype, ledg_attr};
use crate::error::ledg_error;
use crate::graph::ledg_graph;
use crate::guard;
use crate::hardware::ledg_hw;
use crate::model::ledg_model;
use crate::pointers::{free, handle, handle_mut, list, make, one_or_each, sized, sized_or_default, slice, zero};
use crate::predict::{MAX_ROWS, ledg_columns, ledg_predict_opts, tell, unknown_operator};
use crate::status::{Failure, LEDG_E_INVALID, Result, fail, ledg_status};
use crate::text::ledg_str;

/// Edit: sets the one attribute in `attrs` of the node `node`; the others stay. Since ABI 1.1.
pub const LEDG_EDIT_ATTRIBUTE: i32 = 1;
/// Edit: gives the value `value` the shape `dims`. Shapes of other values do not follow: say all that change. Since ABI 1.1.
pub const LEDG_EDIT_SHAPE: i32 = 2;
/// Edit: replaces the operator (`domain`, `op`), `attrs` and `inputs` of the node `node`; its name and outputs stay. Since ABI 1.1.
pub const LEDG_EDIT_REPLACE: i32 = 3;
/// Edit: adds the node `node` of the operator (`domain`, `op`) with `attrs` and `inputs`. Its one output is the new value
/// `value` of the type `dtype` and the shape `dims`, which takes over the readers of the value `replaces`, and its place
/// among the graph's outputs, if that is not empty. Since ABI 1.1.
pub const LEDG_EDIT_INSERT: i32 = 4;
/// Edit: removes the node `node`, which has one output; who read that reads the node's first input instead. Since ABI 1.1.
pub const LEDG_EDIT_REMOVE: i32 = 5;

/// Most edits of a candidate.
const MAX_EDITS: usize = 4096;
/// Most platforms of a session.
const MAX_PLATFORMS: usize = 65_536;

/// One change of a graph. Nodes and values are named as in the graph, or as earlier edits of the same candidate named what
/// they added. Set `kind` and what it asks for, zero the rest. This struct never changes. Since ABI 1.1.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_edit {
    /// `LEDG_EDIT_*`.
    pub kind: i32,
    /// Element type of what is inserted, such as `LEDG_F32`.
    pub dtype: i32,
    /// Name of a node.
    pub node: ledg_str,
    /// Name of a value.
    pub value: ledg_str,
    /// Name of the value whose readers what is inserted takes over; empty for none.
    pub replaces: ledg_str,
    /// Domain of the operator; empty for ONNX's own.
    pub domain: ledg_str,
    /// Operator, such as `Conv`.
    pub op: ledg_str,
    /// Attributes.
    pub attrs: *const ledg_attr,
    /// Number of attributes.
    pub n_attrs: usize,
    /// Names of the values read, in the operator's order; an empty name for an optional one that is left out. When a node is
    /// replaced, NULL leaves its inputs as they are.
    pub inputs: *const ledg_str,
    /// Number of inputs.
    pub n_inputs: usize,
    /// Sizes of the dimensions, outermost first, at batch 1.
    pub dims: *const u64,
    /// Number of dimensions.
    pub rank: usize,
    /// Zero.
    pub reserved: u64,
}

/// A candidate: edits of a session's graph, applied in order; none of them is the graph as it stands. This struct never
/// changes.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ledg_candidate {
    /// The edits.
    pub edits: *const ledg_edit,
    /// Number of edits, at most 4,096.
    pub n_edits: usize,
}

/// A graph on fixed platforms, with all that a model has worked out about it, so that a candidate costs what its edits can
/// influence and no more. For one thread at a time; it does not need the model, graph and platforms that it was made from.
/// Since ABI 1.1.
#[allow(non_camel_case_types)]
pub struct ledg_session {
    session: Session,
}

/// What a handle may be moved to: another thread.
const _: fn() = || {
    fn moves<T: Send>() {}
    moves::<ledg_session>();
};

impl ledg_edit {
    /// # Safety
    /// The header's contract of slices and strings.
    unsafe fn read(&self) -> Result<Edit> {
        zero(self.reserved, "edit.reserved")?;
        // SAFETY: the caller's promise is ours.
        unsafe {
            Ok(match self.kind {
                LEDG_EDIT_ATTRIBUTE => {
                    let [attr] = list(self.attrs, self.n_attrs, MAX_LIST, "edit.attrs")? else {
                        let n = self.n_attrs;
                        return fail(LEDG_E_INVALID, format!("`edit.n_attrs` is {n}, this kind of edit sets one"));
                    };
                    let (name, value) = attribute(attr, "edit.attrs")?;
                    Edit::SetAttribute { node: self.node.name("edit.node")?.to_owned(), name: name.to_owned(), value }
                }
                LEDG_EDIT_SHAPE => {
                    Edit::SetShape { value: self.value.name("edit.value")?.to_owned(), shape: self.shape()? }
                }
                LEDG_EDIT_REPLACE => {
                    let (domain, op) = self.operator()?;
                    let node = self.node.name("edit.node")?.to_owned();
                    let inputs = if self.inputs.is_null() && self.n_inputs == 0 { None } else { Some(self.inputs()?) };
                    Edit::Replace { node, domain, op, attrs: self.attrs()?, inputs }
                }
                LEDG_EDIT_INSERT => {
                    let (domain, op) = self.operator()?;
                    Edit::Insert {
                        node: self.node.name("edit.node")?.to_owned(),
                        domain,
                        op,
                        attrs: self.attrs()?,
                        inputs: self.inputs()?,
                        output: self.value.name("edit.value")?.to_owned(),
                        dtype: dtype(self.dtype, "edit.dtype")?,
                        shape: self.shape()?,
                        replaces: optional(self.replaces, "edit.replaces")?,
                    }
                }
                LEDG_EDIT_REMOVE => Edit::Remove { node: self.node.name("edit.node")?.to_owned() },
                other => return fail(LEDG_E_INVALID, format!("`edit.kind`: {other} is no LEDG_EDIT_*")),
            })
        }
    }

    /// # Safety
    /// The header's contract of slices and strings.
    unsafe fn attrs(&self) -> Result<Attrs> {
        // SAFETY: the caller's promise is ours.
        unsafe { attributes(self.attrs, self.n_attrs, "edit.attrs") }
    }

    /// # Safety
    /// The header's contract of strings.
    unsafe fn operator(&self) -> Result<(String, String)> {
        // SAFETY: the caller's promise is ours.
        unsafe { Ok((self.domain.name_or_empty("edit.domain")?.to_owned(), self.op.name("edit.op")?.to_owned())) }
    }

    /// # Safety
    /// The header's contract of slices and strings.
    unsafe fn inputs(&self) -> Result<Vec<Option<String>>> {
        // SAFETY: the caller's promise is ours.
        unsafe {
            let names = list(self.inputs, self.n_inputs, MAX_LIST, "edit.inputs")?;
            names.iter().map(|&name| optional(name, "edit.inputs")).collect()
        }
    }

    /// # Safety
    /// The header's contract of slices.
    unsafe fn shape(&self) -> Result<Vec<u64>> {
        // SAFETY: the caller's promise is ours.
        Ok(unsafe { list(self.dims, self.rank, MAX_RANK, "edit.dims")? }.to_vec())
    }
}

/// A name that may be left out.
///
/// # Safety
/// The header's contract of strings.
unsafe fn optional(text: ledg_str, what: &str) -> Result<Option<String>> {
    // SAFETY: the caller's promise is ours.
    let name = unsafe { text.name_or_empty(what)? };
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// # Safety
/// The header's contract of slices and strings.
unsafe fn edits(edits: *const ledg_edit, n_edits: usize, what: &str) -> Result<Vec<Edit>> {
    // SAFETY: the caller's promise is ours.
    unsafe { list(edits, n_edits, MAX_EDITS, what)?.iter().map(|edit| edit.read()).collect() }
}

/// Makes a session of a graph at batch 1 (see `ledg_graph_with_batch`) on `n_hw` platforms, 1 to 65,536: `batch_sizes` holds one
/// batch size for all of them, or one for each, at least 1; NULL, with `n_batch_sizes` 0, means 1. Needs a model with
/// `LEDG_CAP_DELTA`. The caller owns `*out`; free it with `ledg_session_free`. Since ABI 1.1.
///
/// Errors: `LEDG_E_MODEL` for a model without `LEDG_CAP_DELTA`; `LEDG_E_GRAPH`, `LEDG_E_TEMPLATE` and `LEDG_E_HARDWARE` as
/// for a row of `ledg_predict`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_session_new(
    model: *const ledg_model,
    graph: *const ledg_graph,
    hw: *const *const ledg_hw,
    n_hw: usize,
    batch_sizes: *const u64,
    n_batch_sizes: usize,
    out: *mut *mut ledg_session,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles and slices.
    unsafe {
        make(out, err, || {
            let (model, graph) = (handle(model, "model")?, handle(graph, "graph")?);
            if n_hw == 0 {
                return fail(LEDG_E_INVALID, "`n_hw` is 0, a session needs a platform");
            }
            one_or_each(n_batch_sizes, n_hw, true, "n_batch_sizes")?;
            let sizes = slice(batch_sizes, n_batch_sizes, "batch_sizes")?;
            let platform = |(i, &hw): (usize, &*const ledg_hw)| {
                let hw = handle(hw, "hw")?;
                let size = if sizes.len() == 1 { sizes.first() } else { sizes.get(i) };
                Ok((Platform::clone(&hw.platform), size.copied().unwrap_or(1)))
            };
            let on =
                list(hw, n_hw, MAX_PLATFORMS, "hw")?.iter().enumerate().map(platform).collect::<Result<Vec<_>>>()?;
            let session = Session::new(Arc::clone(&model.model), &graph.graph, &on, Default::default())?;
            Ok(ledg_session { session })
        })
    }
}

/// Predicts what candidates would cost; the session's graph stays as it is. Row `c * n_hw + h` of the columns is candidate `c`
/// on platform `h` of the session, so `columns->len` is at least `n_candidates * n_hw`, which is at most 16,777,216. `opts` may be
/// NULL; its `threads` is at most 1. A candidate that cannot be answered fails alone, with all its rows; when the call as a whole fails no
/// column is touched; both as in `ledg_predict`. The answers are those of `ledg_predict` on the edited graph to within one
/// part in a million. Since ABI 1.1.
///
/// Errors: of the call those of `ledg_predict`; of a row also `LEDG_E_EDIT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_session_predict(
    session: *mut ledg_session,
    candidates: *const ledg_candidate,
    n_candidates: usize,
    opts: *const ledg_predict_opts,
    columns: *const ledg_columns,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices, structs and strings.
    unsafe {
        guard::call(err, || {
            let session = &mut handle_mut(session, "session")?.session;
            let manner = sized_or_default(opts, "opts")?.manner(false)?;
            if manner.threads > 1 {
                return fail(LEDG_E_INVALID, "`opts.threads`: a session runs on the thread that calls it, at most 1");
            }
            let columns = sized(columns, "columns")?;
            let n_hw = session.n_platforms();
            let candidates = list(candidates, n_candidates, MAX_ROWS / n_hw, "candidates")?;
            columns.check(n_candidates * n_hw)?;
            let candidates =
                candidates.iter().map(|c| edits(c.edits, c.n_edits, "candidates.edits")).collect::<Result<Vec<_>>>()?;
            session.set_options(manner.options);
            let mut answers = Vec::with_capacity(n_candidates * n_hw);
            for edits in &candidates {
                if let Some(cancel) = manner.cancel {
                    cancel.check()?;
                }
                let estimates = session.predict(edits).map_err(Failure::from).and_then(|estimates| {
                    match session.unknown().filter(|_| !manner.unknown) {
                        Some(node) => {
                            let why = format!("node `{node}`: no template covers it, or a shape is not known");
                            Err(unknown_operator(session.graph().name(), &why))
                        }
                        None => Ok(estimates),
                    }
                });
                match estimates {
                    Ok(estimates) => answers.extend(estimates.into_iter().map(Ok)),
                    Err(failure) => answers.extend((0..n_hw).map(|_| Err(failure.again()))),
                }
            }
            for (row, answer) in answers.iter().enumerate() {
                columns.write(row, answer);
            }
            tell(&answers);
            Ok(())
        })
    }
}

/// Adopts edits: later candidates start from the edited graph. A call that fails leaves the session as it was. Since ABI 1.1.
///
/// Errors: `LEDG_E_EDIT` for an edit that names what is not there, `LEDG_E_GRAPH` for one that breaks a rule of graphs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_session_apply(
    session: *mut ledg_session,
    candidate: *const ledg_candidate,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles, slices and strings.
    unsafe {
        guard::call(err, || {
            let session = handle_mut(session, "session")?;
            let candidate = handle(candidate, "candidate")?;
            session.session.apply(&edits(candidate.edits, candidate.n_edits, "candidate.edits")?)?;
            Ok(())
        })
    }
}

/// Gives the session's graph as it stands. The caller owns `*out`; free it with `ledg_graph_free`. Since ABI 1.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_session_graph(
    session: *const ledg_session,
    out: *mut *mut ledg_graph,
    err: *mut *mut ledg_error,
) -> ledg_status {
    // SAFETY: the header's contract of handles.
    unsafe {
        make(out, err, || {
            let session = handle(session, "session")?;
            Ok(ledg_graph::new(session.session.graph().clone()))
        })
    }
}

/// Frees a session. NULL is fine. Since ABI 1.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ledg_session_free(session: *mut ledg_session) {
    // SAFETY: NULL or a session that this library made and the caller frees once, by the contract of handles.
    unsafe { free(session) }
}
