"""Copies and near copies: the first of each group stays.

Exact: equal normalised text. Near: MinHash with 14 bands of 8 rows over word 5-grams (a signature of 112 values);
two texts that agree on a whole band are candidates, which happens with probability 1 - (1 - J^8)^14 at Jaccard
similarity J, one half at about (1/14)^(1/8) = 0.72. A candidate counts when the signatures agree on at least NEAR of
their values, which keeps the rare accident from dropping a text that is merely related.

Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from twofold.data.documents import Document
from twofold.data.parallel import ordered_map
from twofold.errors import require

__all__ = ["NEAR", "exact_copies", "grams", "near_copies", "overlap", "signatures"]

BANDS, ROWS = 14, 8
NEAR = 0.65
_GRAM = 5
_ODD = np.uint64(0x9E3779B97F4A7C15)
_SEED = 20260101
_WORD = re.compile(r"\w+")


def exact_copies(documents: Sequence[Document]) -> dict[int, int]:
    """Position of each later copy -> position of the first document with that text."""
    first: dict[int, int] = {}
    copies: dict[int, int] = {}
    for i, document in enumerate(documents):
        j = first.setdefault(document.key, i)
        if j != i:
            copies[i] = j
    return copies


def near_copies(sets: Sequence[np.ndarray]) -> dict[int, int]:
    """Position of each near copy -> position of the first text of its group, which is the one that stays."""
    if len(sets) < 2:
        return {}
    marks = signatures(sets)
    bands = marks.reshape(len(sets), BANDS, ROWS)
    leader = list(range(len(sets)))

    def root(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for band in range(BANDS):
        first: dict[bytes, int] = {}
        for i in range(len(sets)):
            j = first.setdefault(bands[i, band].tobytes(), i)
            a, b = root(i), root(j)
            if a != b and np.mean(marks[i] == marks[j]) >= NEAR:
                leader[max(a, b)] = min(a, b)
    return {i: root(i) for i in range(len(sets)) if root(i) != i}


def signatures(sets: Sequence[np.ndarray]) -> np.ndarray:
    """uint32 [len(sets), BANDS * ROWS]: the MinHash of each set of grams."""
    rensa = require("rensa", "train", "finding near duplicates")
    ends = np.cumsum([0, *map(len, sets)])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), ends, BANDS * ROWS, _SEED)
    return np.array(matrix.to_rows(), np.uint32)


def overlap(sets: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> list[tuple[float, int]]:
    """For each set of grams the highest Jaccard similarity with one of `others`, exactly, and which one that is."""
    sizes = np.array([len(each) for each in others], np.int64)
    owners = np.repeat(np.arange(len(others)), sizes)
    flat = np.concatenate([*others, np.empty(0, np.uint64)])
    order = np.argsort(flat, kind="stable")
    flat, owners = flat[order], owners[order]
    result = []
    for own in sets:
        low = np.searchsorted(flat, own, "left")
        hit = flat[np.minimum(low, len(flat) - 1)] == own if len(flat) else np.zeros(len(own), bool)
        low, counts = low[hit], np.searchsorted(flat, own[hit], "right") - low[hit]
        where = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        near, shared = np.unique(owners[where], return_counts=True)
        likeness = shared / (len(own) + sizes[near] - shared)
        best = int(likeness.argmax()) if len(near) else -1
        result.append((float(likeness[best]), int(near[best])) if best >= 0 else (0.0, 0))
    return result


def grams(texts: Sequence[str], workers: int = 1) -> list[np.ndarray]:
    """For each text the hashes, uint64, each once, in order, of its runs of five words, lower case.

    A text of fewer words is one gram.
    """
    return list(ordered_map(_grams, texts, len, sum(map(len, texts)), workers))


def _grams(texts: list[str]) -> list[np.ndarray]:
    result = []
    for text in texts:
        words = _WORD.findall(text.lower())
        hashes = np.fromiter(map(_hashes.__getitem__, words), np.uint64, len(words))
        runs = np.zeros(max(1, len(words) - _GRAM + 1), np.uint64)
        for k in range(min(_GRAM, len(words))):
            runs = runs * _ODD + hashes[k:k + len(runs)]
        result.append(np.unique(runs))
    return result


class _WordHashes(dict[str, int]):
    """64 bits for every word, found once."""

    def __missing__(self, word: str) -> int:
        if len(self) >= 1 << 20:
            self.clear()
        digest = hashlib.blake2b(word.encode("utf-8"), digest_size=8).digest()
        self[word] = int.from_bytes(digest, "little")
        return self[word]


_hashes = _WordHashes()
