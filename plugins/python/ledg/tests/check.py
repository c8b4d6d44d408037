"""Everything the package reaches, asked once: check.py MODEL.onnx FOLDER. Run by the project's tests."""

import sys
import threading
from pathlib import Path

import numpy as np

import ledg

DEVICE = """
schema = 1
name = "check-chip"
vendor = "Check"
vendor_short = "Ck"
kind = "npu"
architecture = "One"
memory_bandwidth_gb_s = 100
default_runtime = "pytorch2.1-fp32-nchw-eager"
runtimes = ["pytorch2.1-fp32-nchw-eager"]

[peak]
fp32 = 4

[[source]]
fields = ["memory_bandwidth_gb_s", "peak.fp32"]
title = "A chip of this test"
publisher = "ledg"
"""


def fails(status: str, call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except ledg.LedgError as error:
        assert error.name == status, error
        return str(error)
    raise AssertionError(f"{call} did not fail")


def main(path: str, folder: Path) -> None:
    model, registry = ledg.Model.default(), ledg.Registry()
    assert model.info.records > 1000 and model.info.calibrated_platforms == 0
    before = len(registry)
    registry.add_toml("check.toml", DEVICE)
    assert len(registry) == before + 1 and "check-chip" in list(registry)
    own = ledg.Hardware.from_toml(DEVICE)
    assert own.name == registry.get("check-chip").name

    graph = ledg.Graph.from_onnx_file(path)
    again = ledg.Graph.from_json(graph.to_json())
    assert graph.hash == again.hash and graph.node_names == again.node_names
    assert ledg.Graph.from_onnx(Path(path).read_bytes()).hash == graph.hash
    assert graph.with_batch(4).hash != graph.hash
    assert model.coverage(graph) == 1.0
    assert "ParamL Conv 3" in model.explain(graph) and model.explain(graph, json=True).startswith("{")

    t4 = registry.get("t4")
    sizes = np.arange(1, 101, dtype=np.uint64)
    many = model.predict([graph], [t4], sizes)
    one = np.array([model.predict([graph], [t4], [b]).latency_s[0] for b in sizes])
    assert (many.latency_s == one).all(), "a row has the bits that it has alone"
    assert (many.lo_s < many.latency_s).all() and (many.latency_s < many.hi_s).all() and (many.status == 0).all()
    threaded = model.predict([graph, again] * 50, [t4], sizes, threads=4)
    assert (threaded.latency_s == many.latency_s).all()
    assert (model.rank_scores([graph], [t4], sizes) == -np.log(many.latency_s)).all()
    into = ledg.Predictions(100)
    address = into.latency_s.ctypes.data
    assert model.predict([graph], [t4], sizes, out=into) is into and into.latency_s.ctypes.data == address
    assert (into.latency_s == many.latency_s).all()
    mine = np.zeros((2, 100))
    into.latency_s = mine[1]
    model.predict([graph], [t4], sizes, out=into)
    assert (mine[1] == many.latency_s).all() and (mine[0] == 0).all(), "written in place, without a copy"
    for wrong in (np.zeros(100, dtype=np.float32), np.zeros(99), np.zeros(200)[::2], np.broadcast_to(0.0, 100)):
        into.hi_s = wrong
        try:
            model.predict([graph], [t4], sizes, out=into)
        except ValueError as error:
            assert "hi_s" in str(error)
        else:
            raise AssertionError(f"{wrong.dtype} {wrong.strides} was taken")

    nodes = model.predict_nodes(graph, t4, 8)
    whole = model.predict([graph], [t4], [8]).latency_s[0]
    assert abs(nodes.latency_s.sum() / whole - 1) < 1e-9 and nodes.name[0] == graph.node_names[nodes.origins[0][0]]

    mixed = model.predict([graph], [t4], [8, 0])
    assert mixed.status[0] == 0 and mixed.status[1] < 0 and np.isnan(mixed.latency_s[1]) and mixed.latency_s[0] == whole
    kept = ledg.Predictions(1)
    kept.latency_s[0] = 7
    fails("LEDG_E_INTERVAL", model.predict, [graph], [t4], coverage=float("nan"), out=kept)
    fails("LEDG_E_INVALID", model.predict, [graph] * 2, [t4] * 3)
    fails("LEDG_E_INVALID", model.predict, [graph], [t4] * 3, out=kept)
    assert kept.latency_s[0] == 7
    assert "rtx4090" in fails("LEDG_E_HARDWARE", registry.get, "rtx409")
    cancel = ledg.Cancel()
    cancel.request()
    fails("LEDG_E_CANCELLED", model.predict, [graph], [t4], cancel=cancel)

    records = ledg.Records()
    assert (model.calibrate(records).predict([graph], [t4], sizes).latency_s == many.latency_s).all()
    records.push(graph, t4, 8, [2 * whole, 2.02 * whole, 1.98 * whole])
    records.push_failed(graph, t4, 100_000, "out of memory")
    calibrated = model.calibrate(records)
    answers = calibrated.predict([graph], [t4], [8])
    assert 1.8 < answers.latency_s[0] / whole < 2 and answers.evidence[0] & ledg.EVIDENCE_CALIBRATION
    calibrated.save(folder / "calibrated.ledg")
    records.save(folder / "records.jsonl")
    loaded = ledg.Model.load(folder / "calibrated.ledg")
    assert loaded.predict([graph], [t4], [8]).latency_s[0] == answers.latency_s[0]
    assert loaded.info.calibrated_platforms == 1
    assert len(ledg.Records.load(folder / "records.jsonl")) == 2
    records.push(graph, t4, 8, [whole])
    fails("LEDG_E_RECORDS", model.calibrate, records)

    single = graph.with_batch(1)
    session = ledg.Session(model, single, [t4, own], [8])
    relus = [name for name in single.node_names if "relu" in name.lower()]
    candidates = [[], [ledg.Edit.replace(relus[0], "Sigmoid")], [ledg.Edit.remove(relus[1]), ledg.Edit.remove(relus[2])]]
    rows = session.predict(candidates + [[ledg.Edit.remove("nobody")]])
    assert (rows.status[:6] == 0).all() and np.isnan(rows.latency_s[6:]).all()
    assert ledg.status_name(rows.status[6]) == "LEDG_E_EDIT"
    assert abs(rows.latency_s[0] / whole - 1) < 1e-6
    for i, edits in enumerate(candidates[1:], 1):
        other = ledg.Session(model, single, [t4])
        other.apply(edits)
        expected = model.predict([other.graph], [t4, own], [8]).latency_s
        assert np.allclose(rows.latency_s[2 * i : 2 * i + 2], expected, rtol=1e-6)
    output = "%s.more" % relus[0]
    insert = ledg.Edit.insert("more", "Relu", [output + ".in"], output, [1, 8], dtype="f16", attrs={"a": [1, 2], "b": 0.5})
    assert "more.in" in fails("LEDG_E_EDIT", session.apply, [insert])
    fails("LEDG_E_GRAPH", ledg.Session, model, graph.with_batch(4), [t4])

    results = [None] * 4
    def work(i: int) -> None:
        results[i] = model.predict([graph], [t4], sizes).latency_s
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all((r == many.latency_s).all() for r in results)
    print("all is well")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
