"""Samples are the same from run to run, one for each prompt and seed, without the prompt and without special tokens."""

from __future__ import annotations

import pytest

from twofold.engine.open import open_model
from twofold.evals.samples import PROMPTS, samples
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters


@pytest.fixture
def path(tmp_path):
    one = tiny_parameters("qwen3", small_tokenizer())
    save(tmp_path / "p.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    return tmp_path / "p.gguf"


def test_samples_repeat_and_seeds_differ(path):
    first, again = (list(samples(open_model(path), n=20, seeds=(0, 1))) for _ in range(2))
    assert first == again
    assert [(one.prompt, one.seed) for one in first] == [(prompt, seed) for prompt in PROMPTS for seed in (0, 1)]
    assert len({one.text for one in first}) == len(first)


def test_a_prompt_longer_than_the_context_is_skipped(path):
    assert list(samples(open_model(path), ["x" * 500], n=2)) == []
