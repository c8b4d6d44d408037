"""ResNet-18 as a relax module, batch 1, 224x224, weights as inputs."""

from __future__ import annotations

from typing import Any

from tvm.relax.frontend import nn


class _Block(nn.Module):
    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        self.first = nn.Conv2D(c_in, c_out, 3, stride=stride, padding=1)
        self.second = nn.Conv2D(c_out, c_out, 3, stride=1, padding=1)
        self.skip = nn.Conv2D(c_in, c_out, 1, stride=stride) if stride != 1 or c_in != c_out else None

    def forward(self, x: Any) -> Any:
        y = self.second(nn.op.relu(self.first(x)))
        return nn.op.relu(y + (x if self.skip is None else self.skip(x)))


class _ResNet18(nn.Module):
    def __init__(self) -> None:
        self.stem = nn.Conv2D(3, 64, 7, stride=4, padding=3)  # stem and its pooling in one stride
        widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
        self.blocks = nn.ModuleList([_Block(*w) for w in widths])
        self.head = nn.Linear(512, 1000)

    def forward(self, x: Any) -> Any:
        x = nn.op.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = nn.op.sum(nn.op.reshape(x, (1, 512, 49)), axis=2) * (1.0 / 49.0)
        return self.head(x)


def resnet18() -> Any:
    """The network as an IRModule; batch normalisation is folded into the convolutions' biases, as for inference."""
    mod, _ = _ResNet18().export_tvm({"forward": {"x": nn.spec.Tensor((1, 3, 224, 224), "float32")}})
    return mod
