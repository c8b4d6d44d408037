"""What a tuning task computes, as the library wants to know it: blocks, loops, accesses, operations."""

from __future__ import annotations

import json
from typing import Any, Optional

import tvm
from tvm import sym
from tvm_ffi import structural_walk

_FLOAT_OPERATIONS = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Call", "FloorDiv", "FloorMod")


def _kind(node: Any) -> str:
    return type(node).__name__


def task_of(mod: Any, name: str, target: Optional[Any] = None) -> dict[str, Any]:
    """The task of a module: its blocks in order of execution, and the vectors of the target where that is known."""
    blocks: list[dict[str, Any]] = []
    for _, function in mod.functions_items():
        _walk(function.body, [], blocks)
    task: dict[str, Any] = {"name": name, "blocks": blocks}
    if (wide := vector_bytes(target)) is not None:
        task["vector_bytes"] = wide
    return task


def task_json(mod: Any, name: str, target: Optional[Any] = None) -> str:
    return json.dumps(task_of(mod, name, target), separators=(",", ":"))


def vector_bytes(target: Optional[Any]) -> Optional[int]:
    """Bytes of a vector register of an x86 target, else of NEON; None for a target that is no CPU."""
    if target is None or target.kind.name != "llvm":
        return None
    has = tvm.target.codegen.target_has_features
    return 64 if has("avx512f", target) else 32 if has("avx", target) else 16


def _walk(node: Any, loops: list[Any], blocks: list[dict[str, Any]]) -> None:
    kind = _kind(node)
    if kind == "For":
        _walk(node.body, [*loops, node], blocks)
    elif kind == "SeqStmt":
        for statement in node.seq:
            _walk(statement, loops, blocks)
    elif kind in ("SBlockRealize", "BlockRealize"):
        block = node.block
        if not block.iter_vars and not loops:  # the block around all
            _walk(block.body, loops, blocks)
        else:
            blocks.append(_block(node, loops))
    elif hasattr(node, "body"):
        _walk(node.body, loops, blocks)


def _block(realize: Any, loops: list[Any]) -> dict[str, Any]:
    block = realize.block
    loop_vars = [l.loop_var for l in loops]
    axis_of = {}  # variable of the block -> index of its loop
    reduce = [False] * len(loops)
    for var, value in zip(block.iter_vars, realize.iter_values):
        index = next((i for i, l in enumerate(loop_vars) if l.same_as(value)), None)
        if index is None:
            continue
        axis_of[var.var] = index
        reduce[index] = int(var.iter_type) == 2
    axes = [{"extent": int(l.extent), "reduce": r} for l, r in zip(loops, reduce)]
    accesses = [_access(region, axis_of, write=False) for region in block.reads]
    accesses += [_access(region, axis_of, write=True) for region in block.writes]
    return {"name": str(block.name_hint), "axes": axes, "flops": float(_flops(block.body)), "accesses": accesses}


def _access(region: Any, axis_of: dict[Any, int], write: bool) -> dict[str, Any]:
    buffer = region.source
    bits = tvm.DataType(str(buffer.dtype)).bits
    dims = []
    for part in region.region:
        steps: dict[int, int] = {}
        for var, step in _linear(part.min, axis_of):
            steps[var] = steps.get(var, 0) + step
        dims.append(sorted((a, s) for a, s in steps.items() if s != 0))
    return {"buffer": str(buffer.name), "element_bytes": max(1, bits // 8), "write": write, "dims": dims}


def _linear(expression: Any, axis_of: dict[Any, int]) -> list[tuple[int, int]]:
    """Steps of the terms that are linear in the block's variables; other terms are left out."""
    kind = _kind(expression)
    if kind in ("Add", "Sub"):
        sign = 1 if kind == "Add" else -1
        right = [(a, sign * s) for a, s in _linear(expression.b, axis_of)]
        return _linear(expression.a, axis_of) + right
    variables = list(axis_of)
    if not variables:
        return []
    coefficients = sym.detect_linear_equation(expression, variables)
    if len(coefficients) != len(variables) + 1:
        return []
    steps = zip(coefficients, variables)
    return [(axis_of[v], int(c)) for c, v in steps if _kind(c) == "IntImm" and int(c) != 0]


def _flops(body: Any) -> int:
    """Floating-point operations of one execution of a statement."""
    count = 0

    def visit(node: Any) -> None:
        nonlocal count
        if _kind(node) in _FLOAT_OPERATIONS and str(node.ty).startswith(("float", "bfloat")):
            if _kind(node) != "Call" or "if_then_else" not in str(node.op):
                count += 1

    structural_walk(body, visit)
    return count
