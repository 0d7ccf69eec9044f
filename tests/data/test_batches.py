from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.data.batches import _GOLDEN, _WHOLE, Batches, count_below
from twofold.errors import ConfigError


class Store:
    """Token stores without a disk: each source is a range of ids that no other source has."""

    def __init__(self, **sizes):
        self.sources = list(sizes)
        starts = np.cumsum([0, *sizes.values()])
        self._tokens = {name: np.arange(start, start + size, dtype=np.uint32)
                        for (name, size), start in zip(sizes.items(), starts, strict=False)}

    def tokens(self, split, source):
        return self._tokens[source]


sizes = st.integers(1, 300)


@pytest.mark.slow
@given(sizes, st.integers(1, 40), st.integers(0, 2**32), st.integers(0, 3))
def test_each_epoch_predicts_every_token_and_fewer_than_a_row_of_them_twice(size, context, seed, epoch):
    batches = Batches(Store(a=size), "train", context, 1, seed)
    per_epoch = batches.rows_per_epoch["a"]
    targets = Counter(batches.rows(epoch * per_epoch, per_epoch)[:, 1:].ravel().tolist())
    assert set(targets) == set(range(size))
    assert sum(targets.values()) - size < context


@given(sizes, st.integers(1, 40), st.integers(0, 99))
def test_a_row_is_a_stretch_of_the_ring(size, context, first):
    for row in Batches(Store(a=size), "train", context, 1).rows(first, 5):
        assert np.array_equal(row[1:], (row[:-1] + 1) % size)


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(1, 8), st.sampled_from([1, 2, 4]), st.integers(0, 2**40))
def test_the_processes_together_read_the_rows_of_one(step, per_rank, world, seed):
    store = Store(a=5000, b=300)
    batch = per_rank * world
    alone = Batches(store, "train", 16, batch, seed).at(step)
    shared = [Batches(store, "train", 16, batch, seed, rank=rank, world=world).at(step) for rank in range(world)]
    assert np.array_equal(alone, np.concatenate(shared))


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 50))
def test_a_row_depends_on_its_number_alone_not_on_the_batch_or_on_what_came_before(first, n, cut):
    store = Store(a=3000, b=200, c=1)
    cut = min(cut, n)
    whole = Batches(store, "train", 8, 1).rows(first, n)
    parts = Batches(store, "train", 8, 7)
    assert np.array_equal(whole[cut:], parts.rows(first + cut, n - cut))
    assert np.array_equal(whole[:cut], parts.rows(first, cut))


@pytest.mark.slow
@given(st.integers(0, 10**9), st.integers(0, _WHOLE), st.integers(0, _WHOLE - 1))
@settings(max_examples=50)
def test_counting_by_euclid_is_counting_one_by_one(first, high, phase):
    points = (np.arange(first, first + 300, dtype=object) * _GOLDEN + phase) % _WHOLE
    counts = [count_below(first + i, high, phase) - count_below(first, high, phase) for i in range(301)]
    assert counts == [0, *np.cumsum([p < high for p in points])]


@pytest.mark.parametrize("mix", [None, {"b": 3.0}, {"a": 0.5, "c": 20.0}])
def test_every_stretch_holds_each_source_in_its_share_of_tokens_times_weight(mix):
    store = Store(a=7000, b=2000, c=100)
    batches = Batches(store, "train", 16, 32, seed=3, mix=mix)
    mass = {n: len(store.tokens("train", n)) * (mix or {}).get(n, 1.0) for n in store.sources}
    for first in (0, 12345, 999_999):
        drawn = Counter(owner for owner, _ in batches.places(first, 1000))
        for i, name in enumerate(batches.sources):
            assert abs(drawn[i] - 1000 * mass[name] / sum(mass.values())) < 6


def test_every_row_of_every_source_comes_once_before_any_comes_again():
    batches = Batches(Store(a=700, b=200), "train", 16, 32, seed=5)
    for source in (0, 1):
        numbers = [number for owner, number in batches.places(0, 500) if owner == source]
        assert numbers == list(range(len(numbers)))


def test_epochs_and_seeds_differ_in_order_and_in_alignment():
    store = Store(a=1600)
    first, second = (Batches(store, "train", 16, 100, seed=0).at(step) for step in (0, 1))
    other = Batches(store, "train", 16, 100, seed=1).at(0)
    for rows in (second, other):
        assert not np.array_equal(rows, first)
        assert set(rows[:, 0] % 16) != set(first[:, 0] % 16)


@pytest.mark.parametrize("wrong", [
    {"context": 0}, {"batch": 0}, {"batch": 5, "world": 2}, {"rank": 2, "world": 2, "batch": 4},
    {"mix": {"z": 1.0}}, {"mix": {"a": -1.0}}, {"mix": {"a": float("nan")}}, {"mix": {"a": 0.0}},
])
def test_what_cannot_be_is_refused_by_name(wrong):
    with pytest.raises(ConfigError):
        Batches(Store(a=100), "train", **({"context": 8, "batch": 4} | wrong))
