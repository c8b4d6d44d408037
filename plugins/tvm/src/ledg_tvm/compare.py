"""Ranks measured candidates of the tasks that are held out, by ledg's model and by TVM's own, and times both:
`python -m ledg_tvm.compare --records data/schedules --output docs/results/schedules.md`.

Of each task `--learn` candidates are drawn by a seed; TVM's model, and ours as it ships, learn from them, and all models rank the rest.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import re
import time
from typing import Any, Callable

import numpy as np
import numpy.typing as npt
import tvm
from tvm.s_tir import meta_schedule as ms

from .collect import machine, read
from .model import PRETRAINED, LedgCostModel, runs_of
from .replay import context_of, read_task
from .tuning import this_cpu
from .workloads import COLLECTED, HELD_OUT, name_of, operator, workload

Figures = tuple[float, float, float]  # top-1, top-5, pairwise accuracy
MODELS = ("random", "XGBModel, learned", "ledg, as it ships", "ledg, learned")


def merits_of(results: list[Any]) -> npt.NDArray[np.float64]:
    """The best latency over each one's median; 0 for one that failed."""
    runs = [runs_of(r) for r in results]
    seconds = np.array([np.median(r) if r else np.inf for r in runs])
    return seconds.min() / seconds


def figures_of(scores: npt.NDArray[np.float64], merits: npt.NDArray[np.float64]) -> Figures:
    """Best latency over the best among the first one and the first five, and the share of unequal pairs in order."""
    order = np.argsort(-scores, kind="stable")
    best = merits.max()
    better = merits[:, None] > merits[None, :]
    right = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    return merits[order[0]] / best, merits[order[:5]].max() / best, float(right[better].mean())


def expected_of_random(merits: npt.NDArray[np.float64]) -> Figures:
    """What scores that know nothing reach on average, exactly."""
    falling = np.sort(merits)[::-1] / merits.max()
    n = len(falling)
    # P(the best of five drawn is the i-th best) by hypergeometric counts.
    left = n - np.arange(n)
    none_better = np.ones(n + 1)
    for k in range(5):
        none_better[:n] *= np.clip((left - k) / (n - k), 0, 1)
    none_better[n] = 0.0
    top5 = float(((none_better[:n] - none_better[1:]) * falling).sum())
    return float(falling.mean()), top5, 0.5


def xgb(seed: int) -> Any:
    """TVM's model, which predicts as soon as it learned from anything."""
    np.random.seed(seed)
    config = ms.cost_model.xgb_model.XGBConfig(seed=seed, nthread=1)
    return ms.cost_model.XGBModel(config=config, num_warmup_samples=1, num_tuning_cores=1)


class Held:
    """A held-out task with its candidates."""

    def __init__(self, folder: str, kind: str, shape: tuple[int, ...]) -> None:
        self.name = name_of(kind, shape)
        lines = read(os.path.join(folder, f"{self.name}.jsonl.xz"))
        if not lines:
            raise SystemExit(f"{folder}: no records of the held-out task {self.name}; run ledg_tvm.collect")
        mod = operator(kind, shape)
        self.target = json.loads(lines[0]).get("target", "a machine that is not named")
        self.candidates, self.results = read_task(lines, mod)
        # The code that was measured, whatever this machine is.
        mcpu = re.search(r"-mcpu=([\w.-]+)", self.target)
        self.context = context_of(mod, this_cpu(mcpu=mcpu[1] if mcpu else None), self.name)

    def one_seed(self, model: str, learn: int, seed: int) -> list[Figures]:
        """Figures of all models on the candidates that none of them saw."""
        order = np.random.default_rng(seed).permutation(len(self.candidates))
        seen, rest = order[:learn], order[learn:]
        if len(rest) < 32:
            raise SystemExit(f"{self.name}: {len(order)} candidates leave {len(rest)} to rank after {learn}; collect more")
        first = [self.candidates[i] for i in seen], [self.results[i] for i in seen]
        asked = [self.candidates[i] for i in rest]
        merits = merits_of([self.results[i] for i in rest])
        out = [expected_of_random(merits)]
        models = [xgb(seed), LedgCostModel(model, seed), LedgCostModel(model, seed)]
        for i, one in enumerate(models):
            if i != 1:
                one.update(self.context, *first)
            out.append(figures_of(np.asarray(one.predict(self.context, asked)), merits))
        return out


def _seconds(run: Callable[[], Any], times: int = 5) -> float:
    """Least CPU seconds of several runs, of all threads: as wall-clock seconds on one thread, whoever else uses the machine."""
    spent = []
    for _ in range(times):
        begin = time.process_time()
        run()
        spent.append(time.process_time() - begin)
    return min(spent)


def sample(context: Any, n: int) -> list[Any]:
    """Random candidates of a task, as a search has them."""
    out: list[Any] = []
    while len(out) < n:
        for schedule in context.generate_design_space():
            if all(p.apply(schedule) for p in context.space_generator.postprocs):
                out.append(ms.MeasureCandidate(schedule, []))
    return out[:n]


def speed(model: str, held: Held) -> list[tuple[str, float, float]]:
    """Seconds of TVM's model and of ours for the same work, on one thread."""
    theirs, ours = xgb(0), LedgCostModel(model)
    context = context_of(workload("matmul"), this_cpu(), "matmul")
    asked = sample(context, 512)
    some = slice(0, 128)
    args = held.context, held.candidates[some], held.results[some]
    rows = [("update on 128 records", _seconds(lambda: xgb(0).update(*args), 3), _seconds(lambda: LedgCostModel(model).update(*args), 3))]
    theirs.update(*args)
    pair = _seconds(lambda: theirs.predict(context, asked)), _seconds(lambda: ours.predict(context, asked))
    return [("predict of 512 candidates of matmul 512x512x512", *pair), *rows]


def table(rows: list[tuple[str, list[Figures]]]) -> list[str]:
    """A row a task, and their mean: top-1 / top-5 / pairwise."""
    lines = ["| task | " + " | ".join(MODELS) + " |", "|---" * (1 + len(MODELS)) + "|"]
    mean = [tuple(np.mean([figures[m] for _, figures in rows], axis=0)) for m in range(len(MODELS))]
    for name, figures in [*rows, ("**mean**", mean)]:
        cells = [f"{f[0]:.3f} / {f[1]:.3f} / {f[2]:.3f}" for f in figures]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="ledg_tvm.compare", description="Ranks candidates of held-out tasks and times both models.")
    parser.add_argument("--records", required=True, help="folder of the records, from ledg_tvm.collect")
    parser.add_argument("--model", default=PRETRAINED, help="a schedule model; the one that ships unless told otherwise")
    parser.add_argument("--learn", type=int, default=64, help="candidates of a task that a model learns from")
    parser.add_argument("--seeds", type=int, default=3, help="how often the candidates to learn from are drawn")
    parser.add_argument("--output", help="also write the page to this Markdown file")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    os.environ["TVM_NUM_THREADS"] = "1"
    rows, last = [], None
    for kind, shape in (c for c in COLLECTED if name_of(*c) in HELD_OUT):
        last = Held(args.records, kind, shape)
        by_seed = [last.one_seed(args.model, args.learn, seed) for seed in range(args.seeds)]
        rows.append((last.name, [tuple(np.mean([s[m] for s in by_seed], axis=0)) for m in range(len(MODELS))]))
        print("\n".join(table(rows[-1:])[2:3]), flush=True)
    command = f"python -m ledg_tvm.compare --records {args.records}" + (f" --model {args.model}" if args.model != PRETRAINED else "")
    lines = page(command, args, last.target, table(rows), speed(args.model, last))
    print("\n".join(lines))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def page(command: str, args: argparse.Namespace, measured_on: str, ranks: list[str], times: list[tuple[str, float, float]]) -> list[str]:
    """The page of docs/results."""
    learn, seeds = args.learn, args.seeds
    timed = [f"| {what} | {a:.3f} | {b:.3f} | {a / b:.1f} |" for what, a, b in times]
    return [
        "# Ranking schedules of unseen tasks",
        "",
        f"Made by `{command} --learn {learn} --seeds {seeds}` on {machine()}; TVM {tvm.__version__}, Python {platform.python_version()}.",
        "",
        f"Candidates of tasks that no model was trained on, measured on {measured_on}, ranked without those {learn} that `learned` "
        f"models learned from (drawn by "
        f"{seeds} seeds, the same for all models; means). Each cell: the best measured latency over that of the candidate ranked "
        "first / over the best among the first five / share of pairs in order.",
        "",
        *ranks,
        "",
        "`random` is the expectation of scores that know nothing. `XGBModel, learned` is TVM's own model.",
        "",
        "## Speed",
        "",
        "CPU seconds, least of several runs in the same process, candidate objects to scores.",
        "",
        "| work | XGBModel | ledg | ratio |",
        "|---|---|---|---|",
        *timed,
    ]


if __name__ == "__main__":
    main()
