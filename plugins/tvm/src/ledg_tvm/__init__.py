"""ledg as the cost model of TVM MetaSchedule: every candidate's trace is a graph of sentences and numbers."""

from __future__ import annotations

from ._task import task_of
from .model import LedgCostModel
from .tuning import tune
from .workloads import NAMES, workload

__all__ = ["NAMES", "LedgCostModel", "task_of", "tune", "workload"]
