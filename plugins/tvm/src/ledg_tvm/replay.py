"""Records as TVM's candidates again: a printed trace is applied to its task."""

from __future__ import annotations

import ast
import json
from typing import Any

import tvm
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule.runner import RunnerResult

# What a printed trace is made of. It is Python, so nothing else is run.
_ALLOWED = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.Expr, ast.Call, ast.Attribute, ast.Name, ast.keyword,
    ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.UnaryOp, ast.USub, ast.Load, ast.Store, ast.Pass,
)  # fmt: skip


def apply_trace(schedule: Any, trace: str) -> None:
    """Applies a printed trace to a schedule.

    Raises:
        ValueError: text that is anything else than calls of the schedule's primitives.
    """
    tree = ast.parse(trace)
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(f"a trace has no {type(node).__name__}, line {getattr(node, 'lineno', '?')}")
        if isinstance(node, ast.Attribute) and (node.attr.startswith("_") or getattr(node.value, "id", "") not in ("sch", "s_tir")):
            raise ValueError(f"a trace calls only primitives of `sch`, line {node.lineno}")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "sch"):
            raise ValueError(f"a trace calls only primitives of `sch`, line {node.lineno}")
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].decorator_list:
        raise ValueError("a trace is one function `apply_trace`")
    tree.body[0].args.args[0].annotation = tree.body[0].returns = None
    names: dict[str, Any] = {"__builtins__": {}}
    exec(compile(tree, "(trace)", "exec"), names)  # noqa: S102: checked above
    names["apply_trace"](schedule)


def read_task(lines: list[str], mod: Any) -> tuple[list[Any], list[Any]]:
    """Candidates and results of one task's records."""
    candidates, results = [], []
    for value in map(json.loads, lines):
        if "trace" not in value:
            continue
        schedule = Schedule(mod)
        apply_trace(schedule, value["trace"])
        candidates.append(ms.MeasureCandidate(schedule, []))
        results.append(RunnerResult(value.get("runs_s"), value.get("failed")))
    return candidates, results


def context_of(mod: Any, target: Any, name: str) -> Any:
    """A context to ask cost models in."""
    module = mod if isinstance(mod, tvm.IRModule) else tvm.IRModule({"main": mod})
    return ms.TuneContext(mod=module, target=target, space_generator="post-order-apply", task_name=name, rand_state=1, num_threads=1)
