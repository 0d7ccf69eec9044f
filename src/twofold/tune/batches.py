"""Batches of packed conversations, with a share of pretraining text among them against forgetting.

Row g of the whole run is a row of text when floor((g + 1) share) > floor(g share), else the next one of conversations,
which come in a fresh random order in every epoch. Which rows a step holds is a function of the seed and the step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import floor

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from twofold.data.batches import hash64
from twofold.errors import ConfigError
from twofold.tune.packing import Rows

__all__ = ["AnswerBatch", "AnswerBatches", "order"]


@dataclass(frozen=True)
class AnswerBatch:
    """`learned` [b, s]: which of the tokens that follow count; `per_part`: how many do in the mean part of this step.

    A part's loss is its sum over `per_part`, so that the parts of a step, however many, average to the mean over all.
    """

    ids: Int[Tensor, "b s1"]
    texts: Int[Tensor, "b s"]
    learned: Bool[Tensor, "b s"]
    per_part: float


class AnswerBatches:
    """`batch` rows a step, in `accumulate` parts and shared by `world` processes.

    `replay(first, n)` gives rows of text [n, context + 1], of which each step holds about `share`.
    """

    def __init__(self, rows: Rows, batch: int, seed: int = 0, accumulate: int = 1, share: float = 0.0,
                 replay: Callable[[int, int], np.ndarray] | None = None, rank: int = 0, world: int = 1,
                 device: str = "cpu") -> None:
        if batch < 1 or batch % (accumulate * world):
            raise ConfigError(f"batch={batch} rows cannot be taken in {accumulate} parts by {world} processes; "
                              f"use a multiple of {accumulate * world}")
        if not 0 <= share < 1:
            raise ConfigError(f"a replay share of {share} cannot be; use one from 0 (none) to below 1")
        if share and replay is None:
            raise ConfigError("there is no text to replay; name some, or leave the share at 0")
        self.rows, self.batch, self.seed, self.share, self.replay = rows, batch, seed, share, replay
        self.parts, self.rank, self.world, self.device = accumulate, rank, world, device
        self.local = batch // (accumulate * world)
        self.learned = rows.own[:, 1:].sum(1)

    def at(self, part: int) -> AnswerBatch:
        """This process's share of part number `part`: of step part // accumulate."""
        step, k = divmod(part, self.parts)
        whole = range(step * self.batch, (step + 1) * self.batch)
        count = sum(self._learned(g) for g in whole)
        first = step * self.batch + (self.rank * self.parts + k) * self.local
        ids, texts, own = zip(*(self._row(g) for g in range(first, first + self.local)), strict=True)
        table = [torch.from_numpy(np.stack(one)).to(self.device) for one in (ids, texts, own)]
        return AnswerBatch(table[0].long(), table[1][:, :-1].long(), table[2][:, 1:], count / (self.parts * self.world))

    def _place(self, g: int) -> tuple[bool, int]:
        """Whether row g is one of text, and its number among those or among the conversations' rows of this epoch."""
        texts = floor(g * self.share)
        if floor((g + 1) * self.share) > texts:
            return True, texts
        epoch, k = divmod(g - texts, len(self.rows.ids))
        return False, int(order(len(self.rows.ids), self.seed, epoch)[k])

    def _learned(self, g: int) -> int:
        text, number = self._place(g)
        return self.rows.ids.shape[1] - 1 if text else int(self.learned[number])

    def _row(self, g: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        text, number = self._place(g)
        if not text or self.replay is None:
            return self.rows.ids[number], self.rows.texts[number], self.rows.own[number]
        ids = self.replay(number, 1)[0].astype(np.int32)
        return ids, np.zeros(len(ids), np.int32), np.ones(len(ids), bool)


@lru_cache(maxsize=4)
def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """The numbers below n, once each, in the fresh order of an epoch."""
    key = int(hash64(hash64(np.uint64(seed), 3), epoch))
    return np.argsort(hash64(np.arange(1, n + 1, dtype=np.uint64), key), kind="stable")
