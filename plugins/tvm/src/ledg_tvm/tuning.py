"""Tuning with ledg's model, or with another for comparison."""

from __future__ import annotations

import functools
import os
import tempfile
from typing import Any, Optional, Union

import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.builder import PyBuilder
from tvm.s_tir.meta_schedule.builder.local_builder import default_build, default_export

from .model import LedgCostModel


def this_cpu(cores: int = 1, mcpu: Optional[str] = None) -> Any:
    """This machine's CPU as a target, or code for an older one that it also runs."""
    return tvm.target.Target({"kind": "llvm", "mcpu": mcpu or tvm.target.codegen.llvm_get_system_cpu(), "num-cores": cores})


def builder() -> Any:
    """A builder whose first build may take as long as its worker's start does."""
    return ms.builder.LocalBuilder(max_workers=1, timeout_sec=120.0)


@derived_object
class InProcessBuilder(PyBuilder):
    """Builds in this process: TVM's LocalBuilder starts a worker for every batch, which takes longer than the batch. A build that
    crashes takes the process with it, so this is for work that goes on where it stopped."""

    def build(self, build_inputs: list[Any]) -> list[Any]:
        return [self._one(each) for each in build_inputs]

    @staticmethod
    def _one(each: Any) -> Any:
        try:
            return ms.builder.BuilderResult(default_export(default_build(each.mod, each.target, None)), None)
        except Exception as e:  # what TVM raises for a schedule that it cannot build has no common class
            return ms.builder.BuilderResult(None, str(e)[:200])


def runner(repeat: int = 3, min_repeat_ms: int = 20, core: Optional[int] = None) -> Any:
    """A runner in a process of its own, on one core if it is told which."""
    config = ms.runner.EvaluatorConfig(
        number=1, repeat=repeat, min_repeat_ms=min_repeat_ms, enable_cpu_cache_flush=False
    )
    initializer = None if core is None else functools.partial(os.sched_setaffinity, 0, {core})
    return ms.runner.LocalRunner(timeout_sec=30.0, evaluator_config=config, initializer=initializer)


def is_relax(mod: Any) -> bool:
    """Whether a module has functions of relax, not of TIR alone."""
    return isinstance(mod, tvm.IRModule) and any(type(f).__name__ == "Function" for f in mod.functions.values())


def lowered(mod: Any, target: Any) -> Any:
    """A relax module with its operators as fused functions of TIR: relax's own operators are no tasks."""
    with target:
        return tvm.relax.get_pipeline("zero")(mod)


def tune(
    mod: Any,
    *,
    trials: int = 64,
    per_round: int = 16,
    target: Optional[Any] = None,
    cost_model: Union[None, str, Any] = None,
    seed: int = 0,
    work_dir: Optional[str] = None,
) -> Any:
    """Tunes a function, or all operators of a relax module; the database of what was measured comes back.

    `cost_model` is a `LedgCostModel`, one of TVM's names ("xgb", "random"), or None for the `LedgCostModel` that ships.
    """
    target = target or this_cpu()
    cost_model = cost_model if cost_model is not None else LedgCostModel(seed=seed)
    common = dict(
        target=target,
        max_trials_global=trials,
        num_trials_per_iter=per_round,
        builder=builder(),
        runner=runner(),
        cost_model=cost_model,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = work_dir or scratch
        if is_relax(mod):
            database = ms.relax_integration.tune_relax(mod=lowered(mod, target), params={}, work_dir=folder, **common)
        else:
            database = ms.tir_integration.tune_tir(
                mod=mod, work_dir=folder, num_tuning_cores=1, **common
            )
        # A database in a folder that goes away would lose its records.
        memory = ms.database.MemoryDatabase()
        for tuned in database.get_all_tuning_records():
            memory.commit_workload(tuned.workload.mod)
            memory.commit_tuning_record(tuned)
        return memory


def best_s(database: Any) -> float:
    """Least seconds of any record; infinite where nothing ran."""
    records = database.get_all_tuning_records()
    return min((min(float(s) for s in r.run_secs) for r in records if r.run_secs), default=float("inf"))
