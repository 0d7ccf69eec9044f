"""The decoder: tokens in, a score for every possible next token out.

    x = W_E[token] (+ W_pos[position]);   x = block(x) for every block;   logits = norm(x) W_Uᵀ

Axes: b batch, s sequence, h head, d d_model, e d_head, f d_ff, v vocabulary.
Parameters are float32; `dtype` is what the matrix products run in.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from twofold.model.block import Block
from twofold.model.config import ModelConfig
from twofold.model.norm import make_norm
from twofold.model.packed import Packed
from twofold.model.positions import rotary_at, rotary_table
from twofold.model.tap import Tap, untouched

__all__ = ["Decoder", "KVCache", "initialise"]

KVCache = list[dict[str, Tensor]]


class Decoder(nn.Module):
    """W_E and W_U are [v, d]; when tied, they are the same parameter."""

    tap: Tap | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.W_E = nn.Parameter(torch.empty(config.vocab_size, config.d_model))
        learned = config.positions == "learned"
        self.W_pos = nn.Parameter(torch.empty(config.context, config.d_model)) if learned else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.ln_final = make_norm(config.norm, config.d_model, config.norm_eps, config.bias)
        self.W_U = self.W_E if config.tied else nn.Parameter(torch.empty(config.vocab_size, config.d_model))

    def hidden(
        self, ids: Int[Tensor, "b s"], dtype: torch.dtype = torch.float32, cache: KVCache | None = None,
        packed: Packed | None = None,
    ) -> Float[Tensor, "b s d"]:
        """The stream after the last norm. A cache (one dict a block, empty at first) is read and extended.

        With `packed`, each row holds several texts that do not know of each other.
        """
        start = cache[0]["k"].shape[2] if cache and cache[0] else 0
        s = ids.shape[1]
        tap = self.tap or untouched
        x = tap("hook_embed", F.embedding(ids, self.W_E).to(dtype))
        if self.W_pos is not None:
            at = self.W_pos[start : start + s] if packed is None else self.W_pos[packed.positions]
            x = x + tap("hook_pos_embed", at.to(dtype))
        table = None
        if self.config.positions == "rotary" and self.blocks:
            d_head, base = self.config.d_head, self.config.rope_base
            table = (rotary_table(s, d_head, base, start, ids.device) if packed is None
                     else rotary_at(packed.positions[:, None], d_head, base))
        visible = None if packed is None else packed.visible
        for index, block in enumerate(self.blocks):
            x = block(x, table, None if cache is None else cache[index], visible)
        return self.ln_final(x)

    def forward(
        self, ids: Int[Tensor, "b s"], dtype: torch.dtype = torch.float32, cache: KVCache | None = None
    ) -> Float[Tensor, "b s v"]:
        x = self.hidden(ids, dtype, cache)
        return F.linear(x, self.W_U.to(dtype))

    def new_cache(self) -> KVCache:
        return [{} for _ in self.blocks]


@torch.no_grad()
def initialise(model: Decoder, seed: int) -> Decoder:
    """Fill the parameters: fan-in uniform for what reads the stream, zero for what writes to it.

    With zero output projections every block begins as the identity, so the first steps train
    embedding and unembedding as if there were no layers. Norm gains are 1, biases 0.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in ("W_O", "W_out"):
            parameter.zero_()
        elif leaf in ("W_E", "W_pos"):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.02 if model.config.tied else 1.0))
        elif leaf == "W_U":
            parameter.zero_()
        elif leaf.startswith("W_"):
            bound = (3.0 / parameter.shape[-1]) ** 0.5
            parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound)
    return model
