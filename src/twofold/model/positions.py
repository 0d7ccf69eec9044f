"""RoPE: turn each pair of channels by an angle that grows with position.

    (a, b) -> (a cos t - b sin t, a sin t + b cos t),   t = pos * base^(-2i / d_head)

The pair is (i, i + d_head/2), the "half" layout of transformers and of GGUF's NEOX rope.
Su et al. 2021, arXiv:2104.09864.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["rotary_at", "rotary_table", "rotate"]


def rotary_table(
    length: int, d_head: int, base: float, start: int = 0, device: torch.device | None = None
) -> tuple[Float[Tensor, "s half"], Float[Tensor, "s half"]]:
    """Cosines and sines for positions start … start+length-1."""
    return rotary_at(torch.arange(start, start + length, device=device), d_head, base)


def rotary_at(
    positions: Int[Tensor, "*b s"], d_head: int, base: float
) -> tuple[Float[Tensor, "*b s half"], Float[Tensor, "*b s half"]]:
    """Cosines and sines for any positions."""
    frequency = base ** (-torch.arange(0, d_head, 2, device=positions.device, dtype=torch.float32) / d_head)
    angle = positions.float()[..., None] * frequency
    return angle.cos(), angle.sin()


def rotate(
    x: Float[Tensor, "b h s e"], cos: Float[Tensor, "*b s half"], sin: Float[Tensor, "*b s half"]
) -> Float[Tensor, "b h s e"]:
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1).to(x.dtype)
