"""Damaged files through run.c under AddressSanitizer and UndefinedBehaviorSanitizer; benchmarks/fuzz.py tries more."""

from __future__ import annotations

import random
import sys

import pytest

from ..weights.mutations import damaged
from .compiled import needs_compiler
from .hostile import hostile

pytestmark = [needs_compiler, pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs select")]


def test_a_damaged_file_is_refused_in_words_or_can_be_used(tmp_path):
    target, process = hostile(tmp_path)
    for seed in target.seeds:
        assert target.attempt(seed), "a sound file is accepted"
    stream = damaged(target, random.Random(5))
    accepted = sum(target.attempt(next(stream)) for _ in range(250))
    process.close()
    assert 0 < accepted < 250
