"""reward, prefer and reinforce as one uses them: figures for a program, words for people, one message for a mistake."""

from __future__ import annotations

import json

import pytest

from twofold.cli import main as command
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer

QUICK = ("--threads", "1", "--dtype", "float32", "--steps", "2")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    config = config_of("qwen3")
    save(folder / "parameters.gguf", config, random_state(config), small_tokenizer(), dtype="F32",
         chat_template=TEMPLATE)  # fmt: skip
    (folder / "prompts.txt").write_text("".join(f"the {i} hello?\n" for i in range(60)), encoding="utf-8")
    pairs = [json.dumps({"prompt": f"the {i}?", "chosen": "hello", "rejected": "the"}) for i in range(40)]
    (folder / "pairs.jsonl").write_text("\n".join(pairs), encoding="utf-8")
    return folder


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as leaving:
        command.main([str(one) for one in arguments])
    return leaving.value.code


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["reward", "prefer"])
def test_comparisons_give_one_object_or_a_few_words(base, tmp_path, capfd, verb):
    given = (verb, base, "--data", base / "pairs.jsonl", "--batch", "2", *QUICK)
    assert run(*given, "--out", tmp_path / "a", "--json") == 0
    out, err = capfd.readouterr()
    figures = json.loads(out)
    assert 0 <= figures["held_out"]["after"]["low"] <= figures["held_out"]["after"]["accuracy"]
    assert "pairs in the right order" in err
    assert run(*given, "--out", tmp_path / "b") == 0
    out, _ = capfd.readouterr()
    assert "held-out pairs in the right order" in out and "what to do next" in out
    assert ("reward.safetensors" in out) == (verb == "reward") and ("nats each" in out) == (verb == "prefer")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_rewards_give_one_object_or_a_few_words(base, tmp_path, capfd, algorithm):
    given = ("reinforce", base, "--reward", "length:9", "--prompts", base / "prompts.txt", "--algorithm", algorithm,
             "--batch", "2", "--group", "2", "--longest", "6", *QUICK)  # fmt: skip
    assert run(*given, "--out", tmp_path / "a", "--json") == 0
    out, err = capfd.readouterr()
    figures = json.loads(out)
    assert figures["held_out"]["after"]["low"] <= figures["held_out"]["after"]["reward"]
    assert "held out: reward" in err and figures["settings"]["policy"]["algorithm"] == algorithm
    assert run(*given, "--out", tmp_path / "b") == 0
    assert "drawn answers to each of" in capfd.readouterr().out


@pytest.mark.parametrize(("given", "says"), [
    (("reinforce", "--reward", "kindness"), "arithmetic, sums, taste"),
    (("reinforce", "--reward", "length:9"), "--prompts"),
    (("reinforce", "--reward", "sums:2", "--algorithm", "trpo"), "grpo, ppo"),
    (("reinforce", "--reward", "sums:2", "--normalisation", "mean"), "dapo"),
    (("reinforce", "--reward", "sums:2", "--group", "1"), "--group 2"),
    (("reinforce", "--reward", "sums:2", "--lr", "nan"), "learning rate"),
    (("prefer", "--data", "nowhere.jsonl"), "nowhere.jsonl"),
    (("prefer", "--data", "taste", "--beta", "0"), "beta"),
    (("reward", "--data", "taste", "--context", "9999"), "96"),
])  # fmt: skip
def test_a_mistake_is_one_message_and_exit_code_two(base, tmp_path, capfd, given, says):
    verb, *rest = given
    assert run(verb, base, *rest, *QUICK, "--out", tmp_path / "run") == 2
    out, err = capfd.readouterr()
    assert says in err.splitlines()[-1] and err.splitlines()[-1].startswith("twofold: ") and not out
    assert "Traceback" not in err and not (tmp_path / "run").exists()
