"""The engine says the same on NumPy and on torch, and the same as the model when it is asked position by position."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twofold.contracts import Sampling
from twofold.engine import native_build
from twofold.engine.open import from_decoder, open_model
from twofold.errors import ConfigError, FileFormatError, SourceError
from twofold.run import run
from twofold.weights.parameters import load, save

from ..weights.models import OWN_SHAPES, SHAPES, config_of, random_state, small_tokenizer, tiny_parameters

torch = pytest.importorskip("torch")
from twofold.weights.torch_state import to_decoder  # noqa: E402

PROMPT = "hello the 1984"
ANY = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=5)


@pytest.fixture(params=[*SHAPES, *OWN_SHAPES])
def path(request, tmp_path) -> Path:
    one = tiny_parameters(request.param, small_tokenizer())
    save(tmp_path / "parameters.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    return tmp_path / "parameters.gguf"


@pytest.fixture
def llama(tmp_path) -> Path:
    one = tiny_parameters("llama", small_tokenizer())
    save(tmp_path / "parameters.gguf", one.config, one.state, one.tokenizer, dtype="BF16")
    return tmp_path / "parameters.gguf"


def log_p(path: Path, ids: list[int]) -> np.ndarray:
    """Log-probabilities [s, v] by the Decoder, all positions at once."""
    with torch.no_grad():
        return to_decoder(load(path))(torch.tensor([ids]))[0].double().log_softmax(-1).numpy()


@pytest.mark.slow
def test_numpy_and_torch_draw_the_same_tokens_with_the_same_probabilities(path):
    ids = open_model(path).prompt(PROMPT)
    drawn = [list(open_model(path, backend).generate(ids, 60, ANY)) for backend in ("numpy", "torch")]
    assert [token.id for token in drawn[0]] == [token.id for token in drawn[1]]
    np.testing.assert_allclose(*([token.probability for token in tokens] for tokens in drawn), rtol=2e-4)


def test_probabilities_and_candidates_are_the_models_own(path):
    engine = open_model(path)
    ids = engine.prompt(PROMPT)
    for token in engine.generate(ids, 10, replace(ANY, temperature=0.3, top_k=3)):
        p = np.exp(log_p(path, ids)[-1])
        assert token.probability == pytest.approx(p[token.id], rel=1e-3)
        assert [one.id for one in token.candidates] == np.argsort(-p)[:10].tolist()
        ids.append(token.id)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("stride", [None, 10])
def test_a_text_costs_what_the_model_says_window_by_window(path, backend, stride):
    engine = open_model(path, backend)
    ids = np.random.default_rng(3).integers(0, engine.config.vocab_size, 90).tolist()
    nats = engine.score(ids, context=40, stride=stride)
    starts = [0, 40, 80] if stride is None else [0, *range(10, 60, 10)]
    expected: list[float] = []
    for start in starts:
        row = ids[start : start + 41]
        costs = -log_p(path, row)[np.arange(len(row) - 1), row[1:]]
        expected += costs[len(expected) - start :].tolist()
    np.testing.assert_allclose(nats, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_run_py_and_the_engine_draw_the_same_text_from_the_same_seed(llama):
    engine = open_model(llama)
    for seed in range(3):
        drawn = [token.id for token in engine.generate(engine.prompt(PROMPT), 120, Sampling(seed=seed))]
        file = run.GGUF(str(llama))
        tokenizer = run.Tokenizer(file)
        ids = tokenizer.first + tokenizer.encode(PROMPT)
        assert drawn == list(run.generate(run.Model(file), ids, 120, tokenizer.last, seed))


def test_two_texts_can_be_written_by_turns_and_one_can_be_left_half_way(llama):
    engine = open_model(llama)
    alone = [[token.id for token in engine.generate(engine.prompt(text), 20, ANY)] for text in ("hello", "the the")]
    left = engine.generate(engine.prompt("hello the"), 20, ANY)
    next(left)
    left.close()
    turns = [engine.generate(engine.prompt(text), 20, ANY) for text in ("hello", "the the")]
    by_turns = [[first.id, second.id] for first, second in zip(*turns, strict=False)]
    assert by_turns == [list(pair) for pair in zip(*alone, strict=False)]


def test_generation_ends_with_eos_and_goes_no_further(tmp_path):
    one = tiny_parameters("llama", small_tokenizer())
    state = one.state | {"W_U": one.state["W_U"].copy()}
    state["W_U"][one.tokenizer.eos_id] = 5 * one.state["W_U"].sum(0)  # often the likeliest by far
    save(tmp_path / "p.gguf", one.config, state, one.tokenizer, dtype="F32")
    engine = open_model(tmp_path / "p.gguf")
    texts = [[token.id for token in engine.generate([i], 50, Sampling(temperature=0))] for i in range(20)]
    assert any(len(text) < 50 for text in texts)
    for text in texts:
        assert len(text) == 50 or text.index(one.tokenizer.eos_id) == len(text) - 1


def test_rows_of_the_embedding_beyond_the_vocabulary_are_never_drawn(tmp_path):
    tokenizer = small_tokenizer()
    config = replace(config_of("llama"), vocab_size=tokenizer.vocab_size + 400)
    save(tmp_path / "p.gguf", config, random_state(config), tokenizer, dtype="F32")
    engine = open_model(tmp_path / "p.gguf")
    assert all(token.id < tokenizer.vocab_size for token in engine.generate(engine.prompt(PROMPT), 60, ANY))


def test_a_prompt_that_cannot_be_is_refused_at_once(llama):
    engine = open_model(llama)
    for ids, words in (([], "no tokens"), ([1] * 97, "context is 96"), ([9999], "9999"), ([-1], "-1")):
        with pytest.raises(ConfigError, match=words):
            engine.generate(ids, 5)
    with pytest.raises(ConfigError, match="top_p"):
        engine.generate([1], 5, Sampling(top_p=2))
    with pytest.raises(ConfigError, match="context=97"):
        engine.score([1, 2, 3], context=97)


def test_an_engine_around_a_decoder_in_memory_is_that_of_its_file(llama):
    parameters = load(llama)
    memory, file = from_decoder(to_decoder(parameters), parameters.tokenizer), open_model(llama, "torch")
    ids = file.prompt(PROMPT)
    assert [one.id for one in memory.generate(ids, 30, ANY)] == [one.id for one in file.generate(ids, 30, ANY)]


@pytest.mark.slow
def test_the_quickest_that_runs_the_file_is_taken_and_what_is_lost_is_told(llama, monkeypatch):
    said: list[str] = []
    expected = [one.id for one in open_model(llama, "torch").generate([1], 20, ANY)]

    def opened(name: str) -> None:
        engine = open_model(llama, tell=said.append)
        assert engine.backend.name == name
        assert [one.id for one in engine.generate([1], 20, ANY)] == expected

    if native_build.library() is not None:
        opened("native")
        assert said == []
    monkeypatch.setattr(native_build, "compiler", lambda: None)
    monkeypatch.setattr(native_build, "cache_folder", lambda: llama.parent / "empty")
    opened("numpy")
    assert len(said) == 1 and "compiler" in said[0]
    monkeypatch.delitem(run.TYPES, 30)  # BF16
    opened("torch")
    with pytest.raises(FileFormatError):
        open_model(llama, "numpy")
    with pytest.raises(ConfigError, match="native"):
        open_model(llama, "native")


def test_what_cannot_be_opened_says_why(tmp_path, llama):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    with pytest.raises(FileFormatError):
        open_model(tmp_path / "bad.gguf")
    with pytest.raises(SourceError, match="there is no model"):
        open_model("no-such-model")
    with pytest.raises(ConfigError, match="backend"):
        open_model(llama, "abacus")
    with pytest.raises(ConfigError, match="tpu"):
        open_model(llama, device="tpu")
    with pytest.raises(ConfigError, match="dtype"):
        open_model(llama, dtype="int3")


@pytest.mark.slow
def test_generating_with_numpy_loads_no_torch(llama):
    code = (
        "import sys; from twofold.engine.open import open_model; e = open_model(sys.argv[1]);"
        "list(e.generate(e.prompt('hello'), 3)); e.score(e.prompt('hello'));"
        "import json; print(json.dumps([m for m in ('torch', 'jaxtyping', 'transformers') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(llama)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
