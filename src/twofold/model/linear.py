"""A linear map, y = x Wᵀ + b, where W is a matrix, or a frozen matrix with a low-rank addition.

    y = x Wᵀ + scale · (x Aᵀ) Bᵀ + b,   A [r, in], B [out, r],   scale = alpha / r

LoRA: Hu et al. 2021, arXiv:2106.09685. Only A and B learn, so the large matrix needs no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["LowRank", "linear"]


class LowRank(nn.Module):
    """Stands where a weight [out, in] stood. A is uniform within 1/√in and B zero: at first nothing is added."""

    def __init__(self, W: nn.Parameter, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        out, inner = W.shape
        self.W, self.scale = W.requires_grad_(False), scale
        start = (torch.rand(rank, inner, generator=generator) * 2 - 1) / inner**0.5
        self.A = nn.Parameter(start.to(W.device))
        self.B = nn.Parameter(torch.zeros(out, rank, device=W.device))


def linear(
    x: Float[Tensor, "*b s i"], weights: Sequence[Tensor | LowRank], bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "*b s o"]:
    """x by `weights` that stand on one another, as one product, in the dtype of x."""
    matrices = [weight.W if isinstance(weight, LowRank) else weight for weight in weights]
    y = F.linear(x, (torch.cat(matrices) if len(matrices) > 1 else matrices[0]).to(x.dtype), bias)
    added = [weight for weight in weights if isinstance(weight, LowRank)]
    if not added:
        return y
    narrow = F.linear(x, torch.cat([one.A for one in added]).to(x.dtype)).split([len(one.A) for one in added], -1)
    wide = iter([F.linear(z, (one.scale * one.B).to(x.dtype)) for z, one in zip(narrow, added, strict=True)])
    parts = [next(wide) if isinstance(weight, LowRank) else y.new_zeros(*y.shape[:-1], len(weight))
             for weight in weights]  # fmt: skip
    return y + (torch.cat(parts, -1) if len(parts) > 1 else parts[0])
