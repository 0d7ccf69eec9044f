"""A model and conversations in, an assistant out; a run can die at any moment and goes on to the same losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from twofold.engine.open import open_model
from twofold.errors import ConfigError, SourceError, UserError
from twofold.make.finetune import finetune
from twofold.make.observer import Silent
from twofold.make.recipe import MachineSettings
from twofold.tokenizer.chat import TEMPLATE
from twofold.tune.settings import TuneSettings
from twofold.weights import adapters
from twofold.weights.parameters import load, save

from ..weights.models import config_of, random_state, small_tokenizer

MACHINE = MachineSettings("cpu", "float32", 1, False, save_seconds=0)
STEPS = 24


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model that knows nothing, and questions."""
    folder = tmp_path_factory.mktemp("base")
    config = config_of("qwen3")
    save(folder / "parameters.gguf", config, random_state(config), small_tokenizer(), dtype="F32")
    lines = [f"the {i} hello?\thello {i % 3}" for i in range(120)]
    (folder / "questions.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def settings(base, **changes):
    return TuneSettings(**{"data": (str(base / "questions.tsv"),), "steps": STEPS, "batch": 4, "context": 64} | changes)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry["loss"] for entry in lines if entry["event"] == "step"]


class Killer(Silent):
    """Dies right after a step."""

    def __init__(self, after):
        self.after = after

    def step(self, step, info):
        if step.step == self.after:
            raise MemoryError("killed")


@pytest.fixture(scope="module", params=[0, 4])
def whole(base, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("whole") / "run"
    chosen = settings(base, rank=request.param, lr=0.01)
    return folder, chosen, finetune(str(base), chosen, MACHINE, folder, Silent())


@pytest.mark.slow
def test_it_learns_to_answer_and_leaves_two_files(whole, base):
    folder, chosen, results = whole
    assert results["bits_per_byte"]["after"]["answers"] < 0.8 * results["bits_per_byte"]["before"]["answers"]
    left = {path.name for path in folder.iterdir()}
    assert {"parameters.gguf", "run.py", "run.c", "results.json", "finetune.json"} <= left
    assert ("adapter.safetensors" in left) == bool(chosen.rank)
    made = load(folder / "parameters.gguf")
    assert made.chat_template == TEMPLATE
    assert made.lineage["parents"][0]["sha256"] == adapters.fingerprint(base / "parameters.gguf")


@pytest.mark.slow
def test_an_adapter_is_put_on_its_model_where_both_are_named(whole, base, tmp_path, monkeypatch):
    folder, chosen, _ = whole
    if not chosen.rank:
        pytest.skip("no adapter")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    ids = [5, 9, 2, 7, 11, 3]
    expected = open_model(folder, "numpy").score(ids)
    for adapter in (folder, folder / "adapter.safetensors"):
        assert np.array_equal(open_model(f"{base}+{adapter}", "numpy").score(ids), expected)
    assert len(list((tmp_path / "models" / "merged").iterdir())) == 1
    with pytest.raises(ConfigError, match="another model"):
        open_model(f"{folder}+{folder}", "numpy")


@pytest.mark.slow
def test_the_file_is_the_base_with_the_adapter_in_it(whole, base):
    folder, chosen, _ = whole
    if not chosen.rank:
        pytest.skip("no adapter")
    original = load(base / "parameters.gguf")
    there = adapters.fingerprint(base / "parameters.gguf")
    merged = adapters.merged(original, adapters.load(folder / "adapter.safetensors"), there)
    for name, array in load(folder / "parameters.gguf").state.items():
        assert np.abs(array - merged.state[name]).max() <= 2**-8 * np.abs(merged.state[name]).max(), name


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 11, 20])
def test_killed_and_resumed_it_has_the_losses_of_the_run_that_never_stopped(whole, base, tmp_path, after):
    folder, chosen, _ = whole
    with pytest.raises(MemoryError):
        finetune(str(base), chosen, MACHINE, tmp_path / "run", Killer(after))
    assert not (tmp_path / "run" / "parameters.gguf").exists()
    finetune(str(base), chosen, MACHINE, tmp_path / "run", Silent())
    assert losses(tmp_path / "run") == losses(folder)
    assert (tmp_path / "run" / "parameters.gguf").read_bytes() == (folder / "parameters.gguf").read_bytes()


@pytest.mark.slow
def test_a_folder_belongs_to_one_run(whole, base):
    folder, chosen, _ = whole
    with pytest.raises(ConfigError, match="--out"):
        finetune(str(base), settings(base, rank=chosen.rank, lr=0.02), MACHINE, folder, Silent())


def test_a_folder_with_another_model_is_not_overwritten(base):
    with pytest.raises(ConfigError, match="holds another model"):
        finetune(str(base), settings(base), MACHINE, base, Silent())


@pytest.mark.parametrize(("wrong", "said"), [
    ({"data": ("nowhere.jsonl",)}, "nowhere.jsonl"),
    ({"context": 97}, "96"),
    ({"replay": 0.5}, "--replay-from"),
    ({"rank": 10_000}, "rank"),
])  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_written(base, tmp_path, wrong, said):
    with pytest.raises((ConfigError, SourceError), match=said):
        finetune(str(base), settings(base, **wrong), MACHINE, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [
    {"data": ()}, {"rank": -1}, {"steps": 0, "minutes": 0.0}, {"replay": 1.0}, {"lr": float("nan")}, {"batch": -4},
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(base, wrong):
    with pytest.raises(UserError):
        settings(base, **wrong)


@pytest.mark.slow
def test_a_run_that_diverges_says_so(base, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "twofold", "finetune", str(base), "--data", str(base / "questions.tsv"), "--steps", "40",
         "--lr", "0.9", "--alpha", "1e30", "--lora", "4", "--no-compile", "--threads", "1", "--dtype", "float32",
         "--out", str(tmp_path / "run")],
        capture_output=True, text=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert ran.returncode == 1 and "diverged" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_tool_that_a_model_was_taught_is_still_its_own_after_conversations_without_it(base, tmp_path):
    config = config_of("qwen3")
    save(tmp_path / "able.gguf", config, random_state(config), small_tokenizer(), dtype="F32",
         lineage={"tools": ["calculator"]})  # fmt: skip
    finetune(str(tmp_path / "able.gguf"), settings(base, steps=1), MACHINE, tmp_path / "run", Silent())
    assert load(tmp_path / "run" / "parameters.gguf").lineage["tools"] == ["calculator"]
