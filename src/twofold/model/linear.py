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

__all__ = ["LowRank", "linear", "together"]


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
    x: Float[Tensor, "*b s i"], weight: Tensor | LowRank, bias: Float[Tensor, " o"] | None = None
) -> Float[Tensor, "*b s o"]:
    """x by one weight, in the dtype of x."""
    return together(x, (weight,), bias)[0]


def together(
    x: Float[Tensor, "*b s i"], weights: Sequence[Tensor | LowRank], bias: Float[Tensor, " o"] | None = None
) -> tuple[Float[Tensor, "*b s _"], ...]:
    """x by each of `weights`, in the dtype of x; what learns is one product. `bias` is that of all, in their order.

    A frozen matrix is a product of its own: to put them behind one another would be to copy all of them at every step.
    """
    plain = [weight for weight in weights if not isinstance(weight, LowRank)]
    if len(plain) == len(weights):
        matrix = torch.cat(plain) if len(plain) > 1 else plain[0]
        return F.linear(x, matrix.to(x.dtype), bias).split([len(one) for one in plain], -1)
    flat, found = x.flatten(0, -2), []
    added = [weight for weight in weights if isinstance(weight, LowRank)]
    narrow = F.linear(flat, torch.cat([one.A for one in added]).to(x.dtype)).split([len(one.A) for one in added], -1)
    reads, biases = iter(narrow), _parts(bias, weights)
    for weight, own in zip(weights, biases, strict=True):
        y = F.linear(flat, _matrix(weight).to(x.dtype), own)
        if isinstance(weight, LowRank):
            y = y.addmm_(next(reads), (weight.scale * weight.B.mT).to(x.dtype))
        found.append(y.unflatten(0, x.shape[:-1]))
    return tuple(found)


def _matrix(weight: Tensor | LowRank) -> Tensor:
    return weight.W if isinstance(weight, LowRank) else weight


def _parts(bias: Tensor | None, weights: Sequence[Tensor | LowRank]) -> Sequence[Tensor | None]:
    return [None] * len(weights) if bias is None else bias.split([len(_matrix(weight)) for weight in weights])
