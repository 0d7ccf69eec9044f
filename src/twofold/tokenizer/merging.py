"""Words to tokens by a list of merges: join the pair whose merge comes first, the leftmost first, until none is left.

Two ways to the same result. When every merge uses only tokens that earlier merges made, as in every vocabulary that
training gives, all places of a merge can be joined together, since joining can only bring up later merges: `Chain`
does that for thousands of words at once, and for one word of a megabyte. Else, and for a few short words, one pair
after the other. `reference.py` says the same in four lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import AnyStr

import numpy as np

from twofold.tokenizer.chain import Chain, grouped

__all__ = ["Merges", "shares"]

FEW = 2000  # bytes up to which joining one pair after the other is quicker
MANY = 1 << 21  # bytes of words that go into one chain, which takes some 60 bytes of memory for each


class Merges:
    """`ids` maps the bytes of a token to its id; a byte that it lacks is a token of its own, `unknown`, that no merge
    touches."""

    def __init__(self, ids: Mapping[bytes, int], merges: Sequence[tuple[bytes, bytes]], unknown: int) -> None:
        self._byte_ids = np.array([ids.get(bytes([byte]), unknown) for byte in range(256)], dtype=np.int32)
        self._parts = [(ids[left], ids[right]) for left, right in merges]
        self._made = [ids[left + right] for left, right in merges]
        self._rank = {parts: rank for rank, parts in enumerate(self._parts)}
        self._base = unknown + 1
        keys = np.array([left * self._base + right for left, right in self._parts], dtype=np.int64)
        self._ranks = np.argsort(keys)
        self._keys = keys[self._ranks]
        last_made = {made: rank for rank, made in enumerate(self._made)}
        self._in_order = all(last_made.get(part, -1) < rank for rank, parts in enumerate(self._parts) for part in parts)

    def apply(self, words: Sequence[bytes]) -> list[list[int]]:
        """The ids of each word (none of them empty)."""
        if not self._in_order or sum(map(len, words)) < FEW:
            return [self._one_after_the_other(word) for word in words]
        return [ids for some in shares(words, MANY) for ids in self._all_at_once(some)]

    def _all_at_once(self, words: Sequence[bytes]) -> list[list[int]]:
        chain = Chain(words, self._byte_ids)
        waiting: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        queue: list[int] = []
        new = chain.all_pairs()
        while True:
            for rank, positions in self._by_rank(chain, new):
                if rank not in waiting:
                    heappush(queue, rank)
                waiting[rank].append(positions)
            if not queue:
                return chain.words()
            rank = heappop(queue)
            places = chain.places(waiting.pop(rank), *self._parts[rank])
            new = chain.join(places, self._made[rank])

    def _by_rank(self, chain: Chain, positions: np.ndarray) -> list[tuple[int, np.ndarray]]:
        if not len(self._keys):
            return []
        first, second = chain.pairs(positions)
        keys = first.astype(np.int64) * self._base + second
        index = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[index] == keys
        return list(grouped(self._ranks[index[known]], positions[known]))

    def _one_after_the_other(self, word: bytes) -> list[int]:
        token = self._byte_ids[np.frombuffer(word, dtype=np.uint8)].tolist()
        size = len(token)
        left, right = list(range(-1, size - 1)), list(range(1, size + 1))
        queue: list[tuple[int, int, int, int]] = []

        def consider(i: int) -> None:
            if i >= 0 and right[i] < size:
                rank = self._rank.get((token[i], token[right[i]]))
                if rank is not None:
                    heappush(queue, (rank, i, token[i], token[right[i]]))

        for i in range(size):
            consider(i)
        while queue:
            rank, i, first, second = heappop(queue)
            j = right[i]
            if token[i] != first or j >= size or token[j] != second:
                continue  # one of the two has been joined with another since
            token[i], token[j], right[i] = self._made[rank], -1, right[j]
            if right[i] < size:
                left[right[i]] = i
            consider(left[i])
            consider(i)
        return [i for i in token if i >= 0]


def shares(items: Iterable[AnyStr], most: int) -> Iterator[list[AnyStr]]:
    """The items in their order, in lists that end where their lengths reach `most`."""
    share: list[AnyStr] = []
    room = most
    for item in items:
        share.append(item)
        room -= len(item)
        if room <= 0:
            yield share
            share, room = [], most
    if share:
        yield share
