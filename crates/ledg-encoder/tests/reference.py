#!/usr/bin/env python3
"""Writes reference.json: the f32 forward pass of all-MiniLM-L6-v2 in plain numpy, with mean pooling.

    python3 tests/reference.py DIR_WITH_model.safetensors_AND_vocab.txt > tests/reference.json

Independent of the Rust code on purpose: own safetensors reader, own WordPiece, own BERT (Devlin et al. 2018, post-norm).
"""

import json
import math
import re
import struct
import sys

import numpy as np

SENTENCES = ["ParamL Conv 3", "Nv GPU FP32 8.1 Turing 70W", "Act Relu", "Norm LayerNorm", "ParamL Gemm"]
HEADS, EPS = 12, 1e-12


def weights(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n])
    out = {}
    for name, info in header.items():
        if name != "__metadata__" and info["dtype"] == "F32":
            a, b = (8 + n + o for o in info["data_offsets"])
            out[name] = np.frombuffer(data[a:b], "<f4").reshape(info["shape"])
    return out


def tokens(sentence, vocab):
    out = ["[CLS]"]
    for word in re.findall(r"\w+|[^\w\s]", sentence.lower()):
        at = 0
        while at < len(word):
            end = len(word)
            while (("##" if at else "") + word[at:end]) not in vocab:
                end -= 1
                assert end > at, f"{word} needs [UNK]: not for this script"
            out.append(("##" if at else "") + word[at:end])
            at = end
    return out + ["[SEP]"]


def norm(x, w, name):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + EPS) * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def bert(ids, w):
    e, t = "embeddings.", len(ids)
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:t]
    x = norm(x + w[e + "token_type_embeddings.weight"][0], w, e + "LayerNorm")
    for i in range(6):
        p = f"encoder.layer.{i}."
        q, k, v = (
            linear(x, w, f"{p}attention.self.{n}").reshape(t, HEADS, -1).transpose(1, 0, 2) for n in ("query", "key", "value")
        )
        a = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        a = np.exp(a - a.max(-1, keepdims=True))
        a = a / a.sum(-1, keepdims=True)
        h = (a @ v).transpose(1, 0, 2).reshape(t, -1)
        x = norm(x + linear(h, w, p + "attention.output.dense"), w, p + "attention.output.LayerNorm")
        h = linear(x, w, p + "intermediate.dense")
        h = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
        x = norm(x + linear(h, w, p + "output.dense"), w, p + "output.LayerNorm")
    return x.mean(0)


def main(directory):
    w = {k: v.astype(np.float64) for k, v in weights(directory + "/model.safetensors").items()}
    vocab = {t: i for i, t in enumerate(open(directory + "/vocab.txt", encoding="utf-8").read().split("\n"))}
    rows = []
    for s in SENTENCES:
        toks = tokens(s, vocab)
        print(toks, file=sys.stderr)
        vector = bert([vocab[t] for t in toks], w)
        rows.append({"sentence": s, "vector": [round(float(v), 6) for v in vector]})
    print("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]")


main(sys.argv[1])
