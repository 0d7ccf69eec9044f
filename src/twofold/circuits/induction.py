"""Induction heads: "[A] was followed by [B]; here is [A] again, so [B]".

Two heads make one. An earlier head lets each token know the one before it; a later head looks for the token that knows
of a copy of its own. Where the later head reads that knowledge through its keys it is K-composition; it can also ask
for the place next to its copy, through its queries. Elhage et al. 2021, "Induction Heads"; Olsson et al. 2022.

Which one a model uses is found by cutting: the later layers' queries, keys or values are computed as if the earlier
heads had written nothing, the rest is left as it is, and one sees what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.circuits.composition import Chance, compositions
from twofold.circuits.detectors import detect
from twofold.circuits.eigenvalues import copying
from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.watching import recording, tapped

__all__ = ["Induction", "answers", "cut", "induction"]


@dataclass(frozen=True)
class Induction:
    """How far a model inducts, and the heads that would do it: `head` looks most where an induction head looks.

    `reads` is its composition with `previous_head`, the earlier head that looks most at the token before, above chance,
    in standard deviations of chance. Empty where no layer comes before.
    """

    nats: float
    right: float
    prefix: float = 0.0
    previous: float = 0.0
    copying: float = 0.0
    head: str = ""
    previous_head: str = ""
    reads: dict[str, float] | None = None


@torch.no_grad()
def answers(model: Decoder, rows: Int[Tensor, "n s1"], counted: Bool[Tensor, "n s"]) -> tuple[float, float]:
    """Nats, and the share that is right, of the tokens that count."""
    logits = model(rows[:, :-1])[counted]
    targets = rows[:, 1:][counted]
    return float(F.cross_entropy(logits, targets)), float((logits.argmax(-1) == targets).float().mean())


@torch.no_grad()
def induction(
    model: Decoder, rows: Int[Tensor, "n s1"], counted: Bool[Tensor, "n s"], length: int = 10, times: int = 4
) -> Induction:
    """Of rows as Repeats makes them; heads are scored on `times` repeats of `length` random tokens."""
    nats, right = answers(model, rows, counted)
    if not model.config.n_layers:
        return Induction(nats, right)
    scores, h = detect(model, length, times), model.config.n_heads
    at = int(scores.prefix.argmax())
    found = Induction(nats, right, float(scores.prefix.max()), float(scores.previous.max()), float(copying(model)[at]),
                      head=f"{at // h}.{at % h}")  # fmt: skip
    if at < h:
        return found
    earlier = int(scores.previous[: at // h].argmax())
    pairs = compositions(model)
    chance: Chance = pairs.chance
    reads = {kind: (float(pairs.scores[kind][at, earlier]) - chance.mean) / chance.deviation for kind in pairs.scores}
    return Induction(nats, right, found.prefix, found.previous, found.copying, found.head,
                     f"{earlier // h}.{earlier % h}", reads)  # fmt: skip


@torch.no_grad()
def cut(model: Decoder, rows: Int[Tensor, "n s1"], counted: Bool[Tensor, "n s"]) -> dict[str, float]:
    """The share that is right when the last layer's q, k or v hear nothing of the earlier layers' heads.

    Raises ConfigError for a model with fewer than two layers.
    """
    last = model.config.n_layers - 1
    if last < 1:
        raise ConfigError("heads compose across layers; this model has fewer than two")
    places = {kind: f"blocks.{last}.attn.hook_{kind}" for kind in "qkv"}
    silent = {f"blocks.{i}.hook_attn_out": _nothing for i in range(last)}
    with tapped(model, silent), recording(model, *places.values()) as deaf:
        model.hidden(rows[:, :-1])
    found = {}
    for kind, place in places.items():
        with tapped(model, {place: lambda value, name: deaf[name]}):
            found[kind.upper()] = answers(model, rows, counted)[1]
    return found


def _nothing(value: Float[Tensor, "*b d"], name: str) -> Float[Tensor, "*b d"]:
    return torch.zeros_like(value)
