"""The MLP: each position thinks by itself, in a wider space.

    GELU:    W_out gelu(W_in x)                       GPT-2, tanh approximation
    ReLU²:   W_out relu(W_in x)²                      So et al. 2021, arXiv:2109.08668
    SwiGLU:  W_out (silu(W_gate x) * W_in x)          Shazeer 2020, arXiv:2002.05202
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from twofold.model.config import ModelConfig
from twofold.model.linear import linear, together
from twofold.model.tap import Tap, untouched

__all__ = ["MLP"]


class MLP(nn.Module):
    """W_in and W_gate [f, d], W_out [d, f]; applied as x W^T."""

    tap: Tap | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kind = config.mlp
        self.W_gate = nn.Parameter(torch.empty(config.d_ff, config.d_model)) if self.kind == "swiglu" else None
        self.W_in = nn.Parameter(torch.empty(config.d_ff, config.d_model))
        self.W_out = nn.Parameter(torch.empty(config.d_model, config.d_ff))
        self.b_in = nn.Parameter(torch.zeros(config.d_ff)) if config.bias else None
        self.b_out = nn.Parameter(torch.zeros(config.d_model)) if config.bias else None

    def forward(self, x: Float[Tensor, "b s d"]) -> Float[Tensor, "b s d"]:
        tap = self.tap or untouched
        b_in = None if self.b_in is None else self.b_in.to(x.dtype)
        b_out = None if self.b_out is None else self.b_out.to(x.dtype)
        if self.W_gate is not None:
            gate, up = together(x, (self.W_gate, self.W_in))
            gate, up = tap("hook_pre", gate), tap("hook_pre_linear", up)
            hidden = F.silu(gate) * (up if b_in is None else up + b_in)
        else:
            hidden = tap("hook_pre", linear(x, self.W_in, b_in))
            hidden = F.gelu(hidden, approximate="tanh") if self.kind == "gelu" else F.relu(hidden).square()
        return linear(tap("hook_post", hidden), self.W_out, b_out)
