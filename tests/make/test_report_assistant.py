"""What the report says of an assistant is what was measured, whoever wrote the answers."""

from __future__ import annotations

import json

import pytest

from twofold.intervals import wilson
from twofold.make.report import render
from twofold.make.report_assistant import write_report
from twofold.make.report_data import read_run

from .invented_run import HOSTILE, invent
from .test_report import Page


def share(right: int, n: int) -> dict:
    low, high = wilson(right, n)
    return {"right": right, "n": n, "low": low, "high": high, "chance": 0.0, "refused": 0}


def asked(right: int = 171, n: int = 200) -> dict:
    return {
        "suite": "almanac", "groups": {
            "capital": {"base": share(3, n), "assistant": share(right, n), "verdict": "better"},
            "a kind of one's own": {"base": share(9, n), "assistant": share(8, n), "verdict": "no difference"}},
        "refused": {"n": 400, "refused": 7, "low": 0.0085, "high": 0.0357},
        "samples": [{"ask": HOSTILE, "group": "capital", "expected": "Paris", "base": "words " * 200,
                     "assistant": HOSTILE, "right": True}],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    invent(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    results["assistant"] = {"training_seconds": 216.0, "tokens": 3_000_000, "questions": asked(),
                            "settings": {"data": ["almanac"], "replay": 0.1}}  # fmt: skip
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "assistant").mkdir()
    events = [{"event": "evaluation", "step": 0, "bits_per_byte": {"answers": 3.5, "sotu": 1.25}},
              {"event": "evaluation", "step": 90, "bits_per_byte": {"answers": 0.0625, "sotu": 1.375}},
              {"event": "sample", "step": 40, "prompt": HOSTILE, "text": HOSTILE}]  # fmt: skip
    (tmp_path / "assistant" / "log.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n")
    return tmp_path


def test_each_kind_stands_with_its_share_interval_and_what_the_base_model_got(folder):
    page = Page(render(read_run(folder)))
    (_, said), = page.all("section", id="answers")
    low, high = wilson(171, 200)
    assert "85.5 %" in said and f"{100 * low:.1f} to {100 * high:.1f} %" in said and "1.5 %" in said
    assert "a kind of one's own" in said and "no difference" in said
    assert "Of the 400 questions" in said and "to 7 (" in said


def test_answers_learned_and_text_forgotten_stand_side_by_side(folder):
    (_, said), = Page(render(read_run(folder))).all("section", id="answers")
    assert all(figure in said for figure in ("3.500", "0.062", "1.250", "1.375", "10 % of the rows"))


def test_hostile_answers_are_text_and_long_ones_are_cut(folder):
    page = Page(render(read_run(folder)))
    assert [attributes.get("id") for attributes, _ in page.all("script")].count(None) <= 1
    assert not page.all("img")
    (_, said), = page.all("section", id="answers")
    assert HOSTILE.split("&")[0] in said and "words " * 40 not in said


def test_a_base_model_says_how_to_be_taught(tmp_path):
    (_, said), = Page(render(read_run(invent(tmp_path)))).all("section", id="answers")
    assert "twofold finetune" in said


def test_a_finetuned_model_has_a_report_of_its_own(folder):
    results = {"name": "mine", "training_seconds": 60.0, "parameters": 4e6, "learned_parameters": 5e5,
               "questions": asked(), "settings": {"data": [HOSTILE], "rank": 8}, "code_version": "1"}  # fmt: skip
    place = folder / "assistant"
    (place / "results.json").write_text(json.dumps(results))
    page = Page(write_report(place).read_text(encoding="utf-8"))
    (_, said), = page.all("section", id="answers")
    assert "85.5 %" in said
    (_, chosen), = page.all("section", id="lineage")
    assert HOSTILE.split("&")[0] in chosen and "rank" in chosen
    assert page.all("h1")[0][1] == "mine" and not page.all("img")
