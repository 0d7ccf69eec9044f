"""A model with one number to each position beside its scores: a reward for what was read so far, or a value.

    r_t = w · stream_t + b      zero at first
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.model.decoder import Decoder

__all__ = ["Head", "WithHead"]


class Head(nn.Module):
    """One linear function of the stream after the last norm, in float32."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d_model))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        return hidden.float() @ self.w + self.b


class WithHead(nn.Module):
    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.head = Head(decoder.config.d_model).to(decoder.W_E.device)
