"""Operators and networks to tune: the examples, and the tasks that records are collected of."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Callable

from tvm import te
from tvm.s_tir.meta_schedule.testing import te_workload as W

NAMES = ("matmul", "conv", "depthwise", "softmax")

_OPERATORS: dict[str, Callable[..., Any]] = {
    "matmul": W.matmul,
    "matmul_relu": W.matmul_relu,
    "batch_matmul": W.batch_matmul_nkkm,
    "transpose_batch_matmul": W.transpose_batch_matmul,
    "conv1d": W.conv1d_nlc,
    "conv": W.conv2d_nhwc,
    "conv_bn_relu": W.conv2d_nhwc_bn_relu,
    "conv_nchw": W.conv2d_nchw,
    "conv3d": W.conv3d_ndhwc,
    "depthwise": W.depthwise_conv2d_nhwc,
    "deconv": W.conv2d_transpose_nhwc,
    "pool": W.max_pool2d_nchw,
    "softmax": W.softmax_mn,
    "norm": W.norm_bmn,
}

EXAMPLES: dict[str, tuple[int, ...]] = {
    "matmul": (512, 512, 512),
    "conv": (1, 28, 28, 128, 128, 3, 1, 1),
    "depthwise": (1, 56, 56, 128, 3, 1, 1),
    "softmax": (512, 1000),
}

# What records are collected of: layers of ResNet-18, MobileNet and BERT and what lies around them, small enough that a candidate
# runs in milliseconds on one core.
COLLECTED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("matmul", (128, 128, 128)),
    ("matmul", (256, 256, 256)),
    ("matmul", (384, 384, 384)),
    ("matmul", (64, 768, 768)),
    ("matmul", (64, 1024, 256)),
    ("matmul", (512, 64, 768)),
    ("matmul", (196, 192, 192)),
    ("matmul", (1000, 64, 512)),
    ("matmul_relu", (128, 256, 512)),
    ("matmul_relu", (49, 512, 320)),
    ("matmul_relu", (32, 768, 1024)),
    ("batch_matmul", (8, 64, 64, 64)),
    ("batch_matmul", (12, 96, 96, 64)),
    ("batch_matmul", (12, 64, 64, 64)),
    ("transpose_batch_matmul", (1, 96, 12, 64)),
    ("conv1d", (1, 256, 64, 64, 3, 1, 1)),
    ("conv1d", (1, 128, 128, 256, 3, 2, 1)),
    ("conv", (1, 56, 56, 64, 64, 3, 1, 1)),
    ("conv", (1, 56, 56, 64, 128, 3, 2, 1)),
    ("conv", (1, 28, 28, 64, 64, 1, 1, 0)),
    ("conv", (1, 28, 28, 96, 96, 3, 1, 1)),
    ("conv", (1, 14, 14, 256, 256, 3, 1, 1)),
    ("conv", (1, 14, 14, 192, 384, 1, 1, 0)),
    ("conv", (1, 112, 112, 3, 32, 3, 2, 1)),
    ("conv", (1, 112, 112, 3, 64, 7, 2, 3)),
    ("conv", (1, 7, 7, 256, 128, 3, 1, 1)),
    ("conv_bn_relu", (1, 28, 28, 64, 96, 3, 1, 1)),
    ("conv_bn_relu", (1, 28, 28, 128, 256, 1, 2, 0)),
    ("conv_bn_relu", (1, 14, 14, 128, 128, 3, 1, 1)),
    ("conv_nchw", (1, 28, 28, 32, 64, 3, 3, 1, 1)),
    ("conv_nchw", (1, 14, 14, 128, 256, 3, 3, 2, 1)),
    ("conv3d", (1, 8, 14, 14, 32, 32, 3, 1, 1)),
    ("depthwise", (1, 112, 112, 32, 3, 1, 1)),
    ("depthwise", (1, 56, 56, 96, 3, 2, 1)),
    ("depthwise", (1, 28, 28, 144, 3, 1, 1)),
    ("depthwise", (1, 28, 28, 192, 5, 1, 2)),
    ("depthwise", (1, 14, 14, 384, 3, 1, 1)),
    ("depthwise", (1, 14, 14, 240, 5, 2, 2)),
    ("deconv", (1, 8, 8, 64, 32, 4, 2, 1)),
    ("pool", (1, 56, 56, 64, 1)),
    ("softmax", (64, 128)),
    ("softmax", (256, 1000)),
    ("softmax", (1024, 196)),
    ("softmax", (768, 64)),
    ("norm", (1, 256, 256)),
    ("norm", (8, 64, 128)),
    ("norm", (64, 32, 96)),
)

# More shapes of the same kinds, to pretrain on only: layers of BERT, ViT, ResNet, MobileNet, EfficientNet and what lies around them. They
# are collected in turns of kinds, so that a collection that stops early has some of each.
_WIDER: dict[str, tuple[tuple[int, ...], ...]] = {
    "matmul": (
        (512, 512, 128), (128, 768, 256), (197, 384, 96), (64, 64, 1024), (320, 256, 192), (256, 1000, 128), (96, 512, 512), (768, 128, 128),
        (1024, 256, 64), (200, 300, 400), (16, 1024, 1024), (448, 224, 224),
    ),
    "conv_nchw": (
        (1, 56, 56, 32, 32, 3, 3, 1, 1), (1, 28, 28, 64, 128, 3, 3, 2, 1), (1, 14, 14, 96, 96, 3, 3, 1, 1), (1, 7, 7, 192, 192, 3, 3, 1, 1),
        (1, 28, 28, 96, 64, 1, 1, 1, 0), (1, 14, 14, 256, 128, 1, 1, 1, 0), (1, 56, 56, 16, 64, 3, 3, 2, 1), (1, 32, 32, 48, 64, 5, 5, 2, 2),
        (1, 64, 64, 3, 32, 3, 3, 2, 1), (1, 14, 14, 64, 256, 1, 1, 2, 0),
    ),
    "depthwise": (
        (1, 56, 56, 64, 3, 1, 1), (1, 28, 28, 240, 3, 2, 1), (1, 14, 14, 480, 3, 1, 1), (1, 14, 14, 96, 5, 1, 2), (1, 7, 7, 576, 5, 1, 2),
        (1, 56, 56, 48, 5, 2, 2), (1, 32, 32, 128, 5, 1, 2), (1, 112, 112, 16, 3, 2, 1), (1, 28, 28, 72, 5, 1, 2), (1, 7, 7, 960, 3, 1, 1),
    ),
    "softmax": ((128, 512), (512, 256), (96, 768), (1536, 49), (64, 1000), (384, 197), (2048, 32), (12, 1024), (200, 600), (49, 320)),
    "conv": (
        (1, 28, 28, 128, 64, 3, 1, 1), (1, 14, 14, 96, 160, 3, 1, 1), (1, 56, 56, 24, 72, 1, 1, 0), (1, 28, 28, 48, 192, 1, 1, 0),
        (1, 7, 7, 320, 320, 1, 1, 0), (1, 14, 14, 128, 128, 5, 1, 2), (1, 64, 64, 16, 32, 3, 2, 1), (1, 28, 28, 32, 96, 3, 2, 1),
        (1, 7, 7, 160, 192, 3, 1, 1), (1, 20, 20, 80, 80, 3, 1, 1),
    ),
    "batch_matmul": (
        (4, 128, 128, 64), (16, 49, 49, 32), (6, 197, 197, 64), (12, 128, 64, 128), (32, 32, 32, 64), (8, 96, 64, 96), (3, 256, 64, 128),
        (24, 64, 32, 64),
    ),
    "conv_bn_relu": (
        (1, 28, 28, 64, 64, 3, 1, 1), (1, 14, 14, 256, 192, 1, 1, 0), (1, 56, 56, 32, 48, 3, 2, 1), (1, 7, 7, 128, 256, 3, 1, 1),
        (1, 28, 28, 96, 48, 1, 1, 0), (1, 14, 14, 64, 160, 3, 2, 1), (1, 20, 20, 96, 96, 3, 1, 1), (1, 56, 56, 16, 64, 1, 1, 0),
    ),
    "norm": ((4, 128, 96), (16, 64, 64), (1, 512, 128), (32, 49, 96), (2, 197, 192), (128, 32, 32)),
    "matmul_relu": ((64, 256, 1024), (196, 384, 96), (256, 128, 320), (100, 512, 256)),
    "transpose_batch_matmul": ((1, 64, 8, 64), (1, 128, 6, 32), (2, 49, 4, 64)),
    "conv1d": ((1, 200, 96, 96, 3, 1, 1), (1, 128, 64, 192, 5, 2, 2)),
    "conv3d": ((1, 4, 14, 14, 48, 48, 3, 1, 1), (1, 8, 28, 28, 8, 16, 3, 2, 1)),
    "deconv": ((1, 4, 4, 128, 64, 4, 2, 1), (1, 14, 14, 32, 16, 4, 2, 1)),
    "pool": ((1, 28, 28, 128, 1), (1, 112, 112, 32, 2)),
}  # fmt: skip

WIDER: tuple[tuple[str, tuple[int, ...]], ...] = tuple(
    (kind, shapes[i])
    for i in range(max(map(len, _WIDER.values())))
    for kind, shapes in _WIDER.items()
    if i < len(shapes)
)

# Tasks that no model is trained on: what `ledg_tvm.compare` ranks. More candidates of them are measured.
HELD_OUT = (
    "matmul_384x384x384",
    "batch_matmul_12x96x96x64",
    "conv_1x28x28x96x96x3x1x1",
    "conv_bn_relu_1x14x14x128x128x3x1x1",
    "conv_nchw_1x14x14x128x256x3x3x2x1",
    "depthwise_1x28x28x192x5x1x2",
    "softmax_256x1000",
    "norm_8x64x128",
)


def _in_turns() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Kinds in turns, of each a wider shape, then one of COLLECTED."""
    kinds = (
        "matmul", "conv", "depthwise", "softmax", "batch_matmul", "conv_nchw", "conv_bn_relu", "matmul_relu", "norm", "conv1d", "conv3d",
        "transpose_batch_matmul", "deconv", "pool",
    )  # fmt: skip
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for kind in kinds:
        own = [s for k, s in COLLECTED if k == kind and name_of(k, s) not in HELD_OUT]
        pairs = zip_longest(_WIDER[kind], own)
        shapes[kind] = [shape for pair in pairs for shape in pair if shape is not None]
    return tuple((kind, shapes[kind][i]) for i in range(max(map(len, shapes.values()))) for kind in kinds if i < len(shapes[kind]))


def name_of(kind: str, shape: tuple[int, ...]) -> str:
    """Name of a collected task."""
    return f"{kind}_{'x'.join(map(str, shape))}"


# The shapes of both lists that no model is compared on, for a machine that has an hour.
IN_TURNS = _in_turns()


def operator(kind: str, shape: tuple[int, ...]) -> Any:
    """An operator as a function to schedule."""
    return te.create_prim_func(_OPERATORS[kind](*shape))


def workload(name: str) -> Any:
    """One of the examples: an operator of `NAMES`, or the network `resnet18`."""
    if name == "resnet18":
        from .resnet import resnet18

        return resnet18()
    if name not in EXAMPLES:
        raise ValueError(f"there is no workload {name!r}, there are {', '.join(NAMES)} and resnet18")
    return operator(name, EXAMPLES[name])
