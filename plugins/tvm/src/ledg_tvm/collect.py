"""Measures candidates of many tasks as records: `python -m ledg_tvm.collect --output data/schedules --minutes 20`.

One compressed file a task, of JSON lines. Each round measures as many candidates of every task that has fewer than `--candidates`: half
drawn at random from the design space, half evolved under a model of their own (so that good schedules are among them). A round is
written when it is complete, so a collection that is stopped goes on where it was. Measures on one core; keep the machine idle.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import tempfile
import time
from typing import Any, Optional

import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.cost_model import PyCostModel

from ._task import task_json
from .model import record, runs_of
from .tuning import builder, runner, this_cpu
from .workloads import COLLECTED, operator


@derived_object
class Recorder(PyCostModel):
    """Hands every question to another model and keeps what was measured."""

    def __init__(self, inner: Any, name: str) -> None:
        super().__init__()
        self.inner = inner
        self.name = name
        self.lines: list[str] = []

    def load(self, path: str) -> None:
        self.inner.load(path)

    def save(self, path: str) -> None:
        self.inner.save(path)

    def predict(self, context: Any, candidates: list[Any]) -> Any:
        return self.inner.predict(context, candidates)

    def update(self, context: Any, candidates: list[Any], results: list[Any]) -> None:
        for candidate, result in zip(candidates, results):
            failed = str(result.error_msg)[:200] if result.error_msg is not None else ""
            self.lines.append(record(self.name, str(candidate.sch.trace), runs_of(result), failed))
        self.inner.update(context, candidates, results)


def read(path: str) -> list[str]:
    """Lines of a file, or none."""
    if not os.path.exists(path):
        return []
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return [line for line in file.read().splitlines() if line]


def write(path: str, lines: list[str]) -> None:
    """Writes lines under a temporary name, then renames."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with lzma.open(temporary, "wb") as file:
        file.write(("\n".join(lines) + "\n").encode())
    os.replace(temporary, path)


def measure(kind: str, shape: tuple[int, ...], name: str, count: int, seed: int, inner: Any) -> list[str]:
    """Candidates of one task, measured."""
    recorder = Recorder(inner, name)
    with tempfile.TemporaryDirectory() as folder:
        ms.tir_integration.tune_tir(
            mod=operator(kind, shape),
            target=this_cpu(),
            work_dir=folder,
            max_trials_global=count,
            num_trials_per_iter=max(8, count // 2),
            builder=builder(),
            runner=runner(repeat=3, min_repeat_ms=10),
            cost_model=recorder,
            num_tuning_cores=1,
            seed=seed,
        )
    return recorder.lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="ledg_tvm.collect", description="Measures candidates of many tasks as records.")
    parser.add_argument("--output", required=True, help="folder of the records")
    parser.add_argument("--minutes", type=float, default=20.0, help="no round begins after this time")
    parser.add_argument("--candidates", type=int, default=256, help="candidates of a task at which it is complete")
    parser.add_argument("--round", type=int, default=32, help="candidates of a task measured at a time")
    parser.add_argument("--core", type=int, default=0, help="the core to measure on; -1: any")
    args = parser.parse_args()
    if args.core >= 0:
        os.sched_setaffinity(0, {args.core})  # workers inherit it
    os.environ["TVM_NUM_THREADS"] = "1"
    os.makedirs(args.output, exist_ok=True)
    target = f"{platform.machine()} {tvm.target.codegen.llvm_get_system_cpu()}"
    begin = time.monotonic()
    while True:
        counts = []
        for kind, shape in COLLECTED:
            name = f"{kind}_{'x'.join(map(str, shape))}"
            path = os.path.join(args.output, f"{name}.jsonl.xz")
            lines = read(path)
            have = sum('"trace"' in line for line in lines)
            if have < args.candidates:
                counts.append((have, name, kind, shape, path, lines))
        if not counts:
            print("every task is complete")
            return
        # The task with the fewest first, so that all grow alike.
        have, name, kind, shape, path, lines = min(counts, key=lambda c: c[0])
        spent = (time.monotonic() - begin) / 60.0
        if spent > args.minutes:
            print(f"stopped after {spent:.1f} minutes; the least complete task has {have} candidates")
            return
        if not lines:
            function = operator(kind, shape)
            mod = tvm.IRModule({"main": function})
            task = json.loads(task_json(mod, name))
            lines = [json.dumps({"version": 1, "task": task, "target": target}, separators=(",", ":"))]
        new = measure(kind, shape, name, args.round, 1 + have, _inner())
        if not new:  # a task whose space is exhausted, or which TVM cannot schedule
            raise SystemExit(f"{name}: nothing was measured; take it out of workloads.COLLECTED")
        write(path, lines + new)
        failed = sum('"failed"' in line for line in new)
        print(f"{spent:5.1f} min  {name}: {have + len(new)} candidates, {failed} of {len(new)} new ones failed", flush=True)


def _inner(seed: Optional[int] = None) -> Any:
    """The model that evolves candidates: TVM's own, which learns within the round."""
    try:
        import xgboost  # noqa: F401

        return ms.cost_model.XGBModel(num_warmup_samples=0, num_tuning_cores=1)
    except ImportError:
        return ms.cost_model.RandomModel(seed=seed)


if __name__ == "__main__":
    main()
