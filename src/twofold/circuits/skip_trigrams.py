"""Skip-trigrams: what one head of a one-layer model has learned to do with a token that it sees.

    [source] … [dest] → [out]      QK: (W_Eᵀ W_QK W_E)[dest, source]   would dest look at source?
                                   OV: (W_U W_OV W_E)[out, source]     what does looking at source raise?

Elhage et al. 2021, "One-Layer Attention-Only Transformers": a head has one table for who looks and another for what
follows, so that it cannot keep them apart. What raises `keep … in mind` and `keep … at bay` raises `keep … in bay` as
well: a bug that the factored form has to have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from twofold.circuits.matrices import embedding, heads, unembedding
from twofold.model.decoder import Decoder

__all__ = ["SkipTrigrams", "bugs", "occurrences", "skip_trigrams", "strongest_sources"]


@dataclass(frozen=True)
class SkipTrigrams:
    """Of one source: who looks at it most, and what it raises most, each with its score less the mean of all tokens.

    Every pair of them is a skip-trigram that the head promotes.
    """

    source: int
    dests: list[tuple[int, float]]
    outs: list[tuple[int, float]]


@torch.no_grad()
def skip_trigrams(model: Decoder, layer: int, head: int, sources: Sequence[int], k: int = 5) -> list[SkipTrigrams]:
    """Exact for a first layer without positions; for later layers it is the embeddings' part alone."""
    looks, moves = _tables(model, layer, head, torch.as_tensor(list(sources)))
    found = []
    for source, look, move in zip(sources, looks, moves, strict=True):
        pairs = [(row - row.mean()).topk(min(k, len(row))) for row in (look, move)]
        dests, outs = (list(zip(top.indices.tolist(), top.values.tolist(), strict=True)) for top in pairs)
        found.append(SkipTrigrams(source, dests, outs))
    return found


@torch.no_grad()
def strongest_sources(model: Decoder, layer: int, head: int, k: int = 10, rows: int = 512) -> list[int]:
    """The tokens whose best pair of dest and out is promoted most: QK and OV together, each less its mean."""
    strength = []
    for some in torch.arange(model.config.vocab_size).split(rows):
        looks, moves = _tables(model, layer, head, some)
        strength.append(sum((one.amax(1) - one.mean(1)) / one.std(1).mean() for one in (looks, moves)))
    both: Tensor = torch.cat(strength)  # type: ignore[arg-type]
    return both.topk(min(k, len(both))).indices.tolist()


def _tables(model: Decoder, layer: int, head: int, sources: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """QK [n, v] by dest and OV [n, v] by out, of these sources; embeddings as the norm leaves them."""
    them = heads(model)
    at = them.number(layer, head)
    tokens = F.rms_norm(embedding(model).T, (model.config.d_model,)).T  # what a norm's scale leaves of each
    seen = tokens[:, sources]
    return (tokens.T @ (them.QK[at] @ seen).full()).T, (unembedding(model) @ (them.OV[at] @ seen).full()).T


def bugs(found: SkipTrigrams, corpus: np.ndarray, context: int) -> list[tuple[int, int, float]]:
    """Pairs (dest, out, both scores together) that are promoted and never occur with this source in the corpus.

    Only such as the factored form forces: dest occurs with another out, and out with another dest, of those promoted.
    """
    seen = occurrences(corpus, found.source, context)
    dests = {dest for dest, _ in found.dests if any((dest, out) in seen for out, _ in found.outs)}
    outs = {out for out, _ in found.outs if any((dest, out) in seen for dest, _ in found.dests)}
    crossed = [(dest, out, a + b) for dest, a in found.dests for out, b in found.outs
               if dest in dests and out in outs and (dest, out) not in seen]  # fmt: skip
    return sorted(crossed, key=lambda one: -one[2])


def occurrences(corpus: np.ndarray, source: int, context: int) -> set[tuple[int, int]]:
    """Every (dest, out) that stands somewhere after `source`, within `context` tokens of it."""
    places = np.flatnonzero(corpus == source)
    near = np.zeros(len(corpus), np.int64)
    near[places] += 1
    near[np.minimum(places + context, len(corpus) - 1)] -= 1
    dests = np.flatnonzero(np.cumsum(near)[:-1] > 0)
    return set(zip(corpus[dests].tolist(), corpus[dests + 1].tolist(), strict=True))
