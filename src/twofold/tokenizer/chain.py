"""Many words as one chain of tokens in arrays, so that a merge happens at all its places at once.

    position   0   1   2   3   4   5          join (t, h) as th       0   1   2   3   4   5
    token      t   h   e   ·   t   h      ------------------->        th      e   ·   th
    right      1   2   -   -   5   -                                  2       -   -   -

Every byte has a position and keeps it; a token lives at the position of its first byte. Training and encoding walk the
same chain; they differ only in which pair is joined next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["Chain", "grouped"]

NONE = -1


class Chain:
    """`token[i]` is the id that starts at position i, or NONE where a merge has swallowed it. `left[i]` and `right[i]`
    are the neighbouring positions in the same word, or NONE."""

    def __init__(self, words: Sequence[bytes], byte_ids: np.ndarray) -> None:
        lengths = np.array([len(word) for word in words], dtype=np.int32)
        self.starts = np.cumsum(lengths, dtype=np.int32) - lengths
        self.token = byte_ids[np.frombuffer(b"".join(words), dtype=np.uint8)].astype(np.int32)
        size = len(self.token)
        self.right = np.arange(1, size + 1, dtype=np.int32)
        self.right[self.starts + lengths - 1] = NONE
        self.left = np.arange(-1, size - 1, dtype=np.int32)
        self.left[self.starts] = NONE

    def all_pairs(self) -> np.ndarray:
        """The ascending positions at which a pair starts."""
        return self._with_right(np.arange(len(self.token), dtype=np.int32))

    def pairs(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The two tokens of the pair that starts at each of `positions`."""
        return self.token[positions], self.token[self.right[positions]]

    def places(self, positions: Sequence[np.ndarray], first: int, second: int) -> np.ndarray:
        """Those of `positions` where (first, second) stands now, ascending; in a a a only the first of the two."""
        found = positions[0] if len(positions) == 1 else np.sort(np.concatenate(positions))
        found = self._with_right(found[self.token[found] == first])
        found = found[self.token[self.right[found]] == second]
        if first != second or len(found) < 2:
            return found
        index = np.arange(len(found))
        follows = np.concatenate([[False], self.right[found[:-1]] == found[1:]])
        start_of_run = np.maximum.accumulate(np.where(follows, 0, index))
        return found[(index - start_of_run) % 2 == 0]

    def around(self, places: np.ndarray) -> np.ndarray:
        """The ascending positions of the pairs that joining at `places` does away with."""
        return self._with_right(_in_order(self.left[places], places, self.right[places]))

    def join(self, places: np.ndarray, made: int) -> np.ndarray:
        """Put `made` at `places` and swallow their right neighbours. Returns the ascending positions of new pairs."""
        swallowed = self.right[places]
        after = self.right[swallowed]
        self.token[places] = made
        self.token[swallowed] = NONE
        self.right[places] = after
        inner = after != NONE
        self.left[after[inner]] = places[inner]
        return self._with_right(_in_order(self.left[places], places))

    def words(self) -> list[list[int]]:
        """The tokens of each word."""
        standing = self.token != NONE
        ids = self.token[standing].tolist()
        bounds = [*(np.cumsum(standing) - standing)[self.starts].tolist(), len(ids)]
        return [ids[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]

    def _with_right(self, positions: np.ndarray) -> np.ndarray:
        return positions[self.right[positions] != NONE]


def _in_order(*columns: np.ndarray) -> np.ndarray:
    """The positions of the columns, row by row, each once. A row may begin with NONE or where the row before ended."""
    positions = np.stack(columns, axis=1).ravel()
    new = positions != NONE
    new[1:] &= positions[1:] != positions[:-1]
    return positions[new]


def grouped(keys: np.ndarray, values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each distinct key with its values in their order."""
    if not len(keys):
        return
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    bounds = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(keys)]
    for start, end in zip(bounds, bounds[1:], strict=False):
        yield int(keys[start]), values[start:end]
