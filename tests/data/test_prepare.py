from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.data import parallel
from twofold.data import prepare as module
from twofold.data.corpus import SPLITS, Corpus
from twofold.data.prepare import DataSettings, prepare
from twofold.errors import ConfigError, DiskFull, SourceError

WORDS = ["river", "hill", "boat", "story", "village", "evening", "people", "course", "old", "slow", "winter", "bridge"]


def prose(seed, n=80):
    draw = random.Random(seed)
    return "\n\n".join(" ".join(draw.choices(WORDS, k=20)).capitalize() + "." for _ in range(n // 20))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(60):
        (folder / f"{i:02d}.txt").write_text(prose(i))
    (folder / "copy.txt").write_text(prose(7))
    (folder / "near.txt").write_text(prose(8, 400))
    (folder / "nearer.txt").write_text(prose(8, 400).replace("Old", "New", 1))
    (folder / "junk.bin").write_bytes(b"\0\1")
    (folder / "digits.txt").write_text("12345 67890 " * 99)
    (folder / "wrong.txt").write_bytes(b"caf\xe9 and the old river\r\n\r\n\r\nits slow course  ")
    return folder


def tree(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes_whatever_the_workers(folder, tmp_path, monkeypatch):
    prepare([str(folder), "pydoc"], tmp_path / "one", workers=1)
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(parallel, "_CHUNK", 50_000)
    prepare([str(folder), "pydoc"], tmp_path / "two", workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_what_goes_into_a_step_comes_out_or_is_counted_as_left_out(folder, tmp_path):
    corpus = prepare([str(folder), "pydoc"], tmp_path / "out")
    for source in corpus.sources:
        steps = [step for step in corpus.manifest["waterfall"] if step["source"] == source]
        for before, step in zip([None, *steps], steps, strict=False):
            lost = sum(reason["documents"] for reason in step["reasons"].values())
            if step["name"] != "cut into sections":
                assert step["into"]["documents"] == step["out"]["documents"] + lost
            if step["name"] != "normalise":
                lost = sum(reason["bytes"] for reason in step["reasons"].values())
                assert step["into"]["bytes"] == step["out"]["bytes"] + lost
            assert before is None or step["into"] == before["out"]
        texts = {split: [d.text for d in corpus.documents(split, source)] for split in SPLITS}
        for split in SPLITS:
            assert corpus.bytes(split, source) == sum(len(text.encode()) for text in texts[split])
            assert corpus.manifest["files"][split][source]["documents"] == len(texts[split])
        assert corpus.bytes("train", source) == steps[-1]["out"]["bytes"]


def test_each_step_does_its_part_and_says_why(folder, tmp_path):
    corpus = prepare([str(folder)], tmp_path / "out")
    samples = {step["name"]: {s["id"]: s["reason"] for s in step["samples"]} for step in corpus.manifest["waterfall"]}
    assert samples["read"] == {"junk.bin": "no format that is read here: .bin"}
    assert samples["filter"]["digits.txt"].startswith(("too short", "few letters"))
    assert samples["exact duplicates"] == {"copy.txt": "copy: of texts/07.txt"}
    assert samples["near duplicates"] == {"nearer.txt": "copy: of texts/near.txt"}
    assert "café and the old river\n\nits slow course" in [d.text for s in SPLITS for d in corpus.documents(s)]


@pytest.mark.slow
def test_training_and_held_out_text_have_nothing_in_common(folder, tmp_path):
    corpus = prepare([str(folder), "pydoc"], tmp_path / "out")

    def runs(text):
        words = text.lower().split()
        return {tuple(words[i:i + 5]) for i in range(max(1, len(words) - 4))}

    train = [runs(d.text) for d in corpus.documents("train")]
    for document in corpus.documents("val"):
        own = runs(document.text)
        assert max(len(own & other) / len(own | other) for other in train) < 0.65


def test_one_long_file_is_split_inside(tmp_path):
    (tmp_path / "novel.txt").write_text(prose(1, 40_000))
    corpus = prepare([str(tmp_path / "novel.txt")], tmp_path / "out")
    share = corpus.bytes("val") / (corpus.bytes("val") + corpus.bytes("train"))
    assert 0.02 < share < 0.12
    assert all(d.text.endswith(".") or d.text.endswith("\n\n") for d in corpus.documents("val"))


def test_sources_of_one_name_keep_apart(folder, tmp_path):
    other = tmp_path / "more" / "texts"
    other.mkdir(parents=True)
    for i in range(3):
        (other / f"{i}.txt").write_text(prose(1000 + i))
    corpus = prepare([str(folder), str(other), str(folder)], tmp_path / "out")
    assert corpus.sources == ["texts", "texts-2"]


def test_a_finished_corpus_is_reused_and_a_changed_source_or_setting_is_not(folder, tmp_path, monkeypatch):
    first = prepare([str(folder)], tmp_path / "out").manifest
    with monkeypatch.context() as patch:
        patch.setattr(module, "_clean", None)  # would fail if it were called
        assert prepare([str(folder)], tmp_path / "out").manifest == first
    changed = prepare([str(folder)], tmp_path / "out", DataSettings(val_share=0.3)).manifest
    (folder / "00.txt").write_text(prose(999))
    other = prepare([str(folder)], tmp_path / "out").manifest
    assert len({first["content"], changed["content"], other["content"]}) == 3


def test_a_shortened_file_is_noticed_and_made_again(folder, tmp_path):
    corpus = prepare([str(folder)], tmp_path / "out")
    before = tree(tmp_path / "out")
    corpus.path("train", "texts").write_text("")
    with pytest.raises(SourceError, match="no finished corpus"):
        Corpus.open(tmp_path / "out")
    prepare([str(folder)], tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_a_full_disk_leaves_nothing_half_written(folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull, match="MB free"):
        prepare([str(folder)], tmp_path / "out")
    assert tree(tmp_path / "out") == {}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_that_is_killed_at_any_moment_leaves_whole_files_or_none_and_the_next_run_finishes(folder, tmp_path):
    whole = prepare([str(folder)], tmp_path / "whole")
    out = tmp_path / "out"
    code = f"""
import os, signal, sys
from twofold.data.prepare import prepare
left = int(sys.argv[1])
def hook(event, arguments):
    global left
    if event in ("open", "os.rename", "os.mkdir", "shutil.rmtree", "os.remove") and {str(out)!r} in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
prepare([{str(folder)!r}], {str(out)!r})
"""
    for after in range(60):
        done = subprocess.run([sys.executable, "-c", code, str(after)], capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        if (out / "manifest.json").exists():
            assert Corpus.open(out).manifest == whole.manifest
    else:
        pytest.fail("it never finished")
    assert after > 5
    assert tree(out) == tree(tmp_path / "whole")


def test_a_source_of_which_nothing_is_left_is_an_error_with_the_reasons(tmp_path):
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.txt").write_bytes(b"\0")
    with pytest.raises(SourceError, match=r"junk.*binary"):
        prepare([str(tmp_path / "junk")], tmp_path / "out")
    (tmp_path / "junk" / "a.txt").write_text("12 34 " * 99)
    with pytest.raises(SourceError, match="--rules none"):
        prepare([str(tmp_path / "junk")], tmp_path / "out")
    assert prepare([str(tmp_path / "junk")], tmp_path / "out", DataSettings(rules="none", val_share=0)).bytes("train")


def test_too_little_text_to_hold_some_out_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("only a few words in here")
    with pytest.raises(SourceError, match="24 bytes"):
        prepare([str(tmp_path / "a.txt")], tmp_path / "out")


def test_a_rule_that_eats_more_than_half_is_pointed_out(folder, tmp_path):
    for i in range(80):
        (folder / f"short{i}.txt").write_text(f"{i} no")
    warnings = prepare([str(folder)], tmp_path / "out").manifest["warnings"]
    assert len(warnings) == 1
    assert warnings[0].startswith("texts: in the step 'filter', 'too short' took 8")


def test_a_name_that_is_nothing_suggests_what_it_may_be(tmp_path):
    with pytest.raises(SourceError, match="did you mean 'almanac'"):
        prepare(["almanach"], tmp_path)
    with pytest.raises(SourceError, match="no source was named"):
        prepare([], tmp_path)


@pytest.mark.parametrize("wrong", [{"val_share": 1}, {"val_share": -0.1}, {"rules": "strict"}, {"limit": 0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        DataSettings(**wrong)


def test_the_manifest_is_plain_json_without_a_clock(folder, tmp_path):
    corpus = prepare([str(folder)], tmp_path / "out")
    text = (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text) == corpus.manifest
    assert set(corpus.manifest) == {"inputs", "settings", "versions", "content", "files", "warnings", "waterfall"}
