"""`twofold label` as a user meets it: what it refuses before anyone has waited, and whether labellers agree."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from twofold.data.conversations import Message
from twofold.data.labels import LabelFile, Verdict

from .test_chat import model

pytestmark = pytest.mark.slow

CODE = "import sys; from twofold.cli.main import main; main(sys.argv[1:])"
A, B = (Message("assistant", "one"),), (Message("assistant", "other"),)


def run(*arguments):
    command = [sys.executable, "-c", CODE, "label", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def labelled(path, **said):
    """A file in which each of `said` chose the first ("1"), the second ("2") or neither ("b"), prompt by prompt."""
    file = LabelFile(path)
    for by, choices in said.items():
        for i, choice in enumerate(choices):
            given = {"1": "first", "2": "second", "b": "both bad"}[choice]
            file.add(Verdict(given, (Message("user", f"question {i}"),), (A, B), by, "2026-01-01T00:00:00Z"))
    return path


def test_labellers_are_compared_over_files_and_in_one(tmp_path):
    ada = labelled(tmp_path / "ada.jsonl", Ada="1212121212")
    others = labelled(tmp_path / "others.jsonl", Ben="1212121211", Eve="bbbbbbbbbb")
    code, out, err = run("--agreement", ada, others, "--json")
    assert code == 0 and err == "", err
    figures = json.loads(out)["comparisons"]
    first = figures["pairs"][0]
    assert (first["who"], first["n"], first["share"]) == (["Ada", "Ben"], 10, 0.9)
    assert first["value"] == pytest.approx(0.8)  # p 0.9; by chance 0.5 * 0.6 + 0.5 * 0.4
    assert figures["all"]["n"] == 10 and figures["all"]["value"] < first["value"]
    code, out, _ = run("--agreement", ada, others)
    assert code == 0 and "Ada and Ben" in out and "kappa 0.80" in out and "alpha" in out
    assert "Ada chose the one shown first 5 of 10 times" in out


def test_who_labelled_nothing_in_common_is_told_so(tmp_path):
    one = labelled(tmp_path / "one.jsonl", Ada="11")
    code, out, _ = run("--agreement", one)
    assert code == 0 and "nothing to compare" in out


@pytest.mark.parametrize(("arguments", "words"), [
    (["--agreement"], "name the files of labels"),
    (["--agreement", "no-such.jsonl"], "cannot be read"),
    (["a", "b"], "one model's answers"),
    (["--temperature", "0"], "says the same twice"),
    (["--prompts", "no-such.txt"], "cannot be read"),
    (["--prompts", "FOLDER/p.txt", "--instructions", "no-such.md"], "instructions no-such.md cannot be read"),
    (["--prompts", "FOLDER/p.txt", "--out", "FOLDER/p.txt"], "no label"),
    (["--prompts", "FOLDER/p.txt", "--out", "FOLDER"], "cannot be written"),
    (["--prompts", "FOLDER/p.txt", "--as", "x" * 65], "who labels is named"),
    (["--prompts", "FOLDER/p.txt", "--host", "0.0.0.0", "--out", "FOLDER/l"], "set a key"),
    (["no-such-model", "--prompts", "FOLDER/p.txt", "--out", "FOLDER/l"], "no-such-model"),
])  # fmt: skip
def test_a_mistake_is_one_line_and_no_traceback(tmp_path, arguments, words):
    (tmp_path / "p.txt").write_text("Why?\n")
    code, out, err = run(*[one.replace("FOLDER", str(tmp_path)) for one in arguments])
    assert code == 2 and out == "" and words in err and "Traceback" not in err
    assert (tmp_path / "p.txt").read_text() == "Why?\n"


def test_a_model_that_does_not_answer_is_told_so(tmp_path):
    (tmp_path / "p.txt").write_text("Why?\n")
    base = model(tmp_path, "base", None)
    code, _, err = run(base, "--prompts", tmp_path / "p.txt", "--out", tmp_path / "l")
    assert code == 2 and "no chat template" in err
