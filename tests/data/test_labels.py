"""What people say of answers is on the disk at once, is read by those who learn from it, and can be taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from twofold.data import conversation_files, preferences
from twofold.data.conversations import Message
from twofold.data.judgements import judgements
from twofold.data.labels import ANSWERS, LabelFile, Verdict
from twofold.errors import ConfigError, DiskFull, FileFormatError, SourceError, UserError

PROMPT = (Message("user", "Capital of Benin?"),)
A, B = (Message("assistant", "Porto-Novo."),), (Message("assistant", "Cotonou."),)
WHEN = "2026-01-01T12:00:00Z"


def verdict(given, by="Ada", text="", answers=(A, B), **about):
    text = text or ("Porto-Novo, of course." if given in ("corrected", "written") else "")
    return Verdict(given, PROMPT, answers[: ANSWERS.get(given, 2)], by, WHEN, text, about)


@pytest.fixture
def file(tmp_path):
    return LabelFile(tmp_path / "labels.jsonl")


def test_those_who_learn_read_what_was_said(file):
    for given in ("first", "second", "both bad", "skipped", "good", "bad", "corrected", "written"):
        file.add(verdict(given))
    pairs = list(preferences.read(file.path))
    assert [(one.chosen, one.rejected) for one in pairs[:2]] == [(A, B), (B, A)]
    assert [(one.chosen[0].content, one.rejected) for one in pairs[2:]] == [("Porto-Novo, of course.", A)]
    said = [one.messages[-1].content for one in conversation_files.read(file.path)]
    assert said == ["Porto-Novo.", "Porto-Novo, of course.", "Porto-Novo, of course."]
    assert pairs[0].labels["by"] == "Ada" and pairs[0].labels["when"] == WHEN


def test_what_is_taken_back_is_gone_and_nothing_else(file):
    before = file.add(verdict("first"))
    entry = file.add(verdict("corrected"))
    after = file.add(verdict("good"))
    assert file.take_back(entry)["verdict"] == "corrected"
    assert [json.loads(line)["labels"]["entry"] for line in file.path.open()] == [before, after]
    assert file.take_back(entry) is None
    assert list(LabelFile(file.path).entries("Ada")) == [before, after]


def test_each_who_labels_has_entries_of_their_own(file):
    file.add(verdict("first", task="t1"))
    other = file.add(verdict("second", by="Ben", task="t1"))
    assert [labels["task"] for labels in file.entries("Ada").values()] == ["t1"]
    assert list(file.entries("Ben")) == [other] and file.entries("Eve") == {}


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_said(tmp_path):
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[2]); from test_labels import *\n"
        "from pathlib import Path\n"
        "file = LabelFile(Path(sys.argv[1]))\n"
        "for i in range(5): file.add(verdict('first', task=str(i)))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "labels.jsonl"
    subprocess.run([sys.executable, "-c", code, str(path), os.path.dirname(__file__)], check=False)
    assert [labels["task"] for labels in LabelFile(path).entries("Ada").values()] == list("01234")


def test_half_a_line_is_cut_off_and_a_whole_one_kept(file):
    file.add(verdict("first"))
    line = file.path.read_bytes()
    file.path.write_bytes(line + line[:50])
    LabelFile(file.path)
    assert file.path.read_bytes() == line
    file.path.write_bytes(line + line[:-1])
    LabelFile(file.path)
    assert file.path.read_bytes() == line + line


def test_a_full_disk_leaves_no_half_line(file, monkeypatch):
    file.add(verdict("first"))
    before = file.path.read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFull):
            file.add(verdict("second"))
    assert file.path.read_bytes() == before and len(file.entries("Ada")) == 1
    file.add(verdict("second"))
    assert len(file.path.read_bytes().splitlines()) == 2 == len(LabelFile(file.path).entries("Ada"))


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="limits on a file's size are POSIX's")
def test_a_write_that_stops_in_the_middle_leaves_no_half_line(tmp_path):
    file = LabelFile(tmp_path / "labels.jsonl")
    file.add(verdict("first"))
    before = file.path.read_bytes()
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[2]); from test_labels import *\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "file = LabelFile(Path(sys.argv[1]))\n"
        "most = file.path.stat().st_size + 50\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
        "try: file.add(verdict('second'))\n"
        "except OSError: print('refused')"
    )
    command = [sys.executable, "-c", code, str(file.path), os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "refused" in done.stdout, done.stderr
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(("change", "words"), [
    ({"given": "splendid"}, "'splendid' is no verdict"),
    ({"by": " "}, "who labels is named"),
    ({"by": "a\nb"}, "who labels is named"),
    ({"by": "x" * 65}, "who labels is named"),
    ({"answers": (A,)}, "said of 2 answers, not of 1"),
    ({"given": "written", "answers": (), "text": " "}, "has a text"),
])  # fmt: skip
def test_what_cannot_be_said_is_told(change, words):
    made = {"given": "first", "prompt": PROMPT, "answers": (A, B), "by": "Ada", "when": WHEN}
    with pytest.raises(ConfigError, match=words):
        Verdict(**{**made, **change})


def test_a_correction_that_changes_nothing_is_refused_and_not_kept(file):
    with pytest.raises(ConfigError, match="same answer"):
        file.add(verdict("corrected", text="Porto-Novo."))
    assert file.path.read_bytes() == b""


def test_a_file_with_something_else_in_it_is_not_touched(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("dear diary\n")
    with pytest.raises(FileFormatError, match=r"mine.txt, line 1: this is no label"):
        LabelFile(path)
    assert path.read_text() == "dear diary\n"
    with pytest.raises(UserError, match="cannot be written"):
        LabelFile(path / "labels.jsonl")


# What several say ------------------------------------------------------------------------------------------------


def test_a_judgement_is_of_the_answer_and_not_of_its_place(file):
    file.add(verdict("first", by="Ada"))
    file.add(verdict("second", by="Ben", answers=(B, A)))
    file.add(verdict("both bad", by="Eve", answers=(B, A)))
    file.add(verdict("skipped", by="Dan"))
    found = judgements([file.path])
    (thing,) = found.said["comparisons"].values()
    assert thing["Ada"] == thing["Ben"] != thing["Eve"] == "both bad" and "Dan" not in thing
    assert found.places == {"Ada": {"first": 1, "second": 0}, "Ben": {"first": 0, "second": 1}}


def test_what_is_said_twice_counts_once_and_the_last(file):
    for given in ("first", "first", "second"):
        file.add(verdict(given))
    found = judgements([file.path, file.path])
    assert found.places == {"Ada": {"first": 0, "second": 1}} and len(found.said["comparisons"]) == 1


def test_a_corrected_answer_was_bad(file):
    file.add(verdict("good", by="Ada"))
    file.add(verdict("bad", by="Ben"))
    file.add(verdict("corrected", by="Eve"))
    (thing,) = judgements([file.path]).said["flags"].values()
    assert thing == {"Ada": "good", "Ben": "bad", "Eve": "bad"}


def test_files_that_name_nobody_are_called_as_the_file_is(tmp_path):
    for name, (chosen, rejected) in {"one": ("a", "b"), "two": ("b", "a")}.items():
        record = {"prompt": "p", "chosen": chosen, "rejected": rejected}
        pair = preferences.preference(record).to_dict()
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(pair))
    found = judgements([tmp_path / "one.jsonl", tmp_path / "two.jsonl"])
    assert found.labellers("comparisons") == ["one", "two"]
    (thing,) = found.said["comparisons"].values()
    assert thing["one"] != thing["two"]


def test_a_file_in_which_nothing_is_judged_says_so(file):
    file.add(verdict("written"))
    with pytest.raises(SourceError, match="nothing is judged"):
        judgements([file.path])
