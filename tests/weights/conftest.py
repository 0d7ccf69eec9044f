"""Fixtures: the tiny models, one family or shape at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twofold.tokenizer.bpe import BPETokenizer
from twofold.weights.parameters import Parameters

from .models import OWN_SHAPES, SHAPES, small_tokenizer, tiny_parameters


@pytest.fixture(scope="session")
def tokenizer() -> BPETokenizer:
    return small_tokenizer()


@pytest.fixture
def tiny(tokenizer: BPETokenizer) -> Callable[[str], Parameters]:
    """`tiny("llama")`: parameters of that shape with random weights."""
    return lambda name: tiny_parameters(name, tokenizer)


@pytest.fixture(params=[*SHAPES])
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[*SHAPES, *OWN_SHAPES])
def shape(request: pytest.FixtureRequest) -> str:
    return request.param
