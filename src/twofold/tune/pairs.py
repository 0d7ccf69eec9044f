"""Comparisons as what is learned from: batches of pairs, and the two losses over them.

    reward     the model with a head reads both answers; Bradley-Terry on the rewards at their last tokens
    prefer     the model and its reference say how likely both are; DPO

Rows 0 … b - 1 of a batch are the chosen answers, rows b … 2b - 1 the rejected ones, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.data.preferences import Preference
from twofold.engine.conversation import chat_prompt
from twofold.engine.open import Engine
from twofold.errors import ConfigError, SourceError
from twofold.model.decoder import Decoder
from twofold.tune.batches import order
from twofold.tune.examples import Example, example
from twofold.tune.head import WithHead
from twofold.tune.preferences import bradley_terry, dpo_loss
from twofold.tune.reference import Reference
from twofold.tune.rows import padded, token_log_p
from twofold.tune.seen import Seen

__all__ = ["Pair", "PairBatch", "PairBatches", "PreferenceLoss", "RewardLoss", "pair", "pair_batch", "rewards_of"]


@dataclass(frozen=True)
class Pair:
    """What the model reads of a comparison; `own` marks the tokens of the answer, and none of the prompt's."""

    chosen: Example
    rejected: Example

    @property
    def longest(self) -> int:
        return max(len(self.chosen.ids), len(self.rejected.ids))


def pair(engine: Engine, preference: Preference, where: str = "the comparison") -> Pair:
    """Raises ConfigError for answers that read the same to the model, or that its template does not keep."""
    prompt = [message.to_dict() for message in preference.prompt]
    start = len(chat_prompt(engine, prompt)) - 1  # the opened turn's line end may be one token with what follows it
    sides = []
    for answer in (preference.chosen, preference.rejected):
        one = example(engine, [*prompt, *(message.to_dict() for message in answer)], where)
        own = one.own.copy()
        own[:start] = False
        sides.append(Example(one.ids, own))
    if np.array_equal(sides[0].ids, sides[1].ids):
        raise ConfigError(f"{where} has two answers that are the same to the model; leave it out")
    return Pair(*sides)


@dataclass(frozen=True)
class PairBatch:
    """`own` [2b, s] marks tokens of answers (of the ones that follow), `last` [2b] is where each row ends."""

    ids: Int[Tensor, "b2 s1"]
    own: Bool[Tensor, "b2 s"]
    last: Int[Tensor, " b2"]


def pair_batch(pairs: Sequence[Pair], device: str = "cpu") -> PairBatch:
    rows = [one.chosen for one in pairs] + [one.rejected for one in pairs]
    last = torch.tensor([len(row.ids) - 1 for row in rows], device=device)
    return PairBatch(*padded(rows, device), last)


class PairBatches:
    """`batch` pairs a step in `accumulate` equal parts, in a fresh order every epoch, known from seed and step."""

    def __init__(
        self, pairs: Sequence[Pair], batch: int, seed: int = 0, accumulate: int = 1, device: str = "cpu"
    ) -> None:
        if not pairs:
            raise SourceError("there are no comparisons to learn from; give some that fit into the context")
        if batch < 1 or batch % accumulate:
            raise ConfigError(f"batch={batch} pairs cannot be taken in {accumulate} equal parts; use a multiple of it")
        self.pairs, self.batch, self.seed, self.parts, self.device = pairs, batch, seed, accumulate, device

    def at(self, part: int) -> PairBatch:
        size = self.batch // self.parts
        numbers = [divmod(g, len(self.pairs)) for g in range(part * size, (part + 1) * size)]
        chosen = [self.pairs[order(len(self.pairs), self.seed, epoch)[k]] for epoch, k in numbers]
        return pair_batch(chosen, self.device)


def rewards_of(model: WithHead, batch: PairBatch, dtype: torch.dtype = torch.float32) -> Float[Tensor, " b2"]:
    """At each row's last token, the mark that ends the turn."""
    hidden = model.decoder.hidden(batch.ids, dtype)
    at_last: Tensor = model.head(hidden[torch.arange(len(hidden), device=hidden.device), batch.last])
    return at_last


class RewardLoss:
    """`seen`: accuracy (of the pairs, a draw counts half), margin, in the reward's own units, and tokens read."""

    def __init__(self, model: WithHead, dtype: torch.dtype = torch.float32, centre: float = 0.01) -> None:
        self.model, self.dtype, self.centre, self.seen = model, dtype, centre, Seen()

    def __call__(self, batch: PairBatch) -> Float[Tensor, ""]:
        chosen, rejected = rewards_of(self.model, batch, self.dtype).chunk(2)
        margin = chosen - rejected
        self.seen.add(accuracy=_won(margin), margin=margin.mean(), tokens=_read(batch))
        return bradley_terry(chosen, rejected, self.centre)


class PreferenceLoss:
    """`seen`: accuracy and margin of the implicit rewards beta log(p / p_reference), and in nats how much likelier
    the chosen and the rejected answers have become."""

    def __init__(
        self, model: Decoder, reference: Reference, beta: float = 0.1, dtype: torch.dtype = torch.float32
    ) -> None:
        self.model, self.reference, self.beta, self.dtype, self.seen = model, reference, beta, dtype, Seen()

    def __call__(self, batch: PairBatch) -> Float[Tensor, ""]:
        log_p = token_log_p(self.model, batch.ids, batch.own, self.dtype).sum(1)
        reference = self.reference.log_p(batch.ids, batch.own).sum(1)
        better, worse = (log_p - reference).chunk(2)
        margin = self.beta * (better - worse)
        self.seen.add(accuracy=_won(margin), margin=margin.mean(), chosen=better.mean(), rejected=worse.mean(),
                      tokens=_read(batch))  # fmt: skip
        [chosen, rejected], [known_chosen, known_rejected] = log_p.chunk(2), reference.chunk(2)
        return dpo_loss(chosen, rejected, known_chosen, known_rejected, self.beta)


def _won(margin: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    return (margin > 0).float().mean() + 0.5 * (margin == 0).float().mean()


def _read(batch: PairBatch) -> Float[Tensor, ""]:
    """Tokens that were read, without padding."""
    return (batch.last + 1).sum().float()
