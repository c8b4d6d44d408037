"""The schedule functions of the C ABI in ctypes, over the library that the `ledg` package loaded."""

from __future__ import annotations

import ctypes
from ctypes import c_int32, c_size_t, c_uint64, c_void_p
from typing import Sequence

import numpy as np
import numpy.typing as npt
from ledg import _abi
from ledg._abi import OUT, H, LedgError, Str, lib

FUNCTIONS = {
    "ledg_schedule_model_new": (c_int32, [c_uint64, OUT, OUT]),
    "ledg_schedule_model_load": (c_int32, [Str, OUT, OUT]),
    "ledg_schedule_model_save": (c_int32, [H, Str, OUT]),
    "ledg_schedule_model_records": (c_uint64, [H]),
    "ledg_schedule_model_free": (None, [H]),
    "ledg_schedule_score": (c_int32, [H, Str, c_void_p, c_size_t, c_void_p, c_void_p, OUT]),
    "ledg_schedule_graph": (c_int32, [H, Str, Str, OUT, OUT]),
    "ledg_model_update": (c_int32, [H, Str, OUT, OUT]),
}

for _name, (_result, _arguments) in FUNCTIONS.items():
    try:
        _function = getattr(lib, _name)
    except AttributeError as e:
        raise ImportError(f"this libledg does not rank schedules (LEDG_CAP_SCHEDULES): it lacks {_name}") from e
    _function.restype = _result
    _function.argtypes = _arguments

__all__ = ["LedgError", "ScheduleModel"]


class ScheduleModel:
    """A schedule model of the library; immutable, freed with its object."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle

    def __del__(self) -> None:
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            lib.ledg_schedule_model_free(handle)

    @classmethod
    def untrained(cls, seed: int = 0) -> "ScheduleModel":
        return cls(_abi.make("ledg_schedule_model_new", seed))

    @classmethod
    def load(cls, path: str) -> "ScheduleModel":
        return cls(_abi.make("ledg_schedule_model_load", _abi.text(path)))

    def save(self, path: str) -> None:
        _abi.call("ledg_schedule_model_save", self._handle, _abi.text(path))

    @property
    def records(self) -> int:
        """Candidates it learned from; 0 for one that refuses to score."""
        return int(lib.ledg_schedule_model_records(self._handle))

    def score(self, task: str, traces: Sequence[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """Scores and statuses, one a trace; larger is better, NaN where the status is not 0."""
        n = len(traces)
        data = [t.encode() for t in traces]
        array = (Str * n)(*[Str(d, len(d)) for d in data])
        scores, status = np.empty(n), np.empty(n, dtype=np.int32)
        _abi.call(
            "ledg_schedule_score",
            self._handle,
            _abi.text(task),
            ctypes.cast(array, c_void_p),
            n,
            scores.ctypes.data_as(c_void_p),
            status.ctypes.data_as(c_void_p),
        )
        return scores, status

    def graph(self, task: str, trace: str) -> str:
        """A candidate as a graph, in JSON."""
        return _abi.take_string(_abi.make("ledg_schedule_graph", self._handle, _abi.text(task), _abi.text(trace)))

    def update(self, records: str) -> "ScheduleModel":
        """A new model that has also learned from JSON lines."""
        return ScheduleModel(_abi.make("ledg_model_update", self._handle, _abi.text(records)))
