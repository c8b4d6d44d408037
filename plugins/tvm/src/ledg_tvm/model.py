"""The cost model that MetaSchedule asks: load, save, update, predict."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import zipfile
from typing import Any, Optional

import numpy as np
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule.cost_model import PyCostModel
from tvm_ffi import structural_hash

from ._abi import LedgError, ScheduleModel
from ._task import task_json

logger = logging.getLogger("ledg_tvm")

# The model that ships with this package, pretrained on records of many tasks.
PRETRAINED = os.path.join(os.path.dirname(__file__), "schedules.ledg")
# Measured candidates of other tasks that an update also sees, the latest of them.
OTHERS = 256
# A score lower by this has odds lower by a factor of e.
TEMPERATURE = 1.0
# Largest exponent of odds.
LARGEST = 100.0
# Retrain when this share of candidates is new.
RETRAIN = 0.1


def record(of: str, trace: str, runs_s: Optional[list[float]], failed: str = "") -> str:
    """A measured candidate as a line."""
    line: dict[str, Any] = {"version": 1, "of": of, "trace": trace}
    if runs_s:
        line["runs_s"] = runs_s
    else:
        line["failed"] = failed or "no runs"
    return json.dumps(line, separators=(",", ":"))


def runs_of(result: Any) -> Optional[list[float]]:
    """Seconds of a measurement's runs; None for one that failed."""
    if result.error_msg is not None or not result.run_secs:
        return None
    runs = [float(s) for s in result.run_secs]
    return runs if all(np.isfinite(runs)) and min(runs) > 0.0 else None


@derived_object
class LedgCostModel(PyCostModel):
    """ledg's schedule model for MetaSchedule.

    `path` is a pretrained model, the one that ships unless told otherwise; with None it starts from nothing, gives random scores until
    its first update, and says so. `seed` decides those scores and the initial weights.
    """

    def __init__(self, path: Optional[str] = PRETRAINED, seed: int = 0) -> None:
        super().__init__()
        self.base = ScheduleModel.load(os.fspath(path)) if path else ScheduleModel.untrained(seed)
        self.model = self.base
        self.random = np.random.default_rng(seed)
        self.tasks: dict[str, str] = {}  # name -> JSON
        self.lines: dict[str, list[str]] = {}  # name -> measured candidates
        self.levels: dict[str, float] = {}  # name -> the best score of the first question since the last update
        self.learned = 0
        self.said_untrained = False

    def task(self, context: Any) -> str:
        """Name of the context's task; its description is kept."""
        name = f"{context.task_name or 'main'}:{structural_hash(context.mod):016x}"
        if name not in self.tasks:
            self.tasks[name] = task_json(context.mod, name, context.target)
        return name

    def predict(self, context: Any, candidates: list[Any]) -> np.ndarray:
        n = len(candidates)
        if self.model.records == 0:
            if not self.said_untrained:
                logger.warning("the schedule model has learned from nothing yet: scores are random until its first update")
                self.said_untrained = True
            return self.random.random(n)
        name = self.task(context)
        scores, status = self.model.score(self.tasks[name], [str(c.sch.trace) for c in candidates])
        failed = status != 0
        if failed.any():
            logger.warning("%d of %d candidates could not be read, they are ranked last", int(failed.sum()), n)
        return self.odds(name, scores, failed)

    def odds(self, name: str, scores: np.ndarray, failed: np.ndarray) -> np.ndarray:
        """Scores as MetaSchedule wants them: it takes what is below 0 for 0, so that half of ours would be ties, and draws what it
        mutates in proportion to them. Ours are logarithms of odds with no zero of their own, so these are the odds to the best
        candidate of the first question since the last update: above 0 and in the same order whatever is asked next."""
        out = np.zeros(len(scores))
        if not failed.all():
            level = self.levels.setdefault(name, float(scores[~failed].max()))
            out[~failed] = np.exp(np.clip((scores[~failed] - level) / TEMPERATURE, -LARGEST, LARGEST))
        return out

    def update(self, context: Any, candidates: list[Any], results: list[Any]) -> None:
        if len(candidates) == 0:
            return
        name = self.task(context)
        own = self.lines.setdefault(name, [])
        unreadable = 0
        for candidate, result in zip(candidates, results):
            trace = str(candidate.sch.trace)
            try:
                self.base.graph(self.tasks[name], trace)
            except LedgError:
                unreadable += 1
                continue
            failed = str(result.error_msg)[:200] if result.error_msg is not None else ""
            own.append(record(name, trace, runs_of(result), failed))
        if unreadable:
            logger.warning("%d of %d measured candidates could not be read, nothing is learned from them", unreadable, len(candidates))
        total = sum(len(lines) for lines in self.lines.values())
        if total - self.learned < max(1, int(RETRAIN * self.learned)):
            return
        if not self.can_learn():
            return
        self.model = self.base.update(self.jsonl(name))
        self.levels.clear()
        self.learned = total

    def can_learn(self) -> bool:
        """Whether any task has two candidates that differ in outcome, one of them measured."""
        return any(len(set(lines)) > 1 and any('"runs_s"' in l for l in lines) for lines in self.lines.values())

    def jsonl(self, current: Optional[str] = None) -> str:
        """All records, or those an update sees: all of the current task and the latest of others."""
        out = []
        for name, lines in self.lines.items():
            out.append(f'{{"version":1,"task":{self.tasks[name]}}}')
            out.extend(lines if current in (None, name) else lines[-OTHERS // max(1, len(self.lines) - 1) :])
        return "\n".join(out)

    def save(self, path: str) -> None:
        """Writes model and records into one file."""
        with tempfile.TemporaryDirectory() as scratch:
            inner = os.path.join(scratch, "model.ledg")
            temporary = f"{path}.{os.getpid()}.tmp"
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, model in (("base.ledg", self.base), ("model.ledg", self.model)):
                    model.save(inner)
                    archive.write(inner, name)
                archive.writestr("records.jsonl", self.jsonl())
            os.replace(temporary, path)

    def load(self, path: str) -> None:
        """Reads what `save` wrote, or a bare schedule model."""
        if not zipfile.is_zipfile(path):
            self.base = self.model = ScheduleModel.load(path)
            self.levels.clear()
            return
        with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(path) as archive:
            self.base = ScheduleModel.load(archive.extract("base.ledg", scratch))
            self.model = ScheduleModel.load(archive.extract("model.ledg", scratch))
            lines = archive.read("records.jsonl").decode().splitlines()
        self.tasks, self.lines, self.levels = {}, {}, {}
        for line in lines:
            value = json.loads(line)
            if "task" in value:
                self.tasks[value["task"]["name"]] = json.dumps(value["task"], separators=(",", ":"))
            else:
                self.lines.setdefault(value["of"], []).append(line)
        self.learned = sum(len(lines) for lines in self.lines.values())
