"""run.c through ctypes: compiled once, by any number of processes; the engine's backend agrees with run.py."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from twofold.contracts import Sampling
from twofold.engine import native, native_build
from twofold.engine.native import NativeBackend, NativeCache, NativeModel
from twofold.engine.numpy_backend import NumpyBackend
from twofold.engine.open import open_model
from twofold.errors import ConfigError, FileFormatError, TwofoldError
from twofold.weights.parameters import save

from ..weights.models import OWN_SHAPES, SHAPES, random_state, small_tokenizer, tiny_parameters

pytestmark = pytest.mark.skipif(native_build.compiler() is None, reason="there is no C compiler")

IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]


def written(path, name="llama", seed=0, dtype="F32"):
    one = tiny_parameters(name, small_tokenizer())
    save(path, one.config, random_state(one.config, seed), one.tokenizer, dtype=dtype)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return written(tmp_path_factory.mktemp("native") / "p.gguf")


@pytest.fixture(scope="module")
def model(path):
    return NativeModel(path, threads=2)


# Compiling


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A compiler that notes each call, and compiles in no time; a cache of its own."""
    calls = tmp_path / "calls"
    script = tmp_path / "mycc"
    script.write_text(f'#!/bin/sh\necho call >> {calls}\n[ -z "$FAILS" ] || {{ echo "error: no"; exit 1; }}\n'
                      'while [ "$1" != -o ]; do shift; done\necho made > "$2"\n')  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    return lambda: calls.read_text().count("call") if calls.exists() else 0


def test_run_c_is_compiled_once_and_announced_once(stand_in):
    told = []
    first = native_build.library(told.append)
    assert first == native_build.library(told.append)
    assert first.read_text() == "made\n"
    assert stand_in() == len(told) == 1
    assert [one.name for one in first.parent.iterdir()] == [first.name]


def test_other_flags_and_another_compiler_make_another_file(stand_in, monkeypatch, tmp_path):
    first = native_build.library()
    monkeypatch.setenv("CC", f"{tmp_path / 'mycc'} -DOTHER")
    second = native_build.library()
    monkeypatch.setattr(native_build, "_processor", lambda: "another")
    assert len({first, second, native_build.library()}) == 3


@pytest.mark.slow
def test_many_processes_may_compile_at_the_same_time(stand_in):
    code = "from twofold.engine import native_build; print(native_build.library())"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert said == {f"{native_build.library()}\n"}
    assert all(process.returncode == 0 for process in running)


def test_where_nothing_can_be_compiled_there_is_a_line_about_what_is_lost(stand_in, monkeypatch, path):
    monkeypatch.setenv("FAILS", "1")
    assert native.load_backend(path) is None
    assert "several times slower" in native_build.missing()
    monkeypatch.setattr(native_build, "compiler", lambda: None)
    assert native.load_backend(path) is None
    assert native_build.missing().startswith("there is no C compiler")
    assert "\n" not in native_build.missing()
    with pytest.raises(ConfigError, match="no C compiler"):
        NativeModel(path)


def test_what_was_compiled_is_used_when_the_compiler_is_gone(stand_in, monkeypatch):
    made = native_build.library()
    monkeypatch.setattr(native_build, "compiler", lambda: None)
    assert native_build.library() == made


def test_a_cache_that_cannot_be_written_is_done_without(stand_in, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file"))
    assert native_build.library().read_text() == "made\n"


# The backend


@pytest.mark.parametrize("name", [*SHAPES, *OWN_SHAPES])
def test_scores_are_run_pys(name, tmp_path):
    theirs, ours = (kind(written(tmp_path / "p.gguf", name)) for kind in (NumpyBackend, _backend))
    reads = [IDS[:7], IDS[5:6], IDS]
    for every in (False, True):
        expected = theirs.step([(theirs.new_cache(96), ids) for ids in reads], every)
        np.testing.assert_allclose(ours.step([(ours.new_cache(96), ids) for ids in reads], every), expected, atol=2e-5)
    rows = np.array([IDS, IDS[::-1]])
    np.testing.assert_allclose(ours.score_rows(rows), theirs.score_rows(rows), atol=2e-5)
    np.testing.assert_allclose(ours.states(IDS), theirs.states(IDS), atol=2e-5)


def _backend(path):
    return NativeBackend(NativeModel(path, threads=1))


def test_a_cache_is_cut_back_and_copied(model):
    whole = model.forward([(NativeCache(model, 96), IDS)])[0]
    cache, other = NativeCache(model, 96), NativeCache(model, 96)
    model.forward([(cache, [*IDS[:8], 7, 7, 7])])
    cache.keep(8)
    other.copy_from(cache, 5)
    assert (cache.length, other.length) == (8, 5)
    for one in (cache, other):
        np.testing.assert_allclose(model.forward([(one, IDS[one.length :])])[0], whole, atol=1e-5)


def test_the_loop_stops_where_it_is_told_and_passes_exceptions_on(model):
    seen = []

    def each(token):
        return len(seen) == 4 or seen.append(token)

    tokens = model.generate(IDS, 50, Sampling(seed=2), each=each)
    assert tokens[:4] == seen
    assert len(tokens) == 5
    with pytest.raises(ZeroDivisionError):
        model.generate(IDS, 5, each=lambda token: 1 / 0)


def test_a_cache_with_a_beginning_of_the_prompt_saves_reading_it(model):
    cache, how = NativeCache(model, 96), Sampling(seed=1)
    whole = model.generate(IDS, 10, how)
    model.forward([(cache, IDS[:12])])
    assert model.generate(IDS, 10, how, cache=cache) == whole
    assert cache.length == len(IDS) + len(whole) - 1


@pytest.mark.parametrize(
    ("prompt", "says"),
    [([], "no tokens to go on from"), ([1] * 97, "97 tokens long.*96.*shorten"), ([10**6], "not one of")],
)
def test_a_prompt_that_cannot_be_is_refused_in_words(model, prompt, says):
    with pytest.raises(ConfigError, match=says):
        model.generate(prompt, 3)


def test_a_step_that_cannot_be_is_refused_in_words(model):
    cache = NativeCache(model, 16)
    with pytest.raises(TwofoldError, match="room"):
        model.forward([(cache, [1] * 17)])
    with pytest.raises(TwofoldError, match="same cache"):
        model.forward([(cache, [1]), (cache, [2])])


def test_a_file_that_is_none_is_refused_in_words(tmp_path):
    (tmp_path / "p.gguf").write_bytes(b"not a model")
    with pytest.raises(FileFormatError, match="not a GGUF file"):
        NativeModel(tmp_path / "p.gguf")


def test_weights_from_memory_are_those_of_the_file_and_may_be_renewed(path, tmp_path):
    other = written(tmp_path / "q.gguf", seed=1)
    renewed, expected = NativeModel(path.read_bytes(), threads=1), NativeModel(other, threads=1)
    renewed.refresh(other.read_bytes())
    ours, theirs = (one.forward([(NativeCache(one, 96), IDS)]) for one in (renewed, expected))
    np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(FileFormatError):
        renewed.refresh(written(tmp_path / "r.gguf", "gpt2").read_bytes())
    ours = renewed.forward([(NativeCache(renewed, 96), IDS)])
    np.testing.assert_array_equal(ours, theirs)


def test_threads_of_python_take_turns_with_one_model(model):
    alone = [model.generate(IDS, 30, Sampling(seed=seed)) for seed in range(4)]
    together = [None] * 4

    def work(seed):
        together[seed] = model.generate(IDS, 30, Sampling(seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_the_engine_gives_the_text_of_the_loop_in_c(path, model):
    engine = open_model(path, backend="native")
    assert engine.backend.name == "native"
    how = Sampling(seed=5, repeat=1.3)
    ids = [token.id for token in engine.generate(IDS, 60, how)]
    assert ids == [token.id for token in model.generate(IDS, 60, how)]
