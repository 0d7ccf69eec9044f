"""Steering: push the stream along a direction, and the model writes as if it had read more of it.

    v = mean over texts of one kind − mean over texts of the other, at a place, at their last token
    stream + strength · v,   from then on

Turner et al. 2023, arXiv:2308.10248 ("ActAdd"); Rimsky et al. 2023, arXiv:2312.06681 (means over many pairs).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.watching import recording, tapped

__all__ = ["direction", "steered"]


@torch.no_grad()
def direction(
    model: Decoder, more: Sequence[Int[Tensor, "1 s"]], less: Sequence[Int[Tensor, "1 s"]], place: str
) -> Float[Tensor, " d"]:
    """From what `less` texts have at a place of the stream, such as `blocks.3.hook_resid_post`, to what `more` have."""
    if not more or not less:
        raise ConfigError("a direction is a difference: give at least one text of each kind")

    def mean(texts: Sequence[Tensor]) -> Tensor:
        ends = []
        for ids in texts:
            with recording(model, place) as seen:
                model.hidden(ids)
            seen.check()
            ends.append(seen[place][0, -1])
        return torch.stack(ends).mean(0)

    return mean(more) - mean(less)


def steered(
    model: Decoder, place: str, vector: Float[Tensor, " d"], strength: float = 1.0
) -> AbstractContextManager[None]:
    """A context in which the vector is added at the place, at every position: of a call, or of what is generated."""
    return tapped(model, {place: lambda value, name: value + strength * vector.to(value)})
