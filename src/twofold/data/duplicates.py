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


def near_copies(texts: Sequence[str], workers: int = 1) -> dict[int, int]:
    """Position of each near copy -> position of the first text of its group, which is the one that stays."""
    if len(texts) < 2:
        return {}
    marks = signatures(texts, workers)
    bands = marks.reshape(len(texts), BANDS, ROWS)
    leader = list(range(len(texts)))

    def root(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for band in range(BANDS):
        first: dict[bytes, int] = {}
        for i in range(len(texts)):
            j = first.setdefault(bands[i, band].tobytes(), i)
            a, b = root(i), root(j)
            if a != b and np.mean(marks[i] == marks[j]) >= NEAR:
                leader[max(a, b)] = min(a, b)
    return {i: root(i) for i in range(len(texts)) if root(i) != i}


def signatures(texts: Sequence[str], workers: int = 1) -> np.ndarray:
    """uint32 [len(texts), BANDS * ROWS]: the MinHash of each text's grams."""
    rows = ordered_map(_signatures, texts, len, sum(map(len, texts)), workers)
    return np.stack(list(rows))


def overlap(texts: Sequence[str], others: Sequence[str]) -> list[tuple[float, int]]:
    """For each text the highest Jaccard similarity of its grams with one of `others`, exactly, and which one that is.

    Memory grows with `others` only.
    """
    sets = [np.unique(grams(text)) for text in others]
    sizes = np.array([len(each) for each in sets], np.int64)
    owners = np.repeat(np.arange(len(sets)), sizes)
    flat = np.concatenate([*sets, np.empty(0, np.uint64)])
    order = np.argsort(flat, kind="stable")
    flat, owners = flat[order], owners[order]
    result = []
    for text in texts:
        own = np.unique(grams(text))
        low, high = np.searchsorted(flat, own, "left"), np.searchsorted(flat, own, "right")
        counts = high - low
        where = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        shared = np.bincount(owners[where], minlength=len(sets))
        likeness = shared / np.maximum(1, len(own) + sizes - shared) if len(sets) else np.zeros(1)
        result.append((float(likeness.max()), int(likeness.argmax())))
    return result


def grams(text: str) -> np.ndarray:
    """uint64: a hash of every run of five words, lower case; a text of fewer words is one gram."""
    words = _WORD.findall(text.lower())
    hashes = np.fromiter(map(_hashes.__getitem__, words), np.uint64, len(words))
    result = np.zeros(max(1, len(words) - _GRAM + 1), np.uint64)
    with np.errstate(over="ignore"):
        for k in range(min(_GRAM, len(words))):
            result = result * _ODD + hashes[k:k + len(result)]
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


def _signatures(texts: list[str]) -> list[np.ndarray]:
    rensa = require("rensa", "train", "finding near duplicates")
    values = [grams(text) for text in texts]
    ends = np.cumsum([0, *map(len, values)])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(values), ends, BANDS * ROWS, _SEED)
    return list(np.array(matrix.to_rows(), np.uint32))
