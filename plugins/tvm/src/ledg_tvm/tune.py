"""`python -m ledg_tvm.tune matmul --trials 64`: tunes one of the examples and prints the best latency."""

from __future__ import annotations

import argparse
import logging

from .model import PRETRAINED, LedgCostModel
from .tuning import best_s, tune
from .workloads import NAMES, workload


def main() -> None:
    parser = argparse.ArgumentParser(prog="ledg_tvm.tune", description="Tunes one of the examples with ledg's model.")
    parser.add_argument("workload", choices=[*NAMES, "resnet18"])
    parser.add_argument("--trials", type=int, default=64, help="candidates measured")
    parser.add_argument("--per-round", type=int, default=16, help="candidates measured between updates")
    parser.add_argument("--model", default=PRETRAINED, help="a schedule model; the one that ships unless told otherwise")
    parser.add_argument("--untrained", action="store_true", help="start from nothing")
    parser.add_argument("--xgb", action="store_true", help="TVM's own model instead")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    model = "xgb" if args.xgb else LedgCostModel(None if args.untrained else args.model, args.seed)
    database = tune(
        workload(args.workload), trials=args.trials, per_round=args.per_round, cost_model=model, seed=args.seed
    )
    # Of a network TVM's own table, printed above, has the sum over its tasks.
    best = "fastest task" if args.workload == "resnet18" else "best"
    print(f"{args.workload}: {best} {best_s(database) * 1e3:.4f} ms of {len(database.get_all_tuning_records())} kept")


if __name__ == "__main__":
    main()
