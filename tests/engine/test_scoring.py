"""Windows cover each token once; scores are those of the model's whole distribution, on either backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.scoring import score_documents, windows
from twofold.errors import ConfigError


@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_every_token_but_the_first_is_counted_once_and_predicted_from_what_the_stride_promises(n, context, data):
    stride = data.draw(st.none() | st.integers(1, context))
    counted = []
    for one in windows(n, context, stride):
        assert one.end - one.start <= context + 1
        counted += range(one.first, one.end)
        seen = one.first - one.start  # tokens before the first counted one
        assert seen >= (1 if one.start == 0 else context - (stride or context) + 1)
    assert counted == list(range(1, n))


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 9), st.integers(0, 2**32), st.data()
)
def test_rows_of_many_documents_are_scored_together_as_each_alone(lengths, context, seed, data):
    """The made-up cost of a token depends on everything before it in the row, and on nothing after it."""
    stride = data.draw(st.integers(1, context))
    random = np.random.default_rng(seed)
    documents = [random.integers(0, 50, length) for length in lengths]

    def costs(rows: np.ndarray) -> np.ndarray:
        return np.sqrt(np.cumsum(rows, 1)[:, :-1]) + rows[:, 1:]

    together = score_documents(costs, documents, context, stride)
    for document, nats in zip(documents, together, strict=True):
        alone = [costs(document[None, one.start : one.end])[0, one.first - one.start - 1 :]
                 for one in windows(len(document), context, stride)]  # fmt: skip
        np.testing.assert_array_equal(nats, np.concatenate([np.zeros(0), *alone]))


@pytest.mark.parametrize("stride", [0, 9])
def test_a_stride_that_leaves_gaps_is_refused(stride):
    with pytest.raises(ConfigError, match=f"stride={stride}"):
        list(windows(20, 8, stride))
