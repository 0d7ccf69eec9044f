"""`make` with all of its stages: what the third learns from rewards is kept where it made nothing worse."""

from __future__ import annotations

import pytest

from twofold.cli.live import Live
from twofold.cli.output import console
from twofold.evals.questions import Question, Suite
from twofold.make import stage, story
from twofold.make.observer import Both
from twofold.make.planning import Wishes
from twofold.make.recipe import MachineSettings, read
from twofold.make.tensorboard import TensorBoard
from twofold.train.machine import Machine

QUICK = Machine("cpu", 1, "float32", {"float32": 1e11}, False, "one that takes no time to measure")
TINY = {
    "tokenizer.vocab_size": 300, "model.n_layers": 1, "model.d_model": 32, "model.n_heads": 1, "train.context": 128,
    "train.batch": 2, "train.bigram_steps": 2, "train.schedule.steps": 2, "rewards.policy.prompts": 2,
    "rewards.policy.group": 2, "rewards.measured": 3, "rewards.samples": 1,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["worse", "better"])
def test_the_files_are_those_from_before_the_rewards_where_they_made_something_worse(tmp_path, monkeypatch, verdict):
    text = tmp_path / "text"
    text.mkdir()
    for i in range(30):
        (text / f"{i:02d}.txt").write_text(" ".join(f"word {i * j % 97} and then" for j in range(60)) + ".\n")
    for place in (story, stage):
        monkeypatch.setattr(place, "measure", lambda *_: QUICK)
    questions = (Question(({"role": "user", "content": "What is 2 + 3?"},), "number", 5, group="arithmetic"),)
    monkeypatch.setattr(story, "suite_for", lambda data: Suite("sums", questions))
    asked = story.asked_both
    compared = []

    def judged(suite, before, after, observer):
        found = asked(suite, before, after, observer)
        compared.append((before.parent.name, after.parent.name))
        found["groups"]["arithmetic"]["verdict"] = verdict
        return found

    monkeypatch.setattr(story, "asked_both", judged)
    out = tmp_path / "run"
    wishes = Wishes((str(text),), 20.0, ("everyday",), machine=MachineSettings("cpu", "float32", 1, False, 0.0),
                    choices=TINY)  # fmt: skip
    with Live(console(stderr=True)) as live, TensorBoard(out / "tensorboard") as board:  # as the command line watches
        results = story.make(wishes, out, Both(live, board))
    assert compared == [("run", "assistant"), ("assistant", "rewards")]
    kept, left = (out / "assistant", out / "rewards")[:: 1 if verdict == "worse" else -1]
    assert (out / "parameters.gguf").read_bytes() == (kept / "parameters.gguf").read_bytes()
    assert (out / "parameters.gguf").read_bytes() != (left / "parameters.gguf").read_bytes()
    assert (out / "run.py").exists() and (out / "run.c").exists()
    assert results["rewards"]["worse"] == (["arithmetic"] if verdict == "worse" else [])
    assert results["files"]["parameters.gguf"]["bytes"] == (out / "parameters.gguf").stat().st_size
    said = "the files are those from " + ("before" if verdict == "worse" else "after")
    assert said in (out / "report.html").read_text()
    assert read(out / "recipe.toml").rewards.steps == 2
