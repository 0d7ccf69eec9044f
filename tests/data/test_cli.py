from __future__ import annotations

import json
import subprocess
import sys

import pytest


def twofold(*arguments):
    command = [sys.executable, "-c", "from twofold.cli.main import main; main()", "data", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.slow
def test_json_is_one_object_and_nothing_else(tmp_path):
    done = twofold("pydoc", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert set(figures) == {"out", "sources", "warnings", "waterfall", "content"}
    assert figures["sources"]["pydoc"]["share"] == 1.0
    assert figures["sources"]["pydoc"]["train"]["bytes"] > 0 < figures["sources"]["pydoc"]["val"]["bytes"]


@pytest.mark.slow
def test_the_waterfall_names_the_steps_and_what_was_left_out(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "mine" / "a.txt").write_text("A line of words about the [river] that is long enough.\n\n" * 30)
    done = twofold(tmp_path / "mine", "pydoc", "--out", tmp_path / "out", "--mix", "mine=2")
    assert done.returncode == 0, done.stderr
    for part in ("mine", "pydoc", "read", "for training", "held out", "photo.jpg", ".jpg", "Share of training text"):
        assert part in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "message"), [
    (["nowhere"], "'nowhere' is neither a file"),
    (["pydoc", "--mix", "x=1"], "mix names 'x'"),
    (["pydoc", "--mix", "x"], "source=weight"),
    (["pydoc", "--rules", "strict"], "auto, light, web, none"),
    (["hf:a/b/c"], "hf:owner/name"),
])
def test_a_mistake_is_one_message_and_exit_code_two(tmp_path, arguments, message):
    done = twofold(*arguments, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
