"""Agreement beyond chance: published examples, another library, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.evals.agreement import alpha, kappa, pairs

PUBLISHED = {  # Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections A, B and C
    0.095: ["0100000010", "1110010000"],
    0.692: ["aabbdcccedda", "babbbccceddd"],
    0.743: ["123321412...", "1233224125.3", ".3332342251.", "12332441251."],
}


def things(rows):
    return [{str(i): one for i, one in enumerate(column) if one != "."} for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("value", PUBLISHED)
def test_alpha_is_krippendorffs_in_his_examples(value):
    assert round(alpha(things(PUBLISHED[value])).value, 3) == value


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
def test_kappa_is_scikit_learns(both):
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = [one for one, _ in both], [other for _, other in both]
    found = kappa(first, second)
    if found.value is None:
        assert len({*first, *second}) == 1
    else:
        assert found.value == pytest.approx(metrics.cohen_kappa_score(first, second))
        assert found.low <= found.value + 1e-12 and found.value <= found.high + 1e-12


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from("wxyz"), st.sampled_from("ab"), max_size=4), max_size=12))
def test_alpha_stays_within_its_interval_and_agreement_is_one(said):
    found = alpha(said)
    if found.value is not None:
        assert found.value <= 1 + 1e-12 and found.low <= found.high
        agreed = all(len(set(thing.values())) == 1 for thing in said if len(thing) > 1)
        assert agreed == (found.value > 1 - 1e-12)


def test_where_everybody_says_the_same_of_everything_there_is_nothing_beyond_chance():
    assert kappa(["a"] * 9, ["a"] * 9).value is None
    assert alpha([{"x": "a", "y": "a"}] * 9).value is None
    assert kappa([], []).value is None and alpha([]).value is None and alpha([{"x": "a"}]).value is None


def test_nobody_disagreed_does_not_mean_that_nobody_could():
    few, many = kappa(list("abab"), list("abab")), kappa(list("ab") * 200, list("ab") * 200)
    assert few.value == many.value == 1 and few.low < 0.5 < 0.95 < many.low
    assert alpha(things([list("abab")] * 3)).low < 0.6


@pytest.mark.slow
def test_the_intervals_hold_the_truth_about_as_often_as_they_say():
    random, n, hit = np.random.default_rng(0), 80, {"kappa": 0, "alpha": 0}
    truth = 0.8 * 0.8 + 0.2 * 0.2  # each sees right with probability 0.8; half of the things are a: chance gives 1/2
    truth = (truth - 0.5) / 0.5
    for _ in range(200):
        real = random.random(n) < 0.5
        seen = np.where(random.random((2, n)) < 0.8, real, ~real)
        said = [{"x": str(a), "y": str(b)} for a, b in seen.T]
        one, all_of_them = kappa([t["x"] for t in said], [t["y"] for t in said]), alpha(said)
        hit["kappa"] += one.low <= truth <= one.high
        hit["alpha"] += all_of_them.low <= truth <= all_of_them.high
    assert all(180 <= count <= 198 for count in hit.values()), hit


def test_each_two_who_judged_something_both_are_compared_on_that():
    said = [{"Ada": "a", "Ben": "a"}, {"Ada": "b", "Ben": "a", "Eve": "b"}, {"Eve": "a"}]
    found = pairs(said)
    assert {who: one.n for who, one in found.items()} == {("Ada", "Ben"): 2, ("Ada", "Eve"): 1, ("Ben", "Eve"): 1}
    assert found["Ada", "Ben"].share == 0.5
