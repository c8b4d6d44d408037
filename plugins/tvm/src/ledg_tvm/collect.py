"""Measures candidates of many tasks as records: `python -m ledg_tvm.collect --output data/schedules --minutes 20`.

One compressed file a task, of JSON lines. Each round measures as many candidates of the task that lacks most: half drawn at random from
the design space, half evolved under a model of the first half (so that good schedules are among them). A round is written when it is
complete, so a collection that is stopped goes on where it was. Measures on one core; keep the machine idle, or measure more repeats
and keep the quickest of them (`--repeats 9 --keep 3`), which the first line of each file then says.
"""

from __future__ import annotations

import argparse
import datetime
import json
import lzma
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.cost_model import PyCostModel

from ._task import task_json
from .model import record, runs_of
from .tuning import InProcessBuilder, runner, this_cpu
from .workloads import COLLECTED, HELD_OUT, IN_TURNS, WIDER, name_of, operator


@derived_object
class Recorder(PyCostModel):
    """Hands every question to another model and keeps what was measured."""

    def __init__(self, inner: Any, name: str, keep: int) -> None:
        super().__init__()
        self.inner = inner
        self.name = name
        self.keep = keep
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
            runs = runs_of(result)
            runs = sorted(runs)[: self.keep] if runs else None
            self.lines.append(record(self.name, str(candidate.sch.trace), runs, failed))
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


@dataclass
class How:
    """How candidates are found and measured."""

    runner: Any
    target: Any
    # Part of a round that is drawn at random; each further part is evolved under a model of those before it.
    parts: int
    # Repeats of a candidate, and how many of them, the quickest, are kept.
    repeats: int
    keep: int

    def words(self) -> str:
        runs = f", the {self.keep} quickest of {self.repeats} repeats" if self.keep < self.repeats else ""
        return f"{cpu()}, one core, llvm -mcpu={self.target.attrs['mcpu']}{runs}, {datetime.date.today()}"


def measure(kind: str, shape: tuple[int, ...], count: int, seed: int, how: How) -> list[str]:
    """Candidates of one task, measured: the first part at random, each other evolved under a model of those before it."""
    recorder = Recorder(_inner(seed), name_of(kind, shape), how.keep)
    with tempfile.TemporaryDirectory() as folder:
        ms.tir_integration.tune_tir(
            mod=operator(kind, shape),
            target=how.target,
            work_dir=folder,
            max_trials_global=count,
            num_trials_per_iter=max(8, count // how.parts),
            builder=InProcessBuilder(),
            runner=how.runner,
            # A small population: what is wanted is a variety of schedules, not the best.
            strategy=ms.search_strategy.EvolutionarySearch(population_size=128, genetic_num_iters=3),
            cost_model=recorder,
            num_tuning_cores=1,
            seed=seed,
        )
    return recorder.lines


def _inner(seed: int) -> Any:
    """The model that evolves candidates: TVM's own, which learns within the round."""
    try:
        import xgboost  # noqa: F401

        return ms.cost_model.XGBModel(num_warmup_samples=0, num_tuning_cores=1)
    except ImportError:
        return ms.cost_model.RandomModel(seed=seed)


def cpu() -> str:
    """CPU in words."""
    fields: dict[str, str] = {}
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.partition(":")
                fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine()
    return f"{name} family {fields['cpu family']}" if "cpu family" in fields else name


def machine() -> str:
    """CPU, target and date, in words."""
    return f"{cpu()}, one core, llvm -mcpu={tvm.target.codegen.llvm_get_system_cpu()}, {datetime.date.today()}"


@dataclass
class Task:
    """A task and what there is of it."""

    kind: str
    shape: tuple[int, ...]
    path: str
    lines: list[str]
    wanted: int

    @property
    def name(self) -> str:
        return name_of(self.kind, self.shape)

    @property
    def have(self) -> int:
        return sum('"trace"' in line for line in self.lines)

    def grow(self, count: int, how: How) -> list[str]:
        """Measures more candidates and writes the file."""
        if not self.lines:
            task = json.loads(task_json(tvm.IRModule({"main": operator(self.kind, self.shape)}), self.name, how.target))
            line = {"version": 1, "task": task, "target": how.words()}
            self.lines = [json.dumps(line, separators=(",", ":"))]
        new = measure(self.kind, self.shape, min(count, self.wanted - self.have), 1 + self.have, how)
        if not new:  # a space that is exhausted, or a task that TVM cannot schedule
            raise SystemExit(f"{self.name}: nothing was measured; take it out of workloads")
        self.lines = self.lines + new
        write(self.path, self.lines)
        return new


def tasks(which: tuple[tuple[str, tuple[int, ...]], ...], folder: str, wanted: int, wanted_held_out: int) -> list[Task]:
    """Tasks with the lines that a folder has of them."""
    out = []
    for kind, shape in which:
        name = name_of(kind, shape)
        path = os.path.join(folder, f"{name}.jsonl.xz")
        out.append(Task(kind, shape, path, read(path), wanted_held_out if name in HELD_OUT else wanted))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(prog="ledg_tvm.collect", description="Measures candidates of many tasks as records.")
    parser.add_argument("--output", required=True, help="folder of the records")
    parser.add_argument("--minutes", type=float, default=20.0, help="no round begins after this time")
    parser.add_argument("--candidates", type=int, default=96, help="candidates of a task at which it is complete")
    parser.add_argument("--held-out", type=int, default=192, help="the same for a task that is held out to compare models on")
    parser.add_argument("--round", type=int, default=48, help="candidates of a task measured at a time")
    parser.add_argument("--core", type=int, default=0, help="the core to measure on; -1: any")
    parser.add_argument("--parts", type=int, default=2, help="parts of a round: one drawn at random, the others evolved")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of a candidate")
    parser.add_argument("--keep", type=int, help="how many of the repeats are kept, the quickest; all unless told otherwise")
    parser.add_argument("--mcpu", help="LLVM's name of the CPU to compile for; this one's unless told otherwise")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--wider", action="store_true", help="the shapes of workloads.WIDER, which are only there to pretrain on")
    which.add_argument("--in-turns", action="store_true", help="workloads.IN_TURNS: both lists without what models are compared on")
    which.add_argument("--only-held-out", action="store_true", help="what models are compared on, nothing to train on")
    args = parser.parse_args()
    os.environ["TVM_NUM_THREADS"] = "1"
    os.makedirs(args.output, exist_ok=True)
    on = runner(repeat=args.repeats, min_repeat_ms=20, core=args.core if args.core >= 0 else None)
    how = How(on, this_cpu(mcpu=args.mcpu), args.parts, args.repeats, args.keep or args.repeats)
    held_out = tuple(task for task in COLLECTED if name_of(*task) in HELD_OUT)
    shapes = IN_TURNS if args.in_turns else WIDER if args.wider else held_out if args.only_held_out else COLLECTED
    all_tasks = tasks(shapes, args.output, args.candidates, args.held_out)
    begin = time.monotonic()
    while incomplete := [t for t in all_tasks if t.have < t.wanted]:
        task = min(incomplete, key=lambda t: t.have / t.wanted)  # so that all grow alike
        spent = (time.monotonic() - begin) / 60.0
        if spent > args.minutes:
            print(f"stopped after {spent:.1f} minutes; {len(incomplete)} tasks are incomplete, {task.name} the most")
            return
        new = task.grow(args.round, how)
        failed = sum('"failed"' in line for line in new)
        print(f"{spent:5.1f} min  {task.name}: {task.have} candidates, {failed} of {len(new)} new ones failed", flush=True)
    print("every task is complete")


if __name__ == "__main__":
    main()
