"""The plan is arithmetic: it keeps what was chosen, fits its time, and is the best of what it looked at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.train.planner import Budget, Law, best_batch, bits_per_byte, plan, vocabularies

TEXT = 18_000_000


@pytest.mark.slow
@given(st.floats(30, 36000), st.floats(5e10, 5e12), st.integers(10_000, 10**9))
def test_the_steps_fit_the_time(seconds, peak, text_bytes):
    made = plan(Budget(seconds, peak, text_bytes))
    assert made.steps >= 1
    assert (made.tokens - made.batch * 256) / made.tokens_per_second <= seconds
    assert made.model.vocab_size in vocabularies(text_bytes)


@pytest.mark.parametrize("fixed", [{"d_model": 192}, {"n_layers": 7}, {"vocab_size": 1024}, {"batch": 32}])
def test_what_was_chosen_stays(fixed):
    made = plan(Budget(300, 4e11, TEXT), **fixed)
    have = {**made.model.to_dict(), "batch": made.batch}
    assert all(have[name] == value for name, value in fixed.items())


def test_nothing_that_it_could_have_chosen_is_better():
    budget = Budget(300, 4e11, TEXT)
    best = plan(budget)
    assert all(plan(budget, d_model=width).bits_per_byte >= best.bits_per_byte for width in (64, 128, 256, 512, 1024))


def test_more_time_gives_a_model_that_is_no_smaller_and_no_worse():
    plans = [plan(Budget(60.0 * minutes, 4e11, TEXT)) for minutes in (1, 2, 5, 15, 60, 600)]
    assert all(a.model.d_model <= b.model.d_model for a, b in zip(plans, plans[1:], strict=False))
    assert all(a.bits_per_byte > b.bits_per_byte for a, b in zip(plans, plans[1:], strict=False))


def test_text_that_is_read_again_is_worth_less_each_time():
    values = [bits_per_byte(Law(), 1e6, 4096, passes * 1e6, 1e6) for passes in (1, 2, 4, 8, 1000, 2000)]
    gains = [a - b for a, b in zip(values, values[1:], strict=False)]
    assert all(gain > 0 for gain in gains[:4]) and gains[-1] == pytest.approx(0, abs=1e-9)
    assert bits_per_byte(Law(), 1e6, 4096, 2e6, 1e6) > bits_per_byte(Law(), 1e6, 4096, 2e6, 2e6)


def test_little_text_gets_a_small_vocabulary_and_a_shape_that_cannot_be_is_refused():
    assert vocabularies(1000) == [512] and max(vocabularies(TEXT)) == 8192
    with pytest.raises(ConfigError, match="n_heads"):
        plan(Budget(300, 4e11, TEXT), d_model=100, n_heads=3)


@given(st.floats(1, 1e12), st.sampled_from([32, 256, 1024, 4096]))
def test_batches_are_powers_of_two(tokens, context):
    batch = best_batch(tokens, context)
    assert batch >= 1 and batch & (batch - 1) == 0
