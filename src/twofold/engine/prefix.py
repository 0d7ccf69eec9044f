"""The prefix cache: which text that was read before gives a new one the longest start. Policy in plain Python.

A second question in the same chat begins with everything said before, so that only the new turn needs to be read.
Kept texts take at most `budget` bytes together; the one that was used least recently goes first. A text that another
one goes on from is not kept beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Kept", "PrefixCache", "common"]

C = TypeVar("C")


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many ids two texts begin with alike. Bisects, so that whole slices are compared at once."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True)
class Kept(Generic[C]):
    """Ids that were read and the cache that holds them."""

    ids: list[int]
    cache: C
    n_bytes: int


class PrefixCache(Generic[C]):
    def __init__(self, budget: int) -> None:
        self.budget, self.n_bytes = budget, 0
        self._kept: OrderedDict[int, Kept[C]] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    def best(self, ids: Sequence[int], running: Iterable[Kept[C]] = ()) -> tuple[Kept[C] | None, int]:
        """What shares the longest start with `ids`, and how long that is; `running` texts may lend theirs too."""
        found, longest, where = None, 0, -1
        for key, kept in [*self._kept.items(), *((-1, one) for one in running)]:
            if (n := common(kept.ids, ids)) > longest:
                found, longest, where = kept, n, key
        if where >= 0:
            self._kept.move_to_end(where)
        return found, longest

    def take(self, kept: Kept[C]) -> bool:
        """Take it out, to be written on; False if it is not here (but lent by a running text)."""
        key = next((key for key, one in self._kept.items() if one is kept), None)
        return key is not None and self._drop(key)

    def keep(self, kept: Kept[C]) -> None:
        """Keep a text that was read, if there is room for it at all and none that is kept begins with it."""
        for key, one in list(self._kept.items()):
            n = common(one.ids, kept.ids)
            if n == len(kept.ids):
                self._kept.move_to_end(key)
                return
            if n == len(one.ids):
                self._drop(key)
        if kept.n_bytes > self.budget:
            return
        self._kept[self._next] = kept
        self._next += 1
        self.n_bytes += kept.n_bytes
        while self.n_bytes > self.budget:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        self._kept.clear()
        self.n_bytes = 0

    def _drop(self, key: int) -> bool:
        self.n_bytes -= self._kept.pop(key).n_bytes
        return True
