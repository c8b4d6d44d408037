"""The C ABI in ctypes: structs, functions, errors. Mirrors include/ledg.h; the tests compare both."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

ABI_MAJOR = 1
ABI_MINOR = 1


class Str(ctypes.Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class View(ctypes.Structure):
    """A string that is handed out: not necessarily NUL-terminated, so its address is kept."""

    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    def text(self) -> str:
        return ctypes.string_at(self.data, self.len).decode() if self.len else ""


class ModelInfo(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("capabilities", c_uint64),
        ("members", c_uint64),
        ("graphs", c_uint64),
        ("records", c_uint64),
        ("platforms", c_uint64),
        ("calibrated_platforms", c_uint64),
        ("date", View),
    ]


class GraphOpts(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("symbols", POINTER(Str)),
        ("symbol_sizes", POINTER(c_uint64)),
        ("n_symbols", c_size_t),
        ("unknown", c_uint32),
        ("reserved", c_uint32),
        ("max_nodes", c_uint64),
        ("max_values", c_uint64),
        ("max_bytes", c_uint64),
    ]


class Batch(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("n", c_size_t),
        ("graphs", c_void_p),
        ("n_graphs", c_size_t),
        ("hw", c_void_p),
        ("n_hw", c_size_t),
        ("batch_sizes", c_void_p),
        ("n_batch_sizes", c_size_t),
    ]


class PredictOpts(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("coverage", c_double),
        ("threads", c_uint32),
        ("flags", c_uint32),
        ("cancel", c_void_p),
    ]


class Columns(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("len", c_size_t),
        ("latency_s", c_void_p),
        ("lo_s", c_void_p),
        ("hi_s", c_void_p),
        ("known", c_void_p),
        ("spread", c_void_p),
        ("evidence", c_void_p),
        ("status", c_void_p),
    ]


class NodeColumns(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("len", c_size_t),
        ("latency_s", c_void_p),
        ("compute_s", c_void_p),
        ("issue_s", c_void_p),
        ("memory_s", c_void_p),
        ("launch_s", c_void_p),
        ("known", c_void_p),
    ]


class Attr(ctypes.Structure):
    _fields_ = [
        ("name", Str),
        ("ints", POINTER(c_int64)),
        ("floats", POINTER(c_double)),
        ("strs", POINTER(Str)),
        ("len", c_size_t),
        ("kind", c_int32),
        ("reserved", c_int32),
    ]


class Edit(ctypes.Structure):
    _fields_ = [
        ("kind", c_int32),
        ("dtype", c_int32),
        ("node", Str),
        ("value", Str),
        ("replaces", Str),
        ("domain", Str),
        ("op", Str),
        ("attrs", POINTER(Attr)),
        ("n_attrs", c_size_t),
        ("inputs", POINTER(Str)),
        ("n_inputs", c_size_t),
        ("dims", POINTER(c_uint64)),
        ("rank", c_size_t),
        ("reserved", c_uint64),
    ]


class Candidate(ctypes.Structure):
    _fields_ = [
        ("edits", POINTER(Edit)),
        ("n_edits", c_size_t),
    ]


H = c_void_p  # a handle
OUT = POINTER(c_void_p)  # where a handle, or an error, is stored

# Functions by name: result, arguments.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "ledg_abi_version": (c_uint32, []),
    "ledg_abi_check": (c_int32, [c_uint32, c_uint32]),
    "ledg_version": (View, []),
    "ledg_status_name": (View, [c_int32]),
    "ledg_error_message": (View, [H]),
    "ledg_error_free": (None, [H]),
    "ledg_string_view": (View, [H]),
    "ledg_string_free": (None, [H]),
    "ledg_cancel_new": (c_int32, [OUT, OUT]),
    "ledg_cancel_request": (None, [H]),
    "ledg_cancel_free": (None, [H]),
    "ledg_registry_new": (c_int32, [OUT, OUT]),
    "ledg_registry_add_dir": (c_int32, [H, Str, OUT]),
    "ledg_registry_add_found": (c_int32, [H, OUT]),
    "ledg_registry_add_toml": (c_int32, [H, Str, Str, OUT]),
    "ledg_registry_add_templates": (c_int32, [H, Str, Str, OUT]),
    "ledg_registry_count": (c_size_t, [H]),
    "ledg_registry_name": (View, [H, c_size_t]),
    "ledg_registry_get": (c_int32, [H, Str, OUT, OUT]),
    "ledg_registry_free": (None, [H]),
    "ledg_hw_from_toml": (c_int32, [H, Str, Str, OUT, OUT]),
    "ledg_hw_name": (View, [H]),
    "ledg_hw_free": (None, [H]),
    "ledg_model_default": (c_int32, [OUT, OUT]),
    "ledg_model_load": (c_int32, [Str, OUT, OUT]),
    "ledg_model_save": (c_int32, [H, Str, OUT]),
    "ledg_model_with_plugins": (c_int32, [H, H, OUT, OUT]),
    "ledg_model_get_info": (c_int32, [H, POINTER(ModelInfo), OUT]),
    "ledg_model_calibrate": (c_int32, [H, H, OUT, OUT]),
    "ledg_model_free": (None, [H]),
    "ledg_graph_from_onnx": (c_int32, [Str, c_char_p, c_size_t, POINTER(GraphOpts), OUT, OUT]),
    "ledg_graph_from_onnx_file": (c_int32, [Str, POINTER(GraphOpts), OUT, OUT]),
    "ledg_graph_from_json": (c_int32, [Str, POINTER(GraphOpts), OUT, OUT]),
    "ledg_graph_to_json": (c_int32, [H, OUT, OUT]),
    "ledg_graph_with_batch": (c_int32, [H, c_uint64, OUT, OUT]),
    "ledg_graph_node_count": (c_size_t, [H]),
    "ledg_graph_node_name": (View, [H, c_size_t]),
    "ledg_graph_name": (View, [H]),
    "ledg_graph_hash": (c_int32, [H, POINTER(c_uint8), OUT]),
    "ledg_graph_coverage": (c_int32, [H, H, POINTER(c_double), POINTER(c_size_t), OUT]),
    "ledg_graph_free": (None, [H]),
    "ledg_predict": (c_int32, [H, POINTER(Batch), POINTER(PredictOpts), POINTER(Columns), OUT]),
    "ledg_rank_scores": (c_int32, [H, POINTER(Batch), POINTER(PredictOpts), c_void_p, c_void_p, c_size_t, OUT]),
    "ledg_predict_nodes": (c_int32, [H, H, H, c_uint64, POINTER(PredictOpts), OUT, OUT]),
    "ledg_node_costs_count": (c_size_t, [H]),
    "ledg_node_costs_name": (View, [H, c_size_t]),
    "ledg_node_costs_op": (View, [H, c_size_t]),
    "ledg_node_costs_sentence": (View, [H, c_size_t]),
    "ledg_node_costs_origins": (POINTER(c_size_t), [H, c_size_t, POINTER(c_size_t)]),
    "ledg_node_costs_columns": (c_int32, [H, POINTER(NodeColumns), OUT]),
    "ledg_node_costs_free": (None, [H]),
    "ledg_explain": (c_int32, [H, H, c_uint32, OUT, OUT]),
    "ledg_records_new": (c_int32, [OUT, OUT]),
    "ledg_records_push": (c_int32, [H, H, H, c_uint64, c_void_p, c_size_t, OUT]),
    "ledg_records_push_failed": (c_int32, [H, H, H, c_uint64, Str, OUT]),
    "ledg_records_count": (c_size_t, [H]),
    "ledg_records_load": (c_int32, [Str, H, OUT, OUT]),
    "ledg_records_save": (c_int32, [H, Str, OUT]),
    "ledg_records_free": (None, [H]),
    "ledg_session_new": (c_int32, [H, H, c_void_p, c_size_t, c_void_p, c_size_t, OUT, OUT]),
    "ledg_session_predict": (c_int32, [H, POINTER(Candidate), c_size_t, POINTER(PredictOpts), POINTER(Columns), OUT]),
    "ledg_session_apply": (c_int32, [H, POINTER(Candidate), OUT]),
    "ledg_session_graph": (c_int32, [H, OUT, OUT]),
    "ledg_session_free": (None, [H]),
}


class LedgError(Exception):
    """A call that failed: `status` is one of LEDG_E_*, negative; `name` its name."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.status = status
        self.name = name


def _load() -> ctypes.CDLL:
    path = os.environ.get("LEDG_LIBRARY", "libledg.so.1")
    try:
        lib = ctypes.CDLL(path)
    except OSError as e:
        raise ImportError(f"{e}; set LEDG_LIBRARY to the path of libledg.so.1") from e

    def declare(name: str) -> None:
        function = getattr(lib, name)
        function.restype, function.argtypes = FUNCTIONS[name]

    # An older library lacks functions of a newer header, so its version is asked for first.
    for name in ("ledg_abi_check", "ledg_abi_version"):
        declare(name)
    if lib.ledg_abi_check(ABI_MAJOR, ABI_MINOR) != 0:
        found = lib.ledg_abi_version()
        raise ImportError(f"{path} has ABI {found >> 16}.{found & 0xFFFF}, this package needs {ABI_MAJOR}.{ABI_MINOR}")
    for name in FUNCTIONS:
        declare(name)
    return lib


lib = _load()


def status_name(status: int) -> str:
    return str(lib.ledg_status_name(status).text())


def text(value: str) -> Str:
    data = value.encode()
    return Str(data, len(data))


def call(name: str, *arguments: Any) -> None:
    """Calls a function that can fail; its last argument, the error, is added here."""
    error = c_void_p()
    status = getattr(lib, name)(*arguments, ctypes.byref(error))
    if status != 0:
        message = lib.ledg_error_message(error).text()
        lib.ledg_error_free(error)
        raise LedgError(status, status_name(status), message)


def make(name: str, *arguments: Any) -> c_void_p:
    """Calls a function that gives a handle."""
    out = c_void_p()
    call(name, *arguments, ctypes.byref(out))
    return out


def take_string(handle: c_void_p) -> str:
    try:
        return str(lib.ledg_string_view(handle).text())
    finally:
        lib.ledg_string_free(handle)
