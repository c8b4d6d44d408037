"""Ranks a folder of models by latency on each device. What cannot be ranked is named, with its reason."""

import argparse
import sys
from pathlib import Path

import numpy as np

import ledg


def dimension(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    return name, int(size)


def read(path: Path, sizes: dict[str, int]) -> "ledg.Graph | None":
    try:
        return ledg.Graph.from_onnx_file(path, sizes)
    except ledg.LedgError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("device", nargs="+")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dim", type=dimension, action="append", default=[], metavar="NAME=N",
                        help="the size of a dynamic dimension")
    options = parser.parse_args()
    read_all = [(path, read(path, dict(options.dim))) for path in sorted(options.folder.glob("*.onnx"))]
    names = [path.name for path, graph in read_all if graph is not None]
    graphs = [graph for _, graph in read_all if graph is not None]
    if not graphs:
        print(f"{options.folder}: there is no model to rank", file=sys.stderr)
        return 1
    model, registry = ledg.Model.default(), ledg.Registry()
    for device in options.device:
        hardware = registry.get(device)
        answers = model.predict(graphs, [hardware], batch_sizes=[options.batch])
        print(f"{hardware.name}, batch {options.batch}")
        for i in np.argsort(answers.latency_s, kind="stable"):
            if answers.status[i] != 0:
                print(f"  {names[i]}: {ledg.status_name(answers.status[i])}")
            else:
                lo, hi = answers.lo_s[i], answers.hi_s[i]
                print(f"  {names[i]}: {answers.latency_s[i]:.6g} s, between {lo:.6g} and {hi:.6g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
