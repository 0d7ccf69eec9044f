"""`twofold evaluate` as it is typed: figures for a person, one JSON object for a program, words for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    one = tiny_parameters("llama", small_tokenizer())
    save(folder / "parameters.gguf", one.config, one.state, one.tokenizer, dtype="BF16")
    (folder / "a.txt").write_bytes("hello the Zürich 😀\n".encode() * 40)
    (folder / "b.txt").write_bytes(b"1984! " * 30)
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    questions = [{"ask": "hello", "exact": "the", "group": "said"}, {"ask": "the", "choices": ["a", "é"], "right": 0}]
    (folder / "suite.json").write_text(json.dumps({"questions": questions}))
    (folder / "empty.txt").write_bytes(b"")
    return folder


def call(folder, *arguments):
    code = "import sys; from twofold.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "evaluate", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")


@pytest.mark.slow
def test_json_is_one_object_with_figures_overall_and_for_each_file(folder):
    done = call(folder, ".", "--text", "a.txt", "b.txt", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures["texts"]) == {"a.txt", "b.txt"}
    assert figures["bytes"] == sum((folder / name).stat().st_size for name in figures["texts"])
    assert figures["tokens"] == sum(one["tokens"] for one in figures["texts"].values())
    assert figures["bits_per_byte_low"] <= figures["bits_per_byte"] <= figures["bits_per_byte_high"]
    assert (figures["context"], figures["stride"]) == (96, 96)
    assert figures["perplexity"] > 1
    assert figures["baselines"]["xz"] > 0


@pytest.mark.slow
def test_the_table_has_a_line_for_each_file_and_one_for_all(folder):
    done = call(folder, "parameters.gguf", "--text", "a.txt", "--text", "b.txt", "--context", "32")
    assert done.returncode == 0, done.stderr
    for word in ("a.txt", "b.txt", "together", "Context 32 tokens", "xz -9"):
        assert word in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "words"), [
    ((".", "--text", "none.txt"), "cannot read none.txt"),
    ((".", "--text", "picture.png"), "not text in UTF-8"),
    ((".", "--text", "empty.txt"), "no text in empty.txt"),
    ((".", "--text", "."), "cannot read"),
    (("nothing", "--text", "a.txt"), "there is no model"),
    (("a.txt", "--text", "a.txt"), "a.txt"),
    ((".", "--text", "a.txt", "--context", "500"), "context=500"),
    ((".", "--text", "a.txt", "--stride", "200"), "stride=200"),
    ((".",), "--text"),
    ((".", "--text", "a.txt", "--suite", "arithmetic"), "either --text"),
    ((".", "--suite", "none"), "a suite is almanac, arithmetic or a file"),
    ((".", "--suite", "suite.json", "--tools", "oracle"), "no tool 'oracle'"),
    ((".", "--suite", "suite.json", "--tools", "calculator"), "no chat template"),
    ((".", "--suite", "suite.json", "--out", "a.txt"), ".json or an .md"),
    ((".", "--suite", "suite.json", "--against", "nothing"), "there is no model"),
    ((".", "--suite", "a.txt"), "a.txt is not JSON"),
])  # fmt: skip
def test_a_mistake_gets_words_and_exit_code_2(folder, arguments, words):
    done = call(folder, *arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_suite_is_asked_of_two_models_and_kept(folder):
    one = tiny_parameters("llama", small_tokenizer())
    save(folder / "talks.gguf", one.config, one.state, one.tokenizer, dtype="F32", chat_template=TEMPLATE, lineage={})
    suite = ("--suite", "suite.json", "-n", "4")
    done = call(folder, "talks.gguf", *suite, "--against", ".", "--json", "--out", "out/a.md")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["n"], figures["against"]["n"], set(figures["groups"])) == (2, 2, {"said", "questions", "together"})
    assert [one["ask"] for one in figures["questions"]] == ["hello", "the"]
    assert figures["differences"]["together"]["low"] <= 0 <= figures["differences"]["together"]["high"]
    assert (folder / "out" / "a.md").read_text("utf-8").startswith("# suite\n")
    shown = call(folder, ".", *suite, "--limit", "1")
    assert shown.returncode == 0 and "of 1 " in shown.stdout and "together" not in shown.stdout
