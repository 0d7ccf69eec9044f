"""Text in which looking back pays: a stretch of random tokens, said again and again.

    row       x x x a b c d a b c d a b …     begins anywhere, repeats with any period
    tokens    drawn from a Markov chain, so that pairs tell something too, but little
    counted   what comes after a token that was said before in an earlier repeat

Elhage et al. 2021 ("Induction Heads") test on repeated random tokens; periods and offsets are random here, so that no
fixed distance helps, and some periods are kept for the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.errors import ConfigError

__all__ = ["Baselines", "Repeats"]


@dataclass(frozen=True)
class Baselines:
    """On the same counted tokens: nats of knowing nothing and of the best table of pairs; shares got right.

    `looked_up` is how often the token after the latest earlier copy is the right one: a stretch may hold a token twice.
    """

    uniform: float
    pairs: float
    pairs_right: float
    looked_up: float


@dataclass(frozen=True)
class Repeats:
    """Rows of `context` + 1 tokens below `vocabulary`; a stretch begins before token `latest`."""

    vocabulary: int = 64
    context: int = 40
    periods: tuple[int, ...] = (4, 5, 6, 8, 9, 11, 12, 14, 15, 16)
    held_out: tuple[int, ...] = (7, 10, 13)
    latest: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        longest = max((*self.periods, *self.held_out), default=0)
        if not self.periods or not self.held_out or min(*self.periods, *self.held_out) < 1:
            raise ConfigError("repeats need a period to train on and another to test on, of at least 1 each")
        if self.latest + longest + 2 > self.context:
            raise ConfigError(
                f"a context of {self.context} does not hold a stretch that begins at {self.latest} and repeats after "
                f"{longest} tokens; it needs at least {self.latest + longest + 2}"
            )

    @cached_property
    def chain(self) -> Float[Tensor, "v v"]:
        """The chance of each token after each other one: rows uniform over all such (Dirichlet's 1)."""
        v, generator = self.vocabulary, torch.Generator().manual_seed(self.seed)
        drawn = torch.empty(v, v).exponential_(generator=generator)
        return drawn / drawn.sum(1, keepdim=True)

    def rows(
        self, periods: Sequence[int], n: int, seed: int
    ) -> tuple[Int[Tensor, "n s1"], Bool[Tensor, "n s"]]:
        """A pure function of its arguments; `counted` says which of the targets rows[:, 1:] count."""
        generator, v, length = torch.Generator().manual_seed(seed), self.vocabulary, self.context + 1
        until = self.chain.cumsum(1)
        tokens = [torch.randint(v, (n,), generator=generator)]
        for u in torch.rand(length - 1, n, 1, generator=generator):
            tokens.append(torch.searchsorted(until[tokens[-1]], u)[:, 0].clamp(max=v - 1))
        period = torch.tensor(list(periods))[torch.randint(len(periods), (n, 1), generator=generator)]
        start = torch.randint(self.latest, (n, 1), generator=generator)
        place = torch.arange(length)
        source = torch.where(place < start, place, start + (place - start) % period)
        return torch.stack(tokens, 1).gather(1, source), place[1:] > start + period

    def test(self, n: int = 256) -> tuple[Int[Tensor, "n s1"], Bool[Tensor, "n s"]]:
        """Rows with the periods that training never sees."""
        return self.rows(self.held_out, n, 2**40)

    def baselines(self) -> Baselines:
        """Of the test rows; the table of pairs is counted on 8,192 rows as in training."""
        v = self.vocabulary
        seen, counted = self.rows(self.periods, 8192, 2**41)
        pairs = (seen[:, :-1] * v + seen[:, 1:])[counted]
        table = torch.bincount(pairs, minlength=v * v).view(v, v) + 0.5
        table = table / table.sum(1, keepdim=True)
        rows, counted = self.test()
        now, then = rows[:, :-1], rows[:, 1:]
        said = table[now]
        return Baselines(
            float(torch.tensor(float(v)).log()), -float(said.gather(-1, then[..., None]).log()[counted].mean()),
            float((said.argmax(-1) == then)[counted].float().mean()),
            float((_after_latest_copy(now) == then)[counted].float().mean()),
        )  # fmt: skip


def _after_latest_copy(now: Int[Tensor, "n s"]) -> Int[Tensor, "n s"]:
    """At each place the token that followed the latest earlier copy of this one, -1 where there is none."""
    s = now.shape[1]
    same = (now[:, :, None] == now[:, None, :]) & torch.ones(s, s, dtype=torch.bool).tril(-1)
    latest = torch.where(same, torch.arange(s), -1).amax(-1)
    following = now.gather(1, (latest + 1).clamp(max=s - 1))
    return torch.where(latest >= 0, following, -1)
