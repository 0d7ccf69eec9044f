"""Rows of tokens for training, in an order that is a pure function of the seed and the row's number.

A source of N tokens is a ring. In epoch e it is cut, from a fresh random start, into R = ceil(N / T) rows of T + 1
tokens that overlap by one: row k predicts the T tokens after its first. So in every epoch each token is predicted,
fewer than T of them twice, and none is thrown away. The rows come in a fresh random order.

Sources take turns. Row g of the mix belongs to the source whose share of [0, 1) holds the fractional part of
g / golden ratio, the sequence whose every stretch is as even as can be (Weyl 1916; Knuth, TAOCP 3, 6.4), so each batch
holds each source in nearly its share, which is proportional to its tokens times its weight. How many rows a source
has had before row g is a sum of floors, which Euclid's algorithm gives in a few steps: no state, nothing to resume.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twofold.data.mix import weights as mix_weights
from twofold.data.tokens import TokenStore
from twofold.errors import ConfigError

__all__ = ["Batches", "count_below", "epoch_order", "hash64"]

_BITS = 32
_WHOLE = 1 << _BITS
_GOLDEN = 2654435769  # odd, nearest to 2^32 / golden ratio


class Batches:
    """Batches of `batch` rows [context + 1] of the split's token ids. `mix` multiplies a source's share (default 1).

    `world` processes share each batch: process `rank` gets its batch / world neighbouring rows of it.
    Raises ConfigError for sizes, weights or names that cannot be.
    """

    def __init__(self, store: TokenStore, split: str, context: int, batch: int, seed: int = 0,
                 mix: Mapping[str, float] | None = None, rank: int = 0, world: int = 1) -> None:
        if context < 1 or batch < 1:
            raise ConfigError(f"context={context} and batch={batch} must both be at least 1")
        if batch % world or not 0 <= rank < world:
            raise ConfigError(f"batch={batch} cannot be shared by world={world} (rank={rank}); "
                              f"use a multiple of {world}")
        self.context, self.batch, self.seed, self.rank, self.world = context, batch, seed, rank, world
        names = [name for name in store.sources if len(store.tokens(split, name))]
        weight = mix_weights(mix or {}, store.sources)
        self.sources = [name for name in names if weight[name] > 0]
        if not self.sources:
            raise ConfigError(f"there are no tokens to take rows from in the split {split!r} "
                              f"(sources with text: {', '.join(names) or 'none'}; mix: {mix or 'none given'})")
        self._tokens = [store.tokens(split, name) for name in self.sources]
        mass = np.array([len(t) * weight[n] for n, t in zip(self.sources, self._tokens, strict=True)], np.float64)
        self.shares = {name: float(m / mass.sum()) for name, m in zip(self.sources, mass, strict=True)}
        bounds = np.round(np.concatenate([[0.0], np.cumsum(mass / mass.sum())]) * _WHOLE)
        self._bounds = np.minimum(bounds, _WHOLE).astype(np.int64)
        self._phase = int(hash64(np.uint64(seed), 0)) % _WHOLE
        self._epochs: dict[tuple[int, int], tuple[int, np.ndarray]] = {}

    @property
    def rows_per_epoch(self) -> dict[str, int]:
        """Rows in which every token of a source is predicted once."""
        return {name: -(-len(t) // self.context) for name, t in zip(self.sources, self._tokens, strict=True)}

    def at(self, step: int) -> np.ndarray:
        """int64 [batch / world, context + 1]: this process's rows of batch number `step`."""
        local = self.batch // self.world
        return self.rows(step * self.batch + self.rank * local, local)

    def rows(self, first: int, n: int) -> np.ndarray:
        """int64 [n, context + 1]: the rows with global numbers first … first + n - 1, whatever the rank."""
        out = np.empty((n, self.context + 1), np.int64)
        for row, (source, number) in zip(out, self.places(first, n), strict=True):
            self._fill(row, source, number)
        return out

    def places(self, first: int, n: int) -> list[tuple[int, int]]:
        """(index into `sources`, number of the row among that source's rows) for global rows first … first + n - 1."""
        points = ((np.arange(n, dtype=np.int64) + first) * _GOLDEN + self._phase) % _WHOLE
        owners = np.searchsorted(self._bounds, points, side="right") - 1
        seen: dict[int, int] = {}
        places = []
        for owner in owners.tolist():
            if owner not in seen:
                low, high = int(self._bounds[owner]), int(self._bounds[owner + 1])
                seen[owner] = count_below(first, high, self._phase) - count_below(first, low, self._phase)
            places.append((owner, seen[owner]))
            seen[owner] += 1
        return places

    def _fill(self, row: np.ndarray, source: int, number: int) -> None:
        tokens = self._tokens[source]
        size = len(tokens)
        epoch, k = divmod(number, -(-size // self.context))
        start, order = self._epoch(source, epoch)
        place = (start + int(order[k]) * self.context) % size
        if place + len(row) <= size:
            row[:] = tokens[place:place + len(row)]
        else:
            row[:] = tokens[(place + np.arange(len(row))) % size]

    def _epoch(self, source: int, epoch: int) -> tuple[int, np.ndarray]:
        """Where the ring is cut first, and the order of its rows. The last few are kept, as neighbours need them."""
        key = (source, epoch)
        if key not in self._epochs:
            while len(self._epochs) >= 2 * len(self.sources):
                self._epochs.pop(next(iter(self._epochs)))
            self._epochs[key] = epoch_order(len(self._tokens[source]), self.context, self.seed, self.sources[source],
                                            epoch)
        return self._epochs[key]


def epoch_order(size: int, context: int, seed: int, source: str, epoch: int) -> tuple[int, np.ndarray]:
    """Start in [0, size) and a permutation of the ceil(size / context) rows, from hashes, so the same everywhere."""
    name = int.from_bytes(source.encode("utf-8"), "big") % (2**64 - 59)
    key = hash64(hash64(hash64(np.uint64(seed), 1), name), epoch)
    rows = -(-size // context)
    order = np.argsort(hash64(np.arange(1, rows + 1, dtype=np.uint64), int(key)), kind="stable")
    return int(hash64(key, 2)) % size, order


def hash64(values: np.ndarray | np.uint64, key: int) -> np.ndarray | np.uint64:
    """A bijection of 64-bit numbers for every key: SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = np.uint64(key % 2**64) * np.uint64(0x9E3779B97F4A7C15) + values
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def count_below(n: int, high: int, phase: int) -> int:
    """How many of the first n points (i * GOLDEN + phase) mod 2^32 are below `high`."""
    return _floor_sum(n, phase) - _floor_sum(n, phase - high)


def _floor_sum(n: int, b: int, m: int = _WHOLE, a: int = _GOLDEN) -> int:
    """Sum of floor((a i + b) / m) over i < n, by the steps of Euclid's algorithm on (a, m)."""
    total = 0
    while n > 0:
        total += (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        if top < m:
            break
        n, b, m, a = top // m, top % m, a, m
    return total

