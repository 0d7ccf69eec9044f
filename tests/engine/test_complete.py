"""`twofold complete` as it is typed: text for a person, one JSON object for a program, words for a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.run import run
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters

CODE = "import sys; from twofold.cli.main import main; main(sys.argv[1:])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complete")
    one = tiny_parameters("llama", small_tokenizer())
    save(folder / "parameters.gguf", one.config, one.state, one.tokenizer, dtype="BF16")
    return folder


def command(folder: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-c", CODE, "complete", str(folder), *map(str, arguments)]


def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *arguments), capture_output=True, encoding="utf-8")


@pytest.mark.slow
def test_it_writes_what_run_py_writes(folder):
    options = ["hello the", "-n", "60", "--seed", "4", "--temperature", "1.1", "--min-p", "0"]
    here = call(folder, *options)
    there = subprocess.run([sys.executable, run.__file__, folder / "parameters.gguf", *options],
                           capture_output=True, encoding="utf-8")  # fmt: skip
    assert here.returncode == there.returncode == 0, here.stderr
    assert here.stdout == there.stdout
    assert "tokens/s" in here.stderr


@pytest.mark.slow
def test_json_is_one_object_with_text_tokens_and_speed(folder):
    plain, as_json = call(folder, "hello the", "-n", 20), call(folder, "hello the", "-n", 20, "--json")
    figures = json.loads(as_json.stdout)
    assert as_json.returncode == 0
    assert figures["prompt"] + figures["text"] + "\n" == plain.stdout
    assert figures["tokens"] == len(figures["ids"]) == len(figures["probabilities"])
    assert figures["tokens_per_second"] > 0
    assert figures["time_to_first_token"] > 0
    assert figures["prompt_tokens"] == 1 + len(small_tokenizer().encode("hello the"))


@pytest.mark.slow
def test_candidates_are_shown_with_their_chances(folder):
    done = call(folder, "hello the", "-n", 3, "--show-probabilities")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("%") == 3 * 11
    figures = json.loads(call(folder, "hello the", "-n", 3, "--show-probabilities", "--json").stdout)
    for candidates in figures["candidates"]:
        chances = [one["probability"] for one in candidates]
        assert len(chances) == 10
        assert chances == sorted(chances, reverse=True)


@pytest.mark.slow
def test_a_special_token_in_the_text_is_one_only_when_asked(folder):
    as_text, as_token = (json.loads(call(folder, "<|im_start|>", "-n", 1, "--json", *more).stdout)["prompt_tokens"]
                         for more in ([], ["--special"]))  # fmt: skip
    assert (as_text > 2, as_token) == (True, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "words"), [
    (("hello", "--top-p", "2"), "top_p=2"),
    (("hello", "--temperature", "-1"), "temperature=-1"),
    (("hello " * 200,), "context is 96"),
    (("hello", "--backend", "abacus"), "abacus"),
    (("hello", "--device", "tpu"), "tpu"),
    (("hello", "-n", "many"), "'-n'"),
])  # fmt: skip
def test_a_mistake_gets_words_and_exit_code_2(folder, arguments, words):
    done = call(folder, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a child on Windows")
@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_ends_at_a_token_and_keeps_what_there_is(folder, as_json):
    """A stop that comes while tokens are drawn: the line, or the JSON object, is finished."""
    code = (
        "import os, signal, sys; from twofold.engine import open as opened\n"
        "drawn = opened.Engine._generate\n"
        "def stop_after_five(*a):\n"
        "    for i, token in enumerate(drawn(*a)):\n"
        "        if i == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "        yield token\n"
        "opened.Engine._generate = stop_after_five\n" + CODE
    )
    arguments = ["complete", str(folder), "hello", "-n", "90", "--seed", "1", *(["--json"] if as_json else [])]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, encoding="utf-8")
    assert "Traceback" not in done.stderr
    assert done.stdout.endswith("\n")
    if as_json:
        figures = json.loads(done.stdout)
        assert (figures["stopped"], figures["tokens"]) == ("interrupted", 5)
    else:
        assert done.returncode == 130
        assert done.stdout.startswith("hello")
