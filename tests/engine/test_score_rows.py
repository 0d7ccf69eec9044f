"""Many rows are scored at once, at the cost that cross-entropy says."""

from __future__ import annotations

import numpy as np
import pytest

from ..weights.models import small_tokenizer, tiny_parameters

torch = pytest.importorskip("torch")
from twofold.engine import torch_backend  # noqa: E402
from twofold.weights.torch_state import to_decoder  # noqa: E402


def test_score_rows_is_cross_entropy_whatever_the_batch_and_the_share_of_scores_at_a_time(monkeypatch):
    decoder = to_decoder(tiny_parameters("gpt2", small_tokenizer()))
    rows = np.random.default_rng(0).integers(0, decoder.config.vocab_size, (7, 31))
    with torch.no_grad():
        logits, targets = decoder(torch.from_numpy(rows[:, :-1])), torch.from_numpy(rows[:, 1:])
        expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    for batch, scores in ((None, 1 << 22), (1, 1 << 22), (3, 1000), (7, 1)):
        monkeypatch.setattr(torch_backend, "SCORES", scores)
        here = torch_backend.score_rows(decoder, rows, batch=batch)
        np.testing.assert_allclose(here.flatten(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert torch_backend.score_rows(decoder, rows[:0]).shape == (0, 30)
