"""Ranks a folder of models by latency on each device: rank.py FOLDER DEVICE..."""

import sys
from pathlib import Path

import numpy as np

import ledg


def main(folder: str, *devices: str) -> int:
    paths = sorted(Path(folder).glob("*.onnx"))
    model, registry = ledg.Model.default(), ledg.Registry()
    graphs = [ledg.Graph.from_onnx_file(path) for path in paths]
    for device in devices:
        hardware = registry.get(device)
        answers = model.predict(graphs, [hardware], batch_sizes=[8])
        print(f"{hardware.name}, batch 8")
        for i in np.argsort(answers.latency_s, kind="stable"):
            if answers.status[i] != 0:
                print(f"  {paths[i].name}: {ledg.status_name(answers.status[i])}")
            else:
                lo, hi = answers.lo_s[i], answers.hi_s[i]
                print(f"  {paths[i].name}: {answers.latency_s[i]:.6g} s, between {lo:.6g} and {hi:.6g}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: rank.py FOLDER DEVICE...")
    sys.exit(main(*sys.argv[1:]))
