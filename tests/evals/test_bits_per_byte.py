"""Bits per byte of models whose costs are known, intervals that hold the truth as often as they say, bytes once."""

from __future__ import annotations

import lzma
import math
from pydoc_data.topics import topics

import numpy as np
import pytest

from twofold.engine.open import open_model
from twofold.errors import ConfigError, SourceError
from twofold.evals.bits_per_byte import baselines, bits_per_byte, bootstrap, evaluate_texts
from twofold.weights.parameters import load, save

from ..weights.models import small_tokenizer, tiny_parameters

TEXTS = {"a": "hello the hello the 1984!\n" * 9, "b": "Zürich 😀 the é " * 7}


def engine_of(name, tmp_path, change=None, backend="auto"):
    one = tiny_parameters(name, small_tokenizer())
    state = {key: array if change is None else change(key, array) for key, array in one.state.items()}
    save(tmp_path / "p.gguf", one.config, state, one.tokenizer, dtype="F32")
    return open_model(tmp_path / "p.gguf", backend)


def test_a_model_that_knows_nothing_pays_the_logarithm_of_its_vocabulary_for_every_token(tmp_path):
    engine = engine_of("llama", tmp_path, lambda key, array: 0 * array if key == "W_U" else array)
    each, overall = evaluate_texts(engine, TEXTS)
    for name, text in TEXTS.items():
        tokens, n_bytes = len(engine.tokenizer.encode(text)), len(text.encode())
        assert (each[name].tokens, each[name].bytes) == (tokens, n_bytes)
        assert each[name].bits_per_byte == pytest.approx(tokens * math.log2(engine.config.vocab_size) / n_bytes)
        assert each[name].perplexity == pytest.approx(engine.config.vocab_size, rel=1e-5)
    assert overall.bytes == sum(one.bytes for one in each.values())
    assert overall.nats == pytest.approx(sum(one.nats for one in each.values()))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_bits_are_the_models_own_in_rows_of_the_context_from_bos(tmp_path, backend):
    torch = pytest.importorskip("torch")
    from twofold.weights.torch_state import to_decoder

    engine = engine_of("qwen3", tmp_path, backend=backend)
    decoder = to_decoder(load(tmp_path / "p.gguf"))
    each, _ = evaluate_texts(engine, TEXTS, context=20)
    for name, text in TEXTS.items():
        ids = [engine.tokenizer.bos_id, *engine.tokenizer.encode(text)]
        nats = 0.0
        for start in range(0, len(ids) - 1, 20):
            row = torch.tensor(ids[start : start + 21])
            with torch.no_grad():
                nats += torch.nn.functional.cross_entropy(decoder(row[None, :-1])[0], row[1:], reduction="sum").item()
        assert each[name].bits_per_byte == pytest.approx(nats / math.log(2) / len(text.encode()), rel=1e-5)
        assert (each[name].context, each[name].stride) == (20, 20)


def test_a_stride_below_the_context_counts_the_same_bytes_and_sees_more(tmp_path):
    engine = engine_of("llama", tmp_path)
    plain, sliding = (evaluate_texts(engine, TEXTS, context=16, stride=stride)[1] for stride in (None, 4))
    assert (plain.bytes, plain.tokens) == (sliding.bytes, sliding.tokens)
    assert sliding.nats != plain.nats


@pytest.mark.slow
def test_ninety_five_percent_intervals_hold_the_truth_about_that_often():
    """Documents with known mean cost: the interval of each of 150 samples of 60 documents, against the true ratio."""
    random = np.random.default_rng(0)
    held = 0
    for trial in range(150):
        n_bytes = random.integers(100, 2000, 60).astype(float)
        nats = n_bytes * random.gamma(4, 0.25, 60) * math.log(2)  # 1 bit per byte on average
        low, high = bootstrap(nats, n_bytes, seed=trial)
        held += low <= 1 <= high
    assert 0.88 <= held / 150 <= 0.98


def test_a_handful_of_units_has_no_interval_and_equal_units_have_one_of_no_width():
    assert all(map(math.isnan, bootstrap(np.arange(1.0, 5), np.full(4, 2.0))))
    low, high = bootstrap(np.full(9, 3.0), np.full(9, 2.0))
    assert low == pytest.approx(high) == pytest.approx(bits_per_byte(3.0, 2))


def test_many_texts_are_resampled_as_documents_and_few_as_blocks(tmp_path):
    engine = engine_of("llama", tmp_path)
    few = evaluate_texts(engine, TEXTS, context=16)[1]
    blocks = sum(-(-len(engine.tokenizer.encode(text)) // 128) for text in TEXTS.values())
    assert (few.resampled, few.units) == ("blocks of 128 tokens", blocks)
    many = {str(i): "hello the " * (i + 1) for i in range(25)}
    _, overall = evaluate_texts(engine, many)
    assert (overall.resampled, overall.units) == ("documents", 25)
    assert overall.low < overall.bits_per_byte < overall.high


def test_baselines_are_those_of_xz_and_of_byte_frequencies():
    text = b"abab" * 100
    found = baselines(text)
    assert found["bytes"] == pytest.approx(1.0)
    assert found["xz"] == pytest.approx(8 * len(lzma.compress(text, preset=9)) / 400)
    assert baselines(bytes(range(256)))["bytes"] == pytest.approx(8.0)
    prose = topics["lambda"].encode() * 3 + topics["class"].encode()
    assert baselines(prose)["xz"] == pytest.approx(8 * len(lzma.compress(prose, preset=9)) / len(prose))


def test_an_empty_text_and_a_context_too_long_are_refused(tmp_path):
    engine = engine_of("llama", tmp_path)
    with pytest.raises(SourceError, match="no text in empty"):
        evaluate_texts(engine, {"empty": ""})
    with pytest.raises(ConfigError, match="context=97"):
        evaluate_texts(engine, TEXTS, context=97)
