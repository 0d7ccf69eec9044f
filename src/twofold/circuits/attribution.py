"""Direct logit attribution: who raised this token's score, term by term.

    logit(t) = (W_U[t] · g / scale) · (embedding + Σ heads + Σ MLPs + biases)      (+ W_U[t] · b_norm)

The stream is a sum and, with the scale of the last norm as it was, what reads it is linear, so every term has its own
share and the shares add up to the logit. Elhage et al. 2021, "Virtual Weights and the Residual Stream": the direct path
of each layer. What a head does through later layers is not in it; patching.py finds that.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twofold.circuits.matrices import plain, reads_through
from twofold.errors import ConfigError
from twofold.model.block import Block
from twofold.model.decoder import Decoder
from twofold.model.watching import Record, recording

__all__ = ["Attribution", "attribute", "neurons"]


@dataclass(frozen=True)
class Attribution:
    """Shares in one score at one position; `rest` is what biases add. All of them together are `logit`."""

    logit: float
    embedding: float
    heads: Float[Tensor, "l h"]
    mlps: Float[Tensor, " l"]
    rest: float

    @property
    def layers(self) -> Float[Tensor, " l"]:
        """Heads and MLP of each layer together."""
        return self.heads.sum(1) + self.mlps

    @property
    def total(self) -> float:
        return self.embedding + float(self.heads.sum()) + float(self.mlps.sum()) + self.rest


@torch.no_grad()
def attribute(
    model: Decoder, ids: Int[Tensor, "1 s"], token: int, against: int | None = None, position: int = -1
) -> Attribution:
    """Of the score of `token` as the next one after `position`, or of its lead over the token `against`."""
    with recording(model, "hook_embed", "hook_pos_embed" if model.W_pos is not None else "hook_embed",
                   *_written(model), "ln_final.hook_scale") as seen:  # fmt: skip
        hidden = model.hidden(ids)[0, position]
    seen.check()
    direction, constant = _reader(model, seen, token, against, position)
    start = seen["hook_embed"][0, position]
    if model.W_pos is not None:
        start = start + seen["hook_pos_embed"][position]
    n = model.config.n_layers
    heads = torch.stack([seen[f"blocks.{i}.attn.hook_result"][0, position] @ direction for i in range(n)]) if n else (
        torch.zeros(0, model.config.n_heads))  # fmt: skip
    mlps, rest = torch.zeros(n), constant
    for i, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        if block.attn.b_O is not None:
            rest += float(block.attn.b_O @ direction)
        if block.mlp is not None:
            mlps[i] = seen[f"blocks.{i}.hook_mlp_out"][0, position] @ direction
    unembed = plain(model.W_U)[token] - (0 if against is None else plain(model.W_U)[against])
    return Attribution(float(hidden @ unembed), float(start @ direction), heads, mlps, rest)


@torch.no_grad()
def neurons(
    model: Decoder, ids: Int[Tensor, "1 s"], layer: int, token: int, against: int | None = None, position: int = -1
) -> Float[Tensor, " f"]:
    """Each neuron's share in the MLP's, its activation times how far its output points at the token.

    Raises ConfigError for a layer that has no MLP.
    """
    if not 0 <= layer < model.config.n_layers or model.config.mlp == "none":
        raise ConfigError(f"there is no MLP in layer {layer} of this model ({model.config.n_layers} layers, "
                          f"MLP: {model.config.mlp})")  # fmt: skip
    place = f"blocks.{layer}.mlp.hook_post"
    with recording(model, place, "ln_final.hook_scale") as seen:
        model.hidden(ids)
    seen.check()
    direction, _ = _reader(model, seen, token, against, position)
    block = model.blocks[layer]
    assert isinstance(block, Block) and block.mlp is not None
    return seen[place][0, position] * (direction @ plain(block.mlp.W_out))


def _written(model: Decoder) -> list[str]:
    """What the layers write into the stream, head by head."""
    if not model.blocks:
        return []
    mlp = [] if model.config.mlp == "none" else ["blocks.*.hook_mlp_out"]
    return ["blocks.*.attn.hook_result", *mlp]


def _reader(
    model: Decoder, seen: Record, token: int, against: int | None, position: int
) -> tuple[Float[Tensor, " d"], float]:
    """The vector that reads the token's score off the stream, and what the last norm's own bias adds."""
    for one in (token, against):
        if one is not None and not 0 <= one < model.config.vocab_size:
            raise ConfigError(f"the token {one} is not in the model's vocabulary of {model.config.vocab_size}")
    unembed = plain(model.W_U)[token] - (0 if against is None else plain(model.W_U)[against])
    scale = seen["ln_final.hook_scale"][0, position]
    bias = getattr(model.ln_final, "b", None)
    return reads_through(unembed[None], model.ln_final)[0] / scale, 0.0 if bias is None else float(unembed @ bias)
