"""Tunes the same tasks with TVM's own model and with ledg's, and compares the best that each finds:
`python -m ledg_tvm.tunings --folder runs/tunings --output docs/results/tunings.md`.

Every tuning is a file of the candidates in the order in which they were measured, so one run of the most trials says what fewer would have
found; a comparison that is stopped goes on with the tunings that are missing. At the end the best of each model and number of trials are
measured again, in turns, and those times are what is compared: a search picks what measured well by luck.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import tvm
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.runner import RunnerInput

from .collect import Recorder, cpu, machine, read, write
from .model import PRETRAINED, LedgCostModel, runs_of
from .replay import apply_trace
from .tuning import InProcessBuilder, runner, this_cpu
from .workloads import EXAMPLES, name_of, operator

# The examples and a task that is held out from training; none is among those that the model that ships learned from.
TASKS: tuple[tuple[str, tuple[int, ...]], ...] = (*EXAMPLES.items(), ("batch_matmul", (12, 96, 96, 64)))
MODELS = ("XGBModel", "ledg")


def model_of(name: str, path: str, seed: int) -> Any:
    """A fresh model: TVM's with its own defaults, or ours as it ships."""
    if name == "ledg":
        return LedgCostModel(path, seed)
    np.random.seed(seed)  # what TVM's model scores at random until it has learned
    return ms.cost_model.XGBModel(num_tuning_cores=1)


@dataclass
class How:
    """What all tunings of a comparison share."""

    folder: str
    trials: int
    per_round: int
    model: str
    target: Any
    core: Optional[int]

    def path(self, task: str, model: str, seed: int) -> str:
        return os.path.join(self.folder, f"{task}.{model}.{seed}.jsonl.xz")

    def tuned(self, kind: str, shape: tuple[int, ...], model: str, seed: int) -> list[dict[str, Any]]:
        """Candidates in the order of their measurement; from the file if there is one of the same settings and model."""
        task = name_of(kind, shape)
        path = self.path(task, model, seed)
        head, *lines = map(json.loads, read(path) or ["{}"])
        mine = {"trials": self.trials, "per_round": self.per_round, "mcpu": str(self.target.attrs["mcpu"])}
        if model == "ledg":
            with open(self.model, "rb") as file:
                mine["model"] = hashlib.sha256(file.read()).hexdigest()
        if lines and all(head.get(key) == value for key, value in mine.items()):
            return lines
        recorder = Recorder(model_of(model, self.model, seed), task, 1 << 30)
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            ms.tir_integration.tune_tir(
                mod=operator(kind, shape),
                target=self.target,
                work_dir=scratch,
                max_trials_global=self.trials,
                num_trials_per_iter=self.per_round,
                builder=InProcessBuilder(),
                runner=runner(core=self.core),
                cost_model=recorder,
                num_tuning_cores=1,
                seed=seed,
            )
        seconds = round(time.monotonic() - begin, 1)
        write(path, [json.dumps({**mine, "seconds": seconds, "date": machine()}), *recorder.lines])
        print(f"{task}, {model}, seed {seed}: {len(recorder.lines)} trials in {seconds:.0f} s", flush=True)
        return [json.loads(line) for line in recorder.lines]


def best_of(lines: list[dict[str, Any]]) -> str:
    """Trace of the candidate with the least median."""
    ran = [line for line in lines if line.get("runs_s")]
    if not ran:
        raise SystemExit(f"{lines[0]['of']}: none of {len(lines)} candidates ran")
    return min(ran, key=lambda line: float(np.median(line["runs_s"])))["trace"]


def measured(kind: str, shape: tuple[int, ...], traces: list[str], how: How, turns: int) -> dict[str, float]:
    """Median seconds of each trace: all in turns, so that what else happens meets them alike."""
    mod = operator(kind, shape)
    schedules = []
    for trace in traces:
        schedules.append(Schedule(mod))
        apply_trace(schedules[-1], trace)
    built = InProcessBuilder().build([ms.builder.BuilderInput(s.mod, how.target) for s in schedules])
    args = ms.arg_info.TensorInfo.from_prim_func(mod)
    on = runner(repeat=3, min_repeat_ms=40, core=how.core)
    runs: dict[str, list[float]] = {trace: [] for trace in traces}
    for turn in range(turns):
        order = np.random.default_rng(turn).permutation(len(traces))
        futures = on.run([RunnerInput(built[i].artifact_path, "cpu", args) for i in order])
        for i, future in zip(order, futures):
            result = future.result()
            seconds = runs_of(result)
            if seconds is None:
                raise SystemExit(f"{name_of(kind, shape)}: a best candidate did not run again: {result.error_msg}")
            runs[traces[i]].append(float(np.median(seconds)))
    return {trace: float(np.median(seconds)) for trace, seconds in runs.items()}


def compared(kind: str, shape: tuple[int, ...], seed: int, how: How, budgets: list[int], turns: int) -> dict[str, list[float]]:
    """Seconds of what each model found with each number of trials; kept beside the tunings."""
    of = {model: how.tuned(kind, shape, model, seed) for model in MODELS}
    best = {model: [best_of(lines[:n]) for n in budgets] for model, lines in of.items()}
    path = how.path(name_of(kind, shape), "best", seed)
    kept = read(path)
    if kept and json.loads(kept[0])["best"] == best:
        return json.loads(kept[0])["seconds"]
    traces = sorted({trace for own in best.values() for trace in own})
    seconds = measured(kind, shape, traces, how, turns)
    out = {model: [seconds[trace] for trace in own] for model, own in best.items()}
    write(path, [json.dumps({"best": best, "seconds": out})])
    return out


def table(rows: list[tuple[str, dict[str, list[float]]]], budgets: list[int]) -> list[str]:
    """A row a task and seed: milliseconds of both and the ratio at each number of trials."""
    heads = [f"{n}: XGBModel | ledg | ratio" for n in budgets]
    lines = ["| task | " + " | ".join(heads) + " |", "|---" * (1 + 3 * len(budgets)) + "|"]
    for name, seconds in rows:
        cells = [
            f"{theirs * 1e3:.4f} | {ours * 1e3:.4f} | {ours / theirs:.3f}"
            for theirs, ours in zip(seconds["XGBModel"], seconds["ledg"])
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ratios = np.array([np.array(s["ledg"]) / np.array(s["XGBModel"]) for _, s in rows])
    means = np.exp(np.log(ratios).mean(axis=0))
    lines.append("| **geometric mean** | " + " | ".join(f" | | **{mean:.3f}**" for mean in means) + " |")
    # A ratio that rounds to the same two digits is no difference that ten turns tell.
    wins = (ratios <= 1.005).sum(axis=0)
    lines.append("| no worse | " + " | ".join(f" | | {n} of {len(rows)}" for n in wins) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="ledg_tvm.tunings", description="Compares what searches with both models find.")
    parser.add_argument("--folder", required=True, help="where tunings are kept")
    parser.add_argument("--budgets", default="64,128,256", help="numbers of trials that are compared; the last is run")
    parser.add_argument("--per-round", type=int, default=32, help="candidates measured between updates")
    parser.add_argument("--seeds", type=int, default=1, help="searches of each task and model")
    parser.add_argument("--turns", type=int, default=10, help="how often the best are measured again")
    parser.add_argument("--core", type=int, default=0, help="the core to measure on; -1: any")
    parser.add_argument("--mcpu", help="LLVM's name of the CPU to compile for; this one's unless told otherwise")
    parser.add_argument("--model", default=PRETRAINED, help="a schedule model; the one that ships unless told otherwise")
    parser.add_argument("--output", help="also write the page to this Markdown file")
    args = parser.parse_args()
    os.environ["TVM_NUM_THREADS"] = "1"
    os.makedirs(args.folder, exist_ok=True)
    budgets = [int(n) for n in args.budgets.split(",")]
    core = args.core if args.core >= 0 else None
    how = How(args.folder, max(budgets), args.per_round, args.model, this_cpu(mcpu=args.mcpu), core)
    rows = []
    for seed in range(args.seeds):
        for kind, shape in TASKS:
            label = name_of(kind, shape) + (f", seed {seed}" if args.seeds > 1 else "")
            rows.append((label, compared(kind, shape, seed, how, budgets, args.turns)))
            print("\n".join(table(rows[-1:], budgets)[2:3]), flush=True)
    lines = page(args, how, table(rows, budgets))
    print("\n".join(lines))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def page(args: argparse.Namespace, how: How, rows: list[str]) -> list[str]:
    """The page of docs/results."""
    options = {"--budgets": "64,128,256", "--per-round": 32, "--seeds": 1, "--core": 0, "--mcpu": None, "--model": PRETRAINED}
    given = [f" {name} {value}" for name, other in options.items() if (value := getattr(args, name[2:].replace("-", "_"))) != other]
    return [
        "# Tuning with each model",
        "",
        f"Made by `python -m ledg_tvm.tunings --folder {args.folder}{''.join(given)} --output {args.output or 'FILE'}` on {cpu()}, one core, "
        f"llvm -mcpu={how.target.attrs['mcpu']}; TVM {tvm.__version__}, Python {platform.python_version()}.",
        "",
        f"MetaSchedule's evolutionary search with its defaults, {how.per_round} candidates a round, the same seed; TVM's `XGBModel` with its "
        "defaults, ours as it ships, both updated after every round. No task is among those that ours was trained on. Milliseconds of "
        f"the best candidate after so many trials, all of a task measured again in {args.turns} turns (median); ratio: ours over theirs, "
        "below 1 where ours found the faster one. `no worse`: a ratio of at most 1.005.",
        "",
        *rows,
        "",
        "A search depends on luck: what another seed gave, and what else to know, is in `plugins/tvm/README.md`.",
    ]


if __name__ == "__main__":
    main()
