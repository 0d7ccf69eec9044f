"""Copies and near copies: the first of each group stays.

Exact: equal normalised text. Near: MinHash with 14 bands of 8 rows over word 5-grams (a signature of 112 values);
two texts that agree on a whole band are candidates, which happens with probability 1 - (1 - J^8)^14 at Jaccard
similarity J, one half at about (1/14)^(1/8) = 0.72. A candidate counts when the signatures agree on at least NEAR of
their values, which keeps the rare accident from dropping a text that is merely related.

Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from twofold.data.documents import Document
from twofold.errors import require

__all__ = ["exact_copies", "near_copies", "signatures"]

BANDS, ROWS = 14, 8
NEAR = 0.65
_GRAM = 5
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


def near_copies(texts: Sequence[str]) -> dict[int, int]:
    """Position of each near copy -> position of the first text of its group, which is the one that stays."""
    if len(texts) < 2:
        return {}
    marks = signatures(texts)
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


def signatures(texts: Sequence[str]) -> np.ndarray:
    """uint32 [len(texts), BANDS * ROWS]: MinHash over word 5-grams, lower case; a shorter text is one gram."""
    rensa = require("rensa", "train", "finding near duplicates")
    result = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for i, text in enumerate(texts):
        words = _WORD.findall(text.lower())
        grams = [" ".join(words[k:k + _GRAM]) for k in range(max(1, len(words) - _GRAM + 1))]
        mark = rensa.RMinHash(num_perm=BANDS * ROWS, seed=_SEED)
        mark.update(grams)
        result[i] = mark.digest()
    return result
