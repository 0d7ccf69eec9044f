from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.data.documents import Document
from twofold.data.duplicates import exact_copies, grams, near_copies, overlap, signatures

words = st.lists(st.sampled_from(["a", "b", "c", "ä"]), min_size=1, max_size=40).map(" ".join)


WORDS = ["river", "hill", "boat", "story", "village", "evening", "people", "course", "old", "slow"]


def prose(seed, n):
    draw = random.Random(seed)
    return [draw.choice(WORDS) for _ in range(n)]


def jaccard(a, b):
    def runs(text):
        w = re.findall(r"\w+", text.lower())
        return {tuple(w[i:i + 5]) for i in range(max(1, len(w) - 4))}

    return len(runs(a) & runs(b)) / len(runs(a) | runs(b))


@given(words, words)
def test_grams_are_equal_where_runs_of_five_words_are(a, b):
    first, second = (set(each.tolist()) for each in grams([a, b]))
    assert len(first & second) / len(first | second) == jaccard(a, b)


@pytest.mark.slow
@given(st.lists(words, max_size=6), st.lists(words, min_size=1, max_size=6))
def test_overlap_is_the_highest_jaccard_similarity(texts, others):
    for text, (likeness, which) in zip(texts, overlap(grams(texts), grams(others)), strict=True):
        every = [jaccard(text, other) for other in others]
        assert likeness == pytest.approx(max(every))
        assert every[which] == pytest.approx(likeness) or likeness == 0


def test_signatures_estimate_the_jaccard_similarity():
    base = prose(1, 2000)
    marks = signatures(grams([" ".join(base), " ".join(base[:1500] + prose(2, 500))]))
    true = jaccard(" ".join(base), " ".join(base[:1500] + prose(2, 500)))
    assert abs(np.mean(marks[0] == marks[1]) - true) < 3 * (true * (1 - true) / marks.shape[1]) ** 0.5


def test_an_edited_copy_is_found_and_a_text_that_shares_a_third_is_not():
    base = prose(1, 600)
    edited = [*base[:300], "suddenly", *base[300:]]
    related = base[:300] + prose(2, 300)
    texts = [" ".join(t) for t in (prose(3, 600), base, edited, related, prose(4, 600))]
    assert jaccard(texts[1], texts[2]) > 0.9
    assert jaccard(texts[1], texts[3]) == pytest.approx(1 / 3, abs=0.05)
    assert near_copies(grams(texts)) == {2: 1}


def test_copies_of_copies_all_point_to_the_first():
    base = prose(1, 600)
    chain = [" ".join([*base[:-5 * i or None], *prose(9, 5 * i)]) for i in range(4)]
    assert near_copies(grams(chain)) == {1: 0, 2: 0, 3: 0}


def test_the_first_of_equal_texts_stays():
    documents = [Document(str(i), "s", "prose", text) for i, text in enumerate("abacab")]
    assert exact_copies(documents) == {2: 0, 4: 0, 5: 1}


def test_nothing_has_no_copies():
    assert near_copies([]) == {} == near_copies(grams(["alone"]))
