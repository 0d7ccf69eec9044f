"""Rewards and comparisons in, a changed model out; a run can die at any moment and goes on to the same losses."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from twofold.data import taste
from twofold.data.conversations import write
from twofold.engine.open import open_model
from twofold.errors import ConfigError, Diverged, SourceError, TwofoldError
from twofold.make.compare import compare
from twofold.make.observer import Silent
from twofold.make.recipe import MachineSettings
from twofold.make.reinforce import reinforce
from twofold.make.tasks import Sums, asked, reward_of, right
from twofold.tokenizer.chat import TEMPLATE
from twofold.tune.comparison_settings import ComparisonSettings
from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings
from twofold.tune.reward_model import REWARD, RewardModel
from twofold.tune.rewards import Task
from twofold.weights import adapters
from twofold.weights.parameters import load, save

from ..weights.models import config_of, random_state, small_tokenizer
from .test_finetune import Killer, losses

MACHINE = MachineSettings("cpu", "float32", 1, False, save_seconds=0)
PROMPTS = "".join(f"the {i} hello?\n" for i in range(60))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model that knows nothing, questions, and comparisons: whoever says hello is preferred."""
    folder = tmp_path_factory.mktemp("base")
    config = dataclasses.replace(config_of("qwen3"), context=128)
    save(folder / "parameters.gguf", config, random_state(config), small_tokenizer(), dtype="F32",
         chat_template=TEMPLATE)  # fmt: skip
    (folder / "prompts.txt").write_text(PROMPTS, encoding="utf-8")
    lines = [json.dumps({"prompt": f"the {i}?", "chosen": f"hello {i % 3}", "rejected": f"the {i % 5}"})
             for i in range(80)]  # fmt: skip
    (folder / "pairs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def settings(base, **changes):
    policy = PolicySettings(**{"prompts": 2, "group": 4, "longest": 8} | changes.pop("policy", {}))
    usual = {"reward": "length:12", "prompts": str(base / "prompts.txt"), "steps": 12, "lr": 0.01, "measured": 8,
             "samples": 2}  # fmt: skip
    return ReinforceSettings(**usual | changes, policy=policy)


CASES = {"grpo": {}, "grpo, lora": {"rank": 4}, "ppo": {"policy": {"algorithm": "ppo", "updates": 2, "beta": 0.05}}}


@pytest.fixture(scope="module", params=CASES)
def whole(base, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("whole") / "run"
    chosen = settings(base, **CASES[request.param])
    return folder, chosen, reinforce(str(base), chosen, MACHINE, folder, Silent())


@pytest.mark.slow
def test_it_leaves_two_files_that_know_where_they_come_from(whole, base):
    folder, chosen, results = whole
    left = {path.name for path in folder.iterdir()}
    assert {"parameters.gguf", "run.py", "run.c", "results.json", "reinforce.json"} <= left
    assert ("adapter.safetensors" in left) == bool(chosen.rank)
    made = load(folder / "parameters.gguf")
    assert made.lineage["parents"][0]["sha256"] == adapters.fingerprint(base / "parameters.gguf")
    assert made.lineage["reinforcement"]["reward"] == "length:12"
    assert results["held_out"]["before"]["low"] <= results["held_out"]["before"]["reward"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 6])
def test_killed_and_resumed_it_has_the_losses_of_the_run_that_never_stopped(whole, base, tmp_path, after):
    folder, chosen, _ = whole
    with pytest.raises(MemoryError):
        reinforce(str(base), chosen, MACHINE, tmp_path / "run", Killer(after))
    reinforce(str(base), chosen, MACHINE, tmp_path / "run", Silent())
    assert losses(tmp_path / "run") == losses(folder)
    assert (tmp_path / "run" / "parameters.gguf").read_bytes() == (folder / "parameters.gguf").read_bytes()


@pytest.mark.slow
def test_a_folder_belongs_to_one_run(whole, base):
    folder, chosen, _ = whole
    with pytest.raises(ConfigError, match="--out"):
        reinforce(str(base), dataclasses.replace(chosen, lr=0.02), MACHINE, folder, Silent())


@pytest.mark.slow
def test_what_is_rewarded_becomes_likelier_and_what_is_not_tied_to_answers_teaches_nothing(base, tmp_path):
    """An answer is good when it begins like a certain word: easy to find, easy to learn."""

    def reward(task, answer):
        return float(answer.count("e") > 0)

    chosen = settings(base, steps=40, policy={"prompts": 8}, lr=0.005, measured=12, samples=8)
    learned = reinforce(str(base), chosen, MACHINE, tmp_path / "run", Silent(), reward)["held_out"]
    assert learned["after"]["low"] > learned["before"]["high"]
    dealt = dataclasses.replace(chosen, shuffled=True)
    control = reinforce(str(base), dealt, MACHINE, tmp_path / "control", Silent(), reward)["held_out"]
    assert control["after"]["reward"] - control["before"]["reward"] < 0.5 * (
        learned["after"]["reward"] - learned["before"]["reward"])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("reward", "said"), [
    (lambda task, answer: math.nan, "is nan"), (lambda task, answer: 1 / 0, "ZeroDivisionError"),
])  # fmt: skip
def test_a_reward_that_is_no_number_stops_the_run_with_the_answer(base, tmp_path, reward, said):
    with pytest.raises(TwofoldError, match=said):
        reinforce(str(base), settings(base), MACHINE, tmp_path / "run", Silent(), reward)


@pytest.mark.slow
def test_a_model_that_runs_away_is_stopped(base, tmp_path):
    with pytest.raises(Diverged, match=r"--kl-limit|diverged"):
        reinforce(str(base), settings(base, lr=0.3, policy={"kl_limit": 3.0}), MACHINE, tmp_path / "run", Silent(),
                  lambda task, answer: float(len(answer)))  # fmt: skip


@pytest.mark.slow
def test_equal_rewards_teach_nothing_and_are_no_error(base, tmp_path):
    reinforce(str(base), settings(base, steps=3), MACHINE, tmp_path / "run", Silent(), lambda task, answer: 1.0)
    made, began = (load(folder / "parameters.gguf").state for folder in (tmp_path / "run", base))
    for name, array in made.items():
        assert np.abs(array - began[name]).max() <= 2**-8 * np.abs(began[name]).max(), name  # bfloat16, no more


@pytest.mark.parametrize(("wrong", "said"), [
    ({"reward": "kindness"}, "arithmetic, sums, taste"), ({"reward": "arithmetic:9"}, "from 1 to 6"),
    ({"reward": "sums:x"}, "from 1 to 6"), ({"reward": "length:no"}, "length:40"), ({"reward": "format:("}, "pattern"),
    ({"prompts": ""}, "--prompts"), ({"prompts": "nowhere.txt"}, "nowhere.txt"), ({"tools": "hammer"}, "hammer"),
    ({"policy": {"longest": 200}}, "--longest"), ({"rank": 10_000}, "rank"),
])  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_written(base, tmp_path, wrong, said):
    with pytest.raises((ConfigError, SourceError), match=said):
        reinforce(str(base), settings(base, **wrong), MACHINE, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_head_is_no_reward_model(base, tmp_path):
    with pytest.raises(ConfigError, match="twofold reward makes one"):
        reinforce(str(base), settings(base, reward=str(base)), MACHINE, tmp_path / "run", Silent())


def test_a_suite_of_two_questions_cannot_be_learned_from_and_measured(base, tmp_path):
    suite = tmp_path / "two.json"
    suite.write_text('{"questions": [{"ask": "hello?", "exact": "the"}, {"ask": "the?", "exact": "hello"}]}')
    with pytest.raises(ConfigError, match="20 or more"):
        reinforce(str(base), settings(base, reward=str(suite)), MACHINE, tmp_path / "run", Silent())


@pytest.mark.slow
def test_sums_that_measure_are_never_asked_in_training():
    for name in ("sums:2", "arithmetic:3"):
        tasks, reward = asked(name, "", 1), reward_of(name)
        learned = {(t.about.group, t.about.expected, t.text) for t in tasks.learned(0, 4000)}
        held = tasks.held(150)
        assert len(held) == 150
        assert not learned & {(t.about.group, t.about.expected, t.text) for t in held}
        assert tasks.learned(7, 3) == tasks.learned(0, 10)[7:]
        for task in held[:50]:
            assert right(task, f"It is {task.about.expected}.") == reward(task, str(task.about.expected)) == 1.0
            assert right(task, f"It is {task.about.expected + 1}.") == 0.0
    assert isinstance(tasks, Sums)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 4])
@pytest.mark.parametrize("kind", ["reward", "prefer"])
def test_comparisons_are_learned_and_a_killed_run_goes_on(base, tmp_path, kind, rank):
    chosen = ComparisonSettings(kind, (str(base / "pairs.jsonl"),), rank=rank, steps=30, batch=4, lr=0.005,
                                held_out=0.25)  # fmt: skip
    whole = compare(str(base), chosen, MACHINE, tmp_path / "whole", Silent())
    assert whole["held_out"]["after"]["accuracy"] > 0.9 > whole["held_out"]["before"]["accuracy"]
    with pytest.raises(MemoryError):
        compare(str(base), chosen, MACHINE, tmp_path / "run", Killer(11))
    compare(str(base), chosen, MACHINE, tmp_path / "run", Silent())
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    made = [(tmp_path / name / "parameters.gguf").read_bytes() for name in ("run", "whole")]
    assert made[0] == made[1]
    assert (tmp_path / "run" / REWARD).exists() == (kind == "reward")
    if kind == "reward":
        model = RewardModel(tmp_path / "run", threads=1)
        task = Task(({"role": "user", "content": "the 7?"},))
        assert model(task, "hello 1") > model(task, "the 2")
        with pytest.raises(ConfigError, match="other choices"):
            compare(str(base), dataclasses.replace(chosen, steps=31), MACHINE, tmp_path / "run", Silent())
        (tmp_path / "run" / "parameters.gguf").write_bytes((base / "parameters.gguf").read_bytes())
        with pytest.raises(ConfigError, match="another parameters file"):
            RewardModel(tmp_path / "run")


def test_no_comparisons_are_no_run(base, tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    for name, said in (("none.jsonl", "none.jsonl"), ("nowhere.jsonl", "nowhere.jsonl")):
        with pytest.raises(SourceError, match=said):
            compare(str(base), ComparisonSettings("prefer", (str(tmp_path / name),), steps=3), MACHINE,
                    tmp_path / "run", Silent())  # fmt: skip
    with pytest.raises(ConfigError, match="--data"):
        ComparisonSettings("reward", ())


@pytest.mark.slow
def test_the_built_in_rule_can_be_learned_from_by_name(base, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    write(pairs, taste.preferences(60))
    for data in ("taste", str(pairs)):
        chosen = ComparisonSettings("reward", (data,), steps=2, batch=2, context=128)
        results = compare(str(base), chosen, MACHINE, tmp_path / data.replace("/", "_"), Silent())
        assert results["pairs"]["held_out"] > 0
    assert open_model(tmp_path / "taste").config.context == 128


@pytest.mark.slow
def test_the_reward_in_the_guide_is_one(base, tmp_path, monkeypatch):
    shown = (Path(__file__).parents[2] / "docs/guide/rewards.md").read_text("utf-8")
    given: dict = {}
    exec(shown.split("```python\n")[1].split("```")[0], given)
    assert given["polite"](None, "Yes, please.") == 1.0
    few = PolicySettings(prompts=2, group=2, longest=4)
    given["ReinforceSettings"] = lambda reward, prompts, minutes: ReinforceSettings(
        reward, prompts, few, minutes=minutes, steps=2, measured=2, samples=2)  # fmt: skip
    monkeypatch.chdir(tmp_path)
    results = given["learn"](str(base), str(base / "prompts.txt"))
    assert results["steps"] == 2 and (tmp_path / "runs/polite/parameters.gguf").exists()
