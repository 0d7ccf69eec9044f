"""run.py's transformer says what the Decoder says, one token at a time or all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twofold.run import run
from twofold.weights.parameters import load, save

from ..weights.models import OWN_SHAPES, SHAPES, VOCABULARY, config_of, random_state, small_tokenizer, tiny_parameters

torch = pytest.importorskip("torch")
from twofold.weights.torch_state import to_decoder  # noqa: E402

IDS = np.random.default_rng(1).integers(0, VOCABULARY, 80).tolist()


@pytest.fixture(params=[*SHAPES, *OWN_SHAPES])
def models(request, tmp_path):
    one = tiny_parameters(request.param, small_tokenizer())
    save(tmp_path / "p.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    decoder = to_decoder(load(tmp_path / "p.gguf"))
    with torch.no_grad():
        return run.Model(run.GGUF(str(tmp_path / "p.gguf"))), decoder(torch.tensor([IDS]))[0].numpy()


def test_scores_are_those_of_the_decoder(models):
    model, expected = models
    here = model.forward(IDS, run.Cache(model), every=True)
    assert here.dtype == np.float32
    np.testing.assert_allclose(here, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_reading_in_pieces_gives_the_scores_of_reading_at_once(models):
    model, expected = models
    cache = run.Cache(model)
    for start, end in ((0, 1), (1, 2), (2, 40), (40, 41), (41, 80)):
        here = model.forward(IDS[start:end], cache)
        np.testing.assert_allclose(here, expected[end - 1], rtol=0, atol=2e-5 * np.abs(expected).max())


def test_more_than_the_context_is_refused_before_anything_is_read(models):
    model, _ = models
    cache = run.Cache(model)
    with pytest.raises(run.Problem, match="its context"):
        model.forward([1] * (model.context + 1), cache)
    with pytest.raises(run.Problem, match="this is 0"):
        model.forward([], cache)
    assert cache.length == 0


def test_a_full_context_goes_on_from_its_later_half(models):
    model, _ = models
    greedy = list(run.generate(model, IDS, 40, [], temperature=0))
    full = model.context - len(IDS) + 1  # the first token that was chosen with the context full is the last of these
    later = (IDS + greedy[:full])[-(model.context // 2) :]
    assert greedy[full : full + 5] == list(run.generate(model, later, 5, [], temperature=0))


def test_a_long_prompt_is_read_in_parts_that_add_up(tmp_path):
    config = replace(config_of("qwen3"), context=700)
    save(tmp_path / "p.gguf", config, random_state(config), small_tokenizer(), dtype="F32")
    model = run.Model(run.GGUF(str(tmp_path / "p.gguf")))
    ids = (IDS * 9)[:650]
    with torch.no_grad():
        expected = to_decoder(load(tmp_path / "p.gguf"))(torch.tensor([ids]))[0, -1].numpy()
    here = model.forward(ids, run.Cache(model))
    np.testing.assert_allclose(here, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
