"""The matrices that the paper speaks of, taken from a Decoder as it is: nothing is centred, folded or rounded unasked.

    W_E [d, v]   W_U [v, d]   W_Q, W_K, W_V [e, d]   W_O [d, e]       columns are vectors, as in the paper
    W_QK = W_Qᵀ W_K    which source a destination looks at: xᵀ_dest W_QK x_source
    W_OV = W_O W_V     what is moved from there

Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits". A norm stands before every matrix that reads
the stream. Its gain is a part of what is read, so by default it is multiplied in, with LayerNorm's centring and the
gains of QK-norm; the scale that a norm divides by is one positive number a token, and is left out, as are biases.
Rotary positions turn q and k by how far apart they are: W_QK here is that for a distance of 0. `gains=False` gives the
bare parameters. With grouped queries, a head reads with the key-value head that it shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twofold.circuits.factored import FactoredMatrix
from twofold.errors import ConfigError
from twofold.model.attention import Attention
from twofold.model.block import Block
from twofold.model.decoder import Decoder
from twofold.model.linear import LowRank
from twofold.model.norm import LayerNorm

__all__ = ["Heads", "embedding", "heads", "plain", "reads_through", "unembedding"]


@dataclass(frozen=True)
class Heads:
    """All query heads of a model, layer by layer: head i of layer l is number l · n_heads + i of each stack."""

    W_Q: Float[Tensor, "n e d"]
    W_K: Float[Tensor, "n e d"]
    W_V: Float[Tensor, "n e d"]
    W_O: Float[Tensor, "n d e"]
    n_heads: int

    @cached_property
    def QK(self) -> FactoredMatrix:
        """W_Qᵀ W_K of every head."""
        return FactoredMatrix(self.W_Q.mT, self.W_K)

    @cached_property
    def OV(self) -> FactoredMatrix:
        """W_O W_V of every head."""
        return FactoredMatrix(self.W_O, self.W_V)

    @property
    def names(self) -> list[str]:
        """`3.0` is head 0 of layer 3."""
        return [f"{i // self.n_heads}.{i % self.n_heads}" for i in range(len(self.W_Q))]

    def number(self, layer: int, head: int) -> int:
        """Raises ConfigError for a head that there is not."""
        layers = len(self.W_Q) // self.n_heads
        if not (0 <= layer < layers and 0 <= head < self.n_heads):
            raise ConfigError(f"there is no head {layer}.{head}: there are layers 0 to {layers - 1} "
                              f"with heads 0 to {self.n_heads - 1} each")  # fmt: skip
        return layer * self.n_heads + head


@torch.no_grad()
def heads(model: Decoder, gains: bool = True) -> Heads:
    """Raises ConfigError for a model without layers."""
    config = model.config
    if not config.n_layers:
        raise ConfigError("this model has no layers, and so no heads; its one circuit is the bigram table W_U W_E")
    group, e, d = config.n_heads // config.n_kv_heads, config.d_head, config.d_model
    stacks: dict[str, list[Tensor]] = {"Q": [], "K": [], "V": [], "O": []}
    for block in cast(list[Block], list(model.blocks)):
        attention: Attention = block.attn
        for letter in "QKV":
            matrix = plain(getattr(attention, f"W_{letter}"))
            matrix = (reads_through(matrix, block.ln1) if gains else matrix).view(-1, e, d)
            norm = getattr(attention, f"{letter.lower()}_norm", None)
            if norm is not None and gains:
                matrix = norm.w[:, None] * matrix
            stacks[letter].append(matrix if letter == "Q" else matrix.repeat_interleave(group, dim=0))
        stacks["O"].append(plain(attention.W_O).view(d, -1, e).transpose(0, 1))
    W_Q, W_K, W_V, W_O = (torch.cat(stacks[letter]) for letter in "QKVO")
    return Heads(W_Q, W_K, W_V, W_O, config.n_heads)


def embedding(model: Decoder) -> Float[Tensor, "d v"]:
    return plain(model.W_E).T


def unembedding(model: Decoder, gains: bool = True) -> Float[Tensor, "v d"]:
    return reads_through(plain(model.W_U), model.ln_final) if gains else plain(model.W_U)


def plain(weight: Tensor | LowRank) -> Tensor:
    """The matrix itself, of a frozen one with a low-rank addition their sum."""
    return weight.W + weight.scale * weight.B @ weight.A if isinstance(weight, LowRank) else weight.detach()


def reads_through(matrix: Float[Tensor, "o d"], norm: nn.Module) -> Float[Tensor, "o d"]:
    """What the matrix does to a vector that was only divided by the norm's scale: M diag(g), centred for LayerNorm."""
    gained = matrix * cast(Tensor, norm.w).detach()
    return gained - gained.mean(1, keepdim=True) if isinstance(norm, LayerNorm) else gained
