"""The prefix cache lends the longest start there is, stays within its budget, and forgets the least used first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.prefix import Kept, PrefixCache, common

IDS = st.lists(st.integers(0, 2), min_size=1, max_size=8)


def shared(a: list[int], b: list[int]) -> int:
    return next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))


@given(IDS, IDS)
def test_the_common_start_is_found_by_bisection_as_by_looking(a, b):
    assert common(a, b) == shared(a, b)


@given(st.lists(IDS, max_size=12), IDS, st.lists(IDS, max_size=3))
def test_the_best_is_the_longest_start_of_all(texts, asked, running):
    cache = PrefixCache(10**9)
    for text in texts:
        cache.keep(Kept(text, None, len(text)))
    kept, n = cache.best(asked, [Kept(text, None, 0) for text in running])
    assert n == max((shared(text, asked) for text in (*texts, *running)), default=0)
    assert (kept is None) == (n == 0)
    assert kept is None or kept.ids[:n] == asked[:n]


@given(st.lists(IDS, max_size=20), st.integers(0, 30))
def test_the_budget_holds_and_no_text_is_kept_within_another(texts, budget):
    cache = PrefixCache(budget)
    for text in texts:
        cache.keep(Kept(text, None, len(text)))
        kept = [one.ids for one in cache._kept.values()]
        assert cache.n_bytes == sum(map(len, kept)) <= budget
        assert not any(a is not b and shared(a, b) == len(a) for a in kept for b in kept)


def test_the_least_recently_used_goes_first():
    cache = PrefixCache(3)
    for i in range(3):
        cache.keep(Kept([i], i, 1))
    cache.best([0, 9])
    cache.keep(Kept([3], 3, 1))
    assert [cache.best([i])[1] for i in range(4)] == [1, 0, 1, 1]


def test_what_is_taken_is_gone_and_what_is_lent_stays():
    cache = PrefixCache(9)
    cache.keep(Kept([1, 2], "mine", 2))
    kept, _ = cache.best([1, 2, 3])
    assert cache.take(kept) and cache.n_bytes == 0 and len(cache) == 0
    running = Kept([1], "theirs", 0)
    kept, _ = cache.best([1], [running])
    assert kept is running and not cache.take(kept)
