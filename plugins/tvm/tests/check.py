"""The plugin against the library: `LEDG_LIBRARY=... python plugins/tvm/tests/check.py`. Without TVM it skips, saying so."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile

try:
    import tvm  # noqa: F401
except ImportError:
    print("skipped: plugins/tvm/tests/check.py: there is no tvm in this Python (see plugins/tvm/README.md)")
    sys.exit(0)

import numpy as np
from ledg_tvm import LedgCostModel, task_of
from ledg_tvm._abi import LedgError, ScheduleModel
from ledg_tvm._task import task_json, vector_bytes
from ledg_tvm.collect import write
from ledg_tvm.compare import expected_of_random, figures_of
from ledg_tvm.model import PRETRAINED, record
from ledg_tvm.replay import apply_trace, context_of
from ledg_tvm.tuning import is_relax, lowered, this_cpu
from ledg_tvm.tunings import How, best_of, table
from ledg_tvm.workloads import COLLECTED, HELD_OUT, IN_TURNS, name_of, operator, workload
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.runner import RunnerResult as Result


def context(kind: str, shape: tuple[int, ...]) -> ms.TuneContext:
    target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
    return ms.TuneContext(
        mod=operator(kind, shape), target=target, space_generator="post-order-apply", task_name="t", rand_state=1, num_threads=1
    )


def candidates(ctx: ms.TuneContext, rounds: int) -> list[ms.MeasureCandidate]:
    out = []
    for _ in range(rounds):
        for sch in ctx.generate_design_space():
            if all(p.apply(sch) for p in ctx.space_generator.postprocs):
                out.append(ms.MeasureCandidate(sch, []))
    return out


def check_tasks() -> None:
    assert len(COLLECTED) >= 30
    for kind, shape in COLLECTED:
        task = task_of(tvm.IRModule({"main": operator(kind, shape)}), kind)
        assert task["blocks"] and all(b["accesses"] for b in task["blocks"]), (kind, task)
        assert any(b["flops"] > 0 for b in task["blocks"]), kind
    names = [name_of(*c) for c in IN_TURNS]
    assert len(set(names)) == len(names) > 120 and not set(names) & set(HELD_OUT)


def check_network() -> None:
    """A network of relax is many tasks, each of which the library takes."""
    target = tvm.target.Target({"kind": "llvm", "num-cores": 1})
    network = workload("resnet18")
    assert is_relax(network) and not is_relax(tvm.IRModule({"main": operator("matmul", (64, 64, 64))}))
    tasks = ms.relax_integration.extract_tasks(lowered(network, target), target, {})
    assert len(tasks) > 20, len(tasks)
    for task in tasks:
        blocks = task_of(task.dispatched[0], task.task_name)["blocks"]
        assert blocks and all(b["accesses"] for b in blocks), task.task_name


def check_model() -> None:
    ctx = context("matmul", (64, 64, 64))
    some = candidates(ctx, 6)
    model = LedgCostModel(None, seed=3)
    first = model.predict(ctx, some)
    assert first.shape == (len(some),) and np.array_equal(LedgCostModel(None, seed=3).predict(ctx, some), first)
    model.update(ctx, [], [])  # zero records
    model.update(ctx, some[:2], [Result(None, "build failed"), Result(None, "timeout")])
    assert np.isfinite(model.predict(ctx, some)).all(), "failures alone teach nothing and break nothing"
    # A law that the numbers tell: the outermost parallel loop's extent.
    seconds = [1e-3 * (1 + str(c.sch.trace).count("1,")) for c in some]
    model.update(ctx, some, [Result([s], None) for s in seconds])
    scores = model.predict(ctx, some)
    assert np.isfinite(scores).all() and scores.std() > 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        model.save(path)
        other = LedgCostModel(None)
        other.load(path)
        assert np.array_equal(other.predict(ctx, some), scores)
        assert other.jsonl() == model.jsonl()


def check_shipped() -> None:
    ctx = context("depthwise", (1, 8, 8, 16, 3, 1, 1))
    some = candidates(ctx, 4)
    model = LedgCostModel()
    assert model.model.records > 1000
    scores = model.predict(ctx, some)
    assert np.isfinite(scores).all() and len(set(scores)) > 1
    assert np.array_equal(LedgCostModel(seed=5).predict(ctx, some), scores), "a seed does not matter before an update"
    raw, _ = model.model.score(task_json(ctx.mod, "depthwise", ctx.target), [str(c.sch.trace) for c in some])
    assert (scores > 0).all() and np.array_equal(np.argsort(scores), np.argsort(raw)), "MetaSchedule takes scores below 0 for 0"
    ratios = model.predict(ctx, some[:2]) / scores[:2]
    assert np.allclose(ratios, 1.0), "what is asked together does not matter"


def check_target() -> None:
    wide = {cpu: vector_bytes(this_cpu(mcpu=cpu)) for cpu in ("x86-64", "znver3", "znver5")}
    assert wide == {"x86-64": 16, "znver3": 32, "znver5": 64}, wide
    assert vector_bytes(None) is None and "vector_bytes" not in task_of(context("softmax", (16, 32)).mod, "softmax")


def check_abi() -> None:
    ctx = context("softmax", (16, 32))
    task = task_json(ctx.mod, "softmax")
    traces = [str(c.sch.trace) for c in candidates(ctx, 1)]
    model = ScheduleModel.untrained(1)
    try:
        model.score(task, traces)
        raise AssertionError("an untrained model scored")
    except LedgError as e:
        assert "untrained" in str(e)
    lines = [json.dumps({"version": 1, "task": json.loads(task)})]
    lines += [record("softmax", t, [1e-3 * (i + 1)]) for i, t in enumerate(traces)]
    model = model.update("\n".join(lines))
    assert model.records == len(traces)
    scores, status = model.score(task, [*traces, "sch.frobnicate(1)"])
    assert np.isfinite(scores[:-1]).all() and np.isnan(scores[-1]) and status[-1] < 0 and not status[:-1].any()
    alone = np.array([model.score(task, [t])[0][0] for t in traces])
    assert np.array_equal(alone, scores[:-1]), "a batch equals its parts"
    graph = json.loads(model.graph(task, traces[0]))
    assert graph["version"] == 2 and len(graph["nodes"]) > 10 and np.isfinite(graph["cycles"])


def check_replay() -> None:
    mod = operator("conv", (1, 8, 8, 4, 8, 3, 1, 1))
    ctx = context_of(mod, tvm.target.Target({"kind": "llvm", "num-cores": 1}), "t")
    for candidate in candidates(ctx, 2):
        schedule = Schedule(mod)
        apply_trace(schedule, str(candidate.sch.trace))
        assert str(schedule.trace) == str(candidate.sch.trace)
        tvm.ir.assert_structural_equal(schedule.mod, candidate.sch.mod)
    head = "def apply_trace(sch):\n  "
    for text in ("import os", "open('x')", "sch.mod.show()", "sch.__class__()", "[x for x in sch]", "(lambda: 1)()"):
        try:
            apply_trace(Schedule(mod), head + text)
        except ValueError as e:
            assert str(e).startswith("a trace "), e
        else:
            raise AssertionError(f"ran {text!r}")


def check_figures() -> None:
    merits = np.array([0.5, 1.0, 0.0])
    assert figures_of(np.array([3.0, 2.0, 1.0]), merits) == (0.5, 1.0, 2 / 3)
    # Ten candidates, five drawn: the best is among them half of the time.
    top1, top5, _ = expected_of_random(np.array([1.0] + [0.0] * 9))
    assert abs(top1 - 0.1) < 1e-12 and abs(top5 - 0.5) < 1e-12


def check_tunings() -> None:
    """The best by its median, nothing that failed; ratios and means by hand; tunings that are kept are not run again."""
    lines = [
        {"of": "t", "trace": "lucky once", "runs_s": [1.0, 9.0, 9.0]},
        {"of": "t", "trace": "best", "runs_s": [3.0, 2.0, 2.0]},
        {"of": "t", "trace": "broken", "failed": "no"},
    ]
    assert best_of(lines) == "best" and best_of(lines[:1]) == "lucky once"
    rows = table([("a", {"XGBModel": [1e-3], "ledg": [5e-4]}), ("b", {"XGBModel": [1e-3], "ledg": [2e-3]})], [64])
    assert rows[2] == "| a | 1.0000 | 0.5000 | 0.500 |" and "**1.000**" in rows[4] and "1 of 2" in rows[5], rows
    with tempfile.TemporaryDirectory() as folder:
        how = How(folder, 2, 2, PRETRAINED, this_cpu(mcpu="znver3"), None)
        shape = (64, 64, 64)
        with open(PRETRAINED, "rb") as file:
            model = hashlib.sha256(file.read()).hexdigest()
        head = {"trials": 2, "per_round": 2, "mcpu": "znver3", "model": model}
        write(how.path("matmul_64x64x64", "ledg", 0), [json.dumps(head), *map(json.dumps, lines[:2])])
        assert how.tuned("matmul", shape, "ledg", 0) == lines[:2]


if __name__ == "__main__":
    check_tasks()
    check_network()
    check_replay()
    check_figures()
    check_tunings()
    check_model()
    check_shipped()
    check_target()
    check_abi()
    print("plugins/tvm: all checks passed")
