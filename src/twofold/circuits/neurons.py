"""What excites a neuron: the places in a text where its activation is largest.

    neuron f of layer l writes  post_f · W_out[:, f]  into the stream

What the strongest places have in common is a guess at what the neuron is for, and only that: of its weaker activations
one sees nothing (Bolukbasi et al. 2021, arXiv:2104.07143, "An Interpretability Illusion for BERT").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.watching import recording

__all__ = ["Excitement", "exciting"]

_ROWS = 8  # that go through the model at a time


@dataclass(frozen=True)
class Excitement:
    """Of each neuron asked for, the k strongest places, from the strongest on; `mean` over all places."""

    row: Int[Tensor, "n k"]
    position: Int[Tensor, "n k"]
    activation: Float[Tensor, "n k"]
    mean: Float[Tensor, " n"]


@torch.no_grad()
def exciting(model: Decoder, rows: Int[Tensor, "b s"], layer: int, neurons: Sequence[int], k: int = 8) -> Excitement:
    """Over rows of a text's ids. Raises ConfigError for a layer without MLP, or a neuron that there is not."""
    config = model.config
    if not 0 <= layer < config.n_layers or config.mlp == "none":
        raise ConfigError(f"there is no MLP in layer {layer} of this model ({config.n_layers} layers, "
                          f"MLP: {config.mlp})")  # fmt: skip
    if wrong := [one for one in neurons if not 0 <= one < config.d_ff]:
        raise ConfigError(f"there is no neuron {wrong[0]}: a layer has {config.d_ff}, counted from 0")
    place, s = f"blocks.{layer}.mlp.hook_post", rows.shape[1]
    values, places = torch.empty(len(neurons), 0), torch.empty(len(neurons), 0, dtype=torch.long)
    total = torch.zeros(len(neurons))
    for low in range(0, len(rows), _ROWS):
        with recording(model, place) as seen:
            model.hidden(rows[low : low + _ROWS])
        found = seen[place][..., list(neurons)].flatten(0, 1).T.float()  # [n, rows · s]
        total += found.sum(1)
        best = found.topk(min(k, found.shape[1]), dim=1)
        values, places = torch.cat((values, best.values), 1), torch.cat((places, best.indices + low * s), 1)
        best = values.topk(min(k, values.shape[1]), dim=1)
        values, places = best.values, places.gather(1, best.indices)
    return Excitement(places // s, places % s, values, total / rows.numel())
