"""Tokens come as often as the exact distribution says, filters are those of transformers, a seed fixes the draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.contracts import Sampling
from twofold.engine.sampling import check, choose, likeliest
from twofold.errors import ConfigError, TwofoldError
from twofold.run.run import distribution

ALL = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.05, 0.25])).astype(np.float32)
SETTINGS = {
    "temperature": st.floats(0.05, 3), "top_k": st.integers(0, 30), "top_p": st.floats(0.01, 1),
    "min_p": st.floats(0, 1), "seed": st.integers(0, 2**32),
}  # fmt: skip


def softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max())
    return p / p.sum()


def frequencies(sampling: Sampling, n: int = 20000) -> np.ndarray:
    random = np.random.default_rng(7)
    return np.bincount([choose(LOGITS, sampling, random).id for _ in range(n)], minlength=5) / n


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "expected"), [
    ({}, [0.1, 0.4, 0.2, 0.05, 0.25]),
    ({"temperature": 0.5}, [0.01 / 0.275, 0.16 / 0.275, 0.04 / 0.275, 0.0025 / 0.275, 0.0625 / 0.275]),
    ({"top_k": 2}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
    ({"top_p": 0.6}, [0, 0.4 / 0.65, 0, 0, 0.25 / 0.65]),
    ({"top_p": 0.7}, [0, 0.4 / 0.85, 0.2 / 0.85, 0, 0.25 / 0.85]),
    ({"min_p": 0.3}, [0, 0.4 / 0.85, 0.2 / 0.85, 0, 0.25 / 0.85]),
    ({"top_k": 3, "top_p": 0.6, "temperature": 0.5}, [0, 0.16 / 0.2225, 0, 0, 0.0625 / 0.2225]),
    ({"temperature": 0}, [0, 1, 0, 0, 0]),
])  # fmt: skip
def test_tokens_come_as_often_as_the_exact_distribution_says(changes, expected):
    n = 20000
    expected = np.array(expected)
    drawn = frequencies(Sampling(**(vars(ALL) | changes)), n)
    assert (drawn[expected == 0] == 0).all()
    assert (np.abs(drawn - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)).all()


@pytest.mark.slow
@given(st.integers(0, 2**32), st.integers(2, 40), st.fixed_dictionaries(SETTINGS))
def test_the_filters_keep_and_weigh_what_those_of_transformers_do(seed, size, settings):
    torch = pytest.importorskip("torch")
    process = pytest.importorskip("transformers.generation.logits_process")
    logits = np.random.default_rng(seed).standard_normal(size).astype(np.float32) * 3
    scores = torch.from_numpy(logits)[None].double()
    for use, make in (
        (settings["top_k"] > 0, lambda: process.TopKLogitsWarper(settings["top_k"])),
        (settings["top_p"] < 1, lambda: process.TopPLogitsWarper(settings["top_p"])),
        (settings["min_p"] > 0, lambda: process.MinPLogitsWarper(settings["min_p"])),
        (True, lambda: process.TemperatureLogitsWarper(settings["temperature"])),
    ):
        scores = make()(None, scores) if use else scores
    expected = scores.softmax(-1)[0].numpy()
    ids, p = distribution(logits, *(settings[name] for name in ("temperature", "top_k", "top_p", "min_p")))
    dense = np.zeros(size)
    dense[ids] = p
    np.testing.assert_allclose(dense, expected, atol=1e-9)


@pytest.mark.slow
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50), st.fixed_dictionaries(SETTINGS))
def test_any_scores_and_settings_give_a_token_that_was_kept_with_its_own_probability(scores, settings):
    logits, sampling = np.array(scores, np.float32), Sampling(**settings)
    check(sampling)
    ids, p = distribution(logits, sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p)
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1)
    assert (np.diff(logits[ids]) <= 0).all()
    token = choose(logits, sampling, np.random.default_rng(sampling.seed), candidates=5)
    assert token.id in ids
    assert token.probability == pytest.approx(softmax(logits.astype(float))[token.id])
    assert token == choose(logits, sampling, np.random.default_rng(sampling.seed), candidates=5)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 40))
def test_candidates_are_the_likeliest_in_order(p, n):
    here = [(one.id, one.probability) for one in likeliest(np.array(p), n)]
    assert [chance for _, chance in here] == sorted(p, reverse=True)[:n]
    assert all(p[i] == chance for i, chance in here)
    assert len({i for i, _ in here}) == len(here) == min(n, len(p))


@pytest.mark.parametrize("wrong", [
    {"temperature": -0.1}, {"temperature": float("nan")}, {"top_k": -1}, {"top_p": 1.1}, {"min_p": -1}, {"seed": -1},
])  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        check(Sampling(**wrong))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_an_error_with_words(bad):
    with pytest.raises(TwofoldError, match="not finite"):
        choose(np.array([0, bad, 1], np.float32), Sampling(), np.random.default_rng(0))
