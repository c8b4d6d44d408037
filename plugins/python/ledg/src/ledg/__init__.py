"""How long an operator graph takes on a piece of hardware, and how sure that is.

Thin ctypes over libledg: handles are freed when their object goes, errors are `LedgError`, numbers are numpy arrays that
the library reads and writes in place. Models, graphs and hardware may be shared by threads; the library releases the
GIL during calls because ctypes does.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional, Sequence, Union

import numpy as np
import numpy.typing as npt

from . import _abi
from ._abi import LedgError, lib, status_name

__all__ = [
    "Cancel",
    "Edit",
    "Graph",
    "Hardware",
    "LedgError",
    "Model",
    "ModelInfo",
    "NodeCosts",
    "Predictions",
    "Records",
    "Registry",
    "Session",
    "status_name",
    "version",
]

Path = Union[str, "os.PathLike[str]"]
Floats = npt.NDArray[np.float64]

EVIDENCE_TRAINING = 1
EVIDENCE_CALIBRATION = 2


def version() -> str:
    """Version of the library."""
    return str(lib.ledg_version().text())


class _Handle:
    _free: str

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle = handle

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), ctypes.c_void_p()
        if handle:
            getattr(lib, self._free)(handle)


class Hardware(_Handle):
    """A device and how it runs graphs."""

    _free = "ledg_hw_free"

    @classmethod
    def from_toml(cls, text: str, runtime: str = "", registry: Optional["Registry"] = None) -> "Hardware":
        """From a data sheet's text."""
        handle = registry._handle if registry is not None else None
        return cls(_abi.make("ledg_hw_from_toml", handle, _abi.text(text), _abi.text(runtime)))

    @property
    def name(self) -> str:
        """Full name, such as `nvidia-t4:fp32/nchw/eager/pt2.1.0`."""
        return str(lib.ledg_hw_name(self._handle).text())

    def __repr__(self) -> str:
        return f"Hardware({self.name!r})"


class Registry(_Handle):
    """Hardware by name: built-in and from plugins."""

    _free = "ledg_registry_free"

    def __init__(self) -> None:
        super().__init__(_abi.make("ledg_registry_new"))

    def add_dir(self, path: Path) -> None:
        """Adds a plugin's folder: `hardware/`, `templates/`, or data sheets alone."""
        _abi.call("ledg_registry_add_dir", self._handle, _abi.text(os.fspath(path)))

    def add_found(self) -> None:
        """Adds the plugins of ``LEDG_PLUGIN_PATH`` and of the user's folder (``~/.config/ledg/plugins``)."""
        _abi.call("ledg_registry_add_found", self._handle)

    def add_toml(self, origin: str, text: str) -> None:
        """Adds one hardware file's text."""
        _abi.call("ledg_registry_add_toml", self._handle, _abi.text(origin), _abi.text(text))

    def add_templates(self, origin: str, text: str) -> None:
        """Adds one template file's text."""
        _abi.call("ledg_registry_add_templates", self._handle, _abi.text(origin), _abi.text(text))

    def get(self, spec: str) -> Hardware:
        """The platform of `DEVICE[:RUNTIME]`."""
        return Hardware(_abi.make("ledg_registry_get", self._handle, _abi.text(spec)))

    def __len__(self) -> int:
        return int(lib.ledg_registry_count(self._handle))

    def __iter__(self) -> Iterator[str]:
        return (lib.ledg_registry_name(self._handle, i).text() for i in range(len(self)))


class Graph(_Handle):
    """A graph of operators. Immutable."""

    _free = "ledg_graph_free"

    @staticmethod
    def _options(symbols: Mapping[str, int], keep_unknown: bool) -> tuple[_abi.GraphOpts, object]:
        names = (_abi.Str * len(symbols))(*[_abi.text(name) for name in symbols])
        sizes = (ctypes.c_uint64 * len(symbols))(*symbols.values())
        opts = _abi.GraphOpts(
            struct_size=ctypes.sizeof(_abi.GraphOpts),
            symbols=names,
            symbol_sizes=sizes,
            n_symbols=len(symbols),
            unknown=1 if keep_unknown else 0,
        )
        return opts, (names, sizes)

    @classmethod
    def from_onnx_file(cls, path: Path, symbols: Mapping[str, int] = {}, keep_unknown: bool = False) -> "Graph":
        """From an ONNX file; `symbols` binds dynamic dimensions. Weights are not read."""
        opts, _keep = cls._options(symbols, keep_unknown)
        return cls(_abi.make("ledg_graph_from_onnx_file", _abi.text(os.fspath(path)), ctypes.byref(opts)))

    @classmethod
    def from_onnx(cls, data: bytes, name: str = "", symbols: Mapping[str, int] = {}, keep_unknown: bool = False) -> "Graph":
        """From an ONNX model's bytes."""
        opts, _keep = cls._options(symbols, keep_unknown)
        return cls(_abi.make("ledg_graph_from_onnx", _abi.text(name), data, len(data), ctypes.byref(opts)))

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """From ledg's JSON."""
        return cls(_abi.make("ledg_graph_from_json", _abi.text(text), None))

    def to_json(self) -> str:
        """As ledg's JSON, one line."""
        return _abi.take_string(_abi.make("ledg_graph_to_json", self._handle))

    def with_batch(self, batch: int) -> "Graph":
        """The graph at another batch size."""
        return Graph(_abi.make("ledg_graph_with_batch", self._handle, batch))

    @property
    def name(self) -> str:
        """Name of the graph."""
        return str(lib.ledg_graph_name(self._handle).text())

    @property
    def hash(self) -> bytes:
        """32 bytes that identify what the graph computes."""
        out = (ctypes.c_uint8 * 32)()
        _abi.call("ledg_graph_hash", self._handle, out)
        return bytes(out)

    @property
    def node_names(self) -> list[str]:
        """Names of the nodes in topological order."""
        return [lib.ledg_graph_node_name(self._handle, i).text() for i in range(len(self))]

    def __len__(self) -> int:
        return int(lib.ledg_graph_node_count(self._handle))

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self)} nodes)"


class Records(_Handle):
    """Measured records, the input of calibration."""

    _free = "ledg_records_free"

    def __init__(self) -> None:
        super().__init__(_abi.make("ledg_records_new"))

    @classmethod
    def load(cls, path: Path, registry: Optional[Registry] = None) -> "Records":
        """From a file of JSON lines."""
        records = cls.__new__(cls)
        handle = registry._handle if registry is not None else None
        _Handle.__init__(records, _abi.make("ledg_records_load", _abi.text(os.fspath(path)), handle))
        return records

    def push(self, graph: Graph, hardware: Hardware, batch: int, runs_s: npt.ArrayLike) -> None:
        """Adds a measurement: seconds of each execution of the whole batch."""
        runs = np.ascontiguousarray(runs_s, dtype=np.float64).reshape(-1)
        _abi.call("ledg_records_push", self._handle, graph._handle, hardware._handle, batch, runs.ctypes.data, runs.size)

    def push_failed(self, graph: Graph, hardware: Hardware, batch: int, why: str) -> None:
        """Adds a measurement that failed."""
        _abi.call("ledg_records_push_failed", self._handle, graph._handle, hardware._handle, batch, _abi.text(why))

    def save(self, path: Path) -> None:
        """To a file of JSON lines."""
        _abi.call("ledg_records_save", self._handle, _abi.text(os.fspath(path)))

    def __len__(self) -> int:
        return int(lib.ledg_records_count(self._handle))


class Cancel(_Handle):
    """Ends predictions early, from another thread."""

    _free = "ledg_cancel_free"

    def __init__(self) -> None:
        super().__init__(_abi.make("ledg_cancel_new"))

    def request(self) -> None:
        """Ends the calls that were given this flag."""
        lib.ledg_cancel_request(self._handle)


@dataclass(frozen=True)
class ModelInfo:
    """What a model is."""

    capabilities: int
    members: int
    graphs: int
    records: int
    platforms: int
    calibrated_platforms: int
    date: str


class Predictions:
    """Answers in columns, one element a row. `status` is 0 or a negative LEDG_E_*; a row that failed has NaN.

    Make one of `n` rows to have `Model.predict` write into the same arrays again and again; an array of your own may take the
    place of any of them.
    """

    def __init__(self, n: int) -> None:
        self.latency_s: Floats = np.full(n, np.nan)
        self.lo_s: Floats = np.full(n, np.nan)
        self.hi_s: Floats = np.full(n, np.nan)
        self.known: Floats = np.full(n, np.nan)
        self.spread: Floats = np.full(n, np.nan)
        self.evidence: npt.NDArray[np.uint8] = np.zeros(n, dtype=np.uint8)
        self.status: npt.NDArray[np.int32] = np.zeros(n, dtype=np.int32)

    def __len__(self) -> int:
        return int(self.latency_s.size)

    def _columns(self) -> _abi.Columns:
        # Arrays of the caller's may stand in for these: the library writes to their memory as it is.
        columns = {name: _address(name, getattr(self, name), kind, len(self)) for name, kind in _COLUMNS.items()}
        return _abi.Columns(struct_size=ctypes.sizeof(_abi.Columns), len=len(self), **columns)


_COLUMNS = {
    "latency_s": np.float64,
    "lo_s": np.float64,
    "hi_s": np.float64,
    "known": np.float64,
    "spread": np.float64,
    "evidence": np.uint8,
    "status": np.int32,
}


def _address(name: str, column: npt.NDArray[Any], kind: type, n: int) -> int:
    """Where a column lies; raises for one that could not be written in place."""
    if column.dtype != np.dtype(kind) or column.shape != (n,):
        raise ValueError(f"{name}: {column.shape} of {column.dtype}, it must be ({n},) of {np.dtype(kind)}")
    if not (column.flags.c_contiguous and column.flags.aligned and column.flags.writeable):
        raise ValueError(f"{name}: it must be contiguous, aligned and writeable")
    return int(column.ctypes.data)


@dataclass(frozen=True)
class NodeCosts:
    """Costs by node in columns; `origins` are indices into `Graph.node_names`."""

    name: list[str]
    op: list[str]
    sentence: list[str]
    origins: list[list[int]]
    latency_s: Floats
    compute_s: Floats
    issue_s: Floats
    memory_s: Floats
    launch_s: Floats
    known: npt.NDArray[np.uint8]


def _pointers(handles: Sequence[_Handle]) -> npt.NDArray[np.uintp]:
    return np.fromiter((h._handle.value for h in handles), dtype=np.uintp, count=len(handles))


class Model(_Handle):
    """A cost model. Immutable; calibration and plugins give a new one."""

    _free = "ledg_model_free"

    @classmethod
    def default(cls) -> "Model":
        """The model that is compiled into the library."""
        return cls(_abi.make("ledg_model_default"))

    @classmethod
    def load(cls, path: Path) -> "Model":
        """From a bundle's file."""
        return cls(_abi.make("ledg_model_load", _abi.text(os.fspath(path))))

    def save(self, path: Path) -> None:
        """To a bundle's file, calibration included."""
        _abi.call("ledg_model_save", self._handle, _abi.text(os.fspath(path)))

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        raw = _abi.ModelInfo(struct_size=ctypes.sizeof(_abi.ModelInfo))
        _abi.call("ledg_model_get_info", self._handle, ctypes.byref(raw))
        numbers = {field[0]: int(getattr(raw, field[0])) for field in _abi.ModelInfo._fields_[1:-1]}
        return ModelInfo(date=raw.date.text(), **numbers)

    def with_plugins(self, registry: Registry) -> "Model":
        """A model that also knows the operators of the registry's plugins."""
        return Model(_abi.make("ledg_model_with_plugins", self._handle, registry._handle))

    def calibrate(self, records: Records) -> "Model":
        """A model that is calibrated to measured records."""
        return Model(_abi.make("ledg_model_calibrate", self._handle, records._handle))

    @staticmethod
    def _options(coverage: float, threads: int, allow_unknown: bool, cancel: Optional[Cancel]) -> _abi.PredictOpts:
        handle = cancel._handle if cancel is not None else None
        size = ctypes.sizeof(_abi.PredictOpts)
        return _abi.PredictOpts(size, coverage, threads, 1 if allow_unknown else 0, handle)

    @staticmethod
    def _batch(
        graphs: Sequence[Graph], hardware: Sequence[Hardware], batch_sizes: Optional[npt.ArrayLike]
    ) -> tuple[_abi.Batch, object]:
        g, h = _pointers(graphs), _pointers(hardware)
        sizes = np.ascontiguousarray([] if batch_sizes is None else batch_sizes, dtype=np.uint64).reshape(-1)
        n = max(g.size, h.size, sizes.size) if g.size and h.size else 0
        batch = _abi.Batch(
            ctypes.sizeof(_abi.Batch), n, g.ctypes.data, g.size, h.ctypes.data, h.size, sizes.ctypes.data, sizes.size
        )
        return batch, (g, h, sizes)

    def predict(
        self,
        graphs: Sequence[Graph],
        hardware: Sequence[Hardware],
        batch_sizes: Optional[npt.ArrayLike] = None,
        *,
        coverage: float = 0.9,
        threads: int = 1,
        allow_unknown: bool = False,
        cancel: Optional[Cancel] = None,
        out: Optional[Predictions] = None,
    ) -> Predictions:
        """Predicts as many rows as the longest list has; the others have one element or as many. No batch sizes means
        each graph's own."""
        batch, _keep = self._batch(graphs, hardware, batch_sizes)
        opts = self._options(coverage, threads, allow_unknown, cancel)
        answers = Predictions(batch.n) if out is None else out
        columns = answers._columns()
        _abi.call("ledg_predict", self._handle, ctypes.byref(batch), ctypes.byref(opts), ctypes.byref(columns))
        return answers

    def rank_scores(
        self,
        graphs: Sequence[Graph],
        hardware: Sequence[Hardware],
        batch_sizes: Optional[npt.ArrayLike] = None,
        *,
        threads: int = 1,
        allow_unknown: bool = False,
    ) -> Floats:
        """Scores: larger is better, NaN for a row that failed."""
        batch, _keep = self._batch(graphs, hardware, batch_sizes)
        opts = self._options(0.9, threads, allow_unknown, None)
        scores = np.empty(batch.n)
        arguments = (ctypes.byref(batch), ctypes.byref(opts), scores.ctypes.data, None, scores.size)
        _abi.call("ledg_rank_scores", self._handle, *arguments)
        return scores

    def predict_nodes(
        self, graph: Graph, hardware: Hardware, batch: int = 0, *, allow_unknown: bool = False
    ) -> NodeCosts:
        """Costs by node; batch 0 is the graph's own."""
        opts = self._options(0.9, 1, allow_unknown, None)
        handle = _abi.make(
            "ledg_predict_nodes", self._handle, graph._handle, hardware._handle, batch, ctypes.byref(opts)
        )
        try:
            n = int(lib.ledg_node_costs_count(handle))
            numbers = {name: np.empty(n) for name in ("latency_s", "compute_s", "issue_s", "memory_s", "launch_s")}
            known = np.empty(n, dtype=np.uint8)
            pointers = {name: column.ctypes.data for name, column in numbers.items()}
            size = ctypes.sizeof(_abi.NodeColumns)
            columns = _abi.NodeColumns(struct_size=size, len=n, known=known.ctypes.data, **pointers)
            _abi.call("ledg_node_costs_columns", handle, ctypes.byref(columns))
            name, op, sentence = (
                [str(getattr(lib, f"ledg_node_costs_{text}")(handle, i).text()) for i in range(n)]
                for text in ("name", "op", "sentence")
            )
            count = ctypes.c_size_t()
            origins = []
            for i in range(n):
                first = lib.ledg_node_costs_origins(handle, i, ctypes.byref(count))
                origins.append([int(first[k]) for k in range(count.value)])
            return NodeCosts(name, op, sentence, origins, known=known, **numbers)
        finally:
            lib.ledg_node_costs_free(handle)

    def coverage(self, graph: Graph) -> float:
        """Share of the nodes that templates cover."""
        share = ctypes.c_double()
        _abi.call("ledg_graph_coverage", self._handle, graph._handle, ctypes.byref(share), None)
        return share.value

    def explain(self, graph: Graph, *, json: bool = False, masks: bool = False) -> str:
        """What the model is told of a graph."""
        flags = (1 if json else 0) | (2 if masks else 0)
        return _abi.take_string(_abi.make("ledg_explain", self._handle, graph._handle, flags))


Attribute = Union[int, float, str, Sequence[int], Sequence[float], Sequence[str]]

#: Element types by name, as numbered by ONNX.
DTYPES = {
    "f32": 1, "u8": 2, "i8": 3, "u16": 4, "i16": 5, "i32": 6, "i64": 7, "string": 8, "bool": 9, "f16": 10, "f64": 11,
    "u32": 12, "u64": 13, "complex64": 14, "complex128": 15, "bf16": 16, "f8": 17, "u4": 21, "i4": 22,
}  # fmt: skip


def _attribute(name: str, value: Attribute) -> tuple[_abi.Attr, object]:
    """An attribute as the C ABI takes it, and what it borrows."""
    attr = _abi.Attr(name=_abi.text(name))
    single = isinstance(value, (int, float, str))
    values: list[Any] = [value] if isinstance(value, (int, float, str)) else list(value)
    attr.len = len(values)
    if all(isinstance(v, int) for v in values):
        attr.kind, attr.ints = (1 if single else 4), (ctypes.c_int64 * len(values))(*values)
        return attr, attr.ints
    if all(isinstance(v, (int, float)) for v in values):
        attr.kind, attr.floats = (2 if single else 5), (ctypes.c_double * len(values))(*values)
        return attr, attr.floats
    if all(isinstance(v, str) for v in values):
        attr.kind, attr.strs = (3 if single else 6), (_abi.Str * len(values))(*[_abi.text(v) for v in values])
        return attr, attr.strs
    raise TypeError(f"attribute {name!r}: {value!r} is no number, string, or list of either")


@dataclass(frozen=True)
class Edit:
    """One change of a session's graph: made by the class methods, by names of nodes and values."""

    kind: int
    node: str = ""
    value: str = ""
    replaces: str = ""
    domain: str = ""
    op: str = ""
    attrs: Optional[Mapping[str, Attribute]] = None
    inputs: Optional[Sequence[Optional[str]]] = None
    shape: Sequence[int] = ()
    dtype: str = "f32"

    @classmethod
    def attribute(cls, node: str, name: str, value: Attribute) -> "Edit":
        """Sets an attribute of a node."""
        return cls(1, node=node, attrs={name: value})

    @classmethod
    def reshape(cls, value: str, shape: Sequence[int]) -> "Edit":
        """Gives a value another shape, at batch 1; shapes of other values do not follow."""
        return cls(2, value=value, shape=shape)

    @classmethod
    def replace(
        cls,
        node: str,
        op: str,
        attrs: Optional[Mapping[str, Attribute]] = None,
        inputs: Optional[Sequence[Optional[str]]] = None,
        domain: str = "",
    ) -> "Edit":
        """Replaces a node's operator and attributes, and its inputs if they are given."""
        return cls(3, node=node, op=op, attrs=attrs, inputs=inputs, domain=domain)

    @classmethod
    def insert(
        cls,
        node: str,
        op: str,
        inputs: Sequence[Optional[str]],
        output: str,
        shape: Sequence[int],
        *,
        replaces: str = "",
        attrs: Optional[Mapping[str, Attribute]] = None,
        dtype: str = "f32",
        domain: str = "",
    ) -> "Edit":
        """Adds a node whose output takes over the readers of the value `replaces`, if that is given."""
        return cls(4, node, output, replaces, domain, op, attrs, inputs, shape, dtype)

    @classmethod
    def remove(cls, node: str) -> "Edit":
        """Removes a node; who read its output reads its first input instead."""
        return cls(5, node=node)

    def _raw(self, keep: list[object]) -> _abi.Edit:
        attrs = [_attribute(name, value) for name, value in (self.attrs or {}).items()]
        raw = _abi.Edit(
            kind=self.kind,
            dtype=DTYPES[self.dtype],
            node=_abi.text(self.node),
            value=_abi.text(self.value),
            replaces=_abi.text(self.replaces),
            domain=_abi.text(self.domain),
            op=_abi.text(self.op),
            n_attrs=len(attrs),
            rank=len(self.shape),
        )
        raw.attrs = (_abi.Attr * len(attrs))(*[attr for attr, _ in attrs])
        raw.dims = (ctypes.c_uint64 * len(self.shape))(*self.shape)
        if self.inputs is not None:
            # One more than there are, as no inputs are not the same as the inputs as they are.
            names = [_abi.text(name or "") for name in self.inputs]
            raw.inputs, raw.n_inputs = (_abi.Str * (len(names) + 1))(*names), len(names)
        keep.extend((attrs, raw.attrs, raw.dims, raw.inputs))
        return raw


class Session(_Handle):
    """A graph at batch 1 that is edited and asked about again and again, on fixed platforms. For one thread at a time."""

    _free = "ledg_session_free"

    def __init__(
        self, model: Model, graph: Graph, hardware: Sequence[Hardware], batch_sizes: Optional[npt.ArrayLike] = None
    ) -> None:
        hw = _pointers(hardware)
        sizes = np.ascontiguousarray([] if batch_sizes is None else batch_sizes, dtype=np.uint64).reshape(-1)
        arguments = (hw.ctypes.data, hw.size, sizes.ctypes.data, sizes.size)
        super().__init__(_abi.make("ledg_session_new", model._handle, graph._handle, *arguments))
        self._n_hardware = len(hardware)

    @staticmethod
    def _candidates(candidates: Sequence[Sequence[Edit]]) -> tuple[object, list[object]]:
        keep: list[object] = []
        raw = (_abi.Candidate * len(candidates))()
        for candidate, edits in zip(raw, candidates):
            candidate.edits = (_abi.Edit * len(edits))(*[edit._raw(keep) for edit in edits])
            candidate.n_edits = len(edits)
            keep.append(candidate.edits)
        return raw, keep

    def predict(
        self,
        candidates: Sequence[Sequence[Edit]],
        *,
        coverage: float = 0.9,
        allow_unknown: bool = False,
        cancel: Optional[Cancel] = None,
        out: Optional[Predictions] = None,
    ) -> Predictions:
        """Predicts candidates, each a list of edits of the graph as it stands; none is the graph itself. Row `c * n + h` is
        candidate `c` on platform `h` of the session's `n`."""
        raw, _keep = self._candidates(candidates)
        opts = Model._options(coverage, 1, allow_unknown, cancel)
        answers = Predictions(len(candidates) * self._n_hardware) if out is None else out
        columns = answers._columns()
        arguments = (raw, len(candidates), ctypes.byref(opts), ctypes.byref(columns))
        _abi.call("ledg_session_predict", self._handle, *arguments)
        return answers

    def apply(self, edits: Sequence[Edit]) -> None:
        """Adopts edits: later candidates start from the edited graph."""
        raw, _keep = self._candidates([edits])
        _abi.call("ledg_session_apply", self._handle, raw)

    @property
    def graph(self) -> Graph:
        """The graph as it stands."""
        return Graph(_abi.make("ledg_session_graph", self._handle))
