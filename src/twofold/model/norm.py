"""Normalisation: bring each position's vector to unit scale, then stretch each channel by a learned gain.

    RMSNorm:   g * x / sqrt(mean(x²) + eps)                       Zhang & Sennrich 2019, arXiv:1910.07467
    LayerNorm: g * (x - mean(x)) / sqrt(var(x) + eps) + b         Ba et al. 2016, arXiv:1607.06450

Statistics are taken in float32 whatever the dtype of the stream.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.model.tap import Tap, untouched

__all__ = ["LayerNorm", "RMSNorm", "make_norm"]


class RMSNorm(nn.Module):
    tap: Tap | None = None

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        tap, x32 = self.tap or untouched, x.float()
        inverse = torch.rsqrt(x32.square().mean(-1, keepdim=True) + self.eps)
        normalized = tap("hook_normalized", x32 * tap("hook_scale", inverse, torch.reciprocal))
        return (normalized * self.w).to(x.dtype)


class LayerNorm(nn.Module):
    tap: Tap | None = None

    def __init__(self, width: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.eps = eps
        self.w = nn.Parameter(torch.ones(width))
        self.b = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        tap, x32 = self.tap or untouched, x.float()
        centred = x32 - x32.mean(-1, keepdim=True)
        inverse = torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps)
        y = tap("hook_normalized", centred * tap("hook_scale", inverse, torch.reciprocal)) * self.w
        return (y if self.b is None else y + self.b).to(x.dtype)


def make_norm(kind: str, width: int, eps: float, bias: bool) -> nn.Module:
    return RMSNorm(width, eps) if kind == "rms" else LayerNorm(width, eps, bias)
