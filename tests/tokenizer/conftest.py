from __future__ import annotations

import pytest

from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.train import train_bpe

from .examples import TEXT


@pytest.fixture(scope="session", params=PATTERNS)
def tokenizer(request):
    """One for each pre-tokenizer."""
    return train_bpe([TEXT] * 2, 500, request.param)
