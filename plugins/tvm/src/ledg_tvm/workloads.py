"""Operators and networks to tune: the examples, and the tasks that records are collected of."""

from __future__ import annotations

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

_EXAMPLES = {
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


def name_of(kind: str, shape: tuple[int, ...]) -> str:
    """Name of a collected task."""
    return f"{kind}_{'x'.join(map(str, shape))}"


def operator(kind: str, shape: tuple[int, ...]) -> Any:
    """An operator as a function to schedule."""
    return te.create_prim_func(_OPERATORS[kind](*shape))


def workload(name: str) -> Any:
    """One of the examples: an operator of `NAMES`, or the network `resnet18`."""
    if name == "resnet18":
        from .resnet import resnet18

        return resnet18()
    if name not in _EXAMPLES:
        raise ValueError(f"there is no workload {name!r}, there are {', '.join(NAMES)} and resnet18")
    return operator(name, _EXAMPLES[name])
