"""The suite that the guide shows is one."""

from __future__ import annotations

from pathlib import Path

from twofold.evals.questions import KINDS, read

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "evaluate.md"


def test_the_suite_in_the_guide_is_read_and_shows_every_kind(tmp_path):
    shown = GUIDE.read_text("utf-8").split("```json\n")[1].split("```")[0]
    (tmp_path / "suite.json").write_text(shown, "utf-8")
    assert {one.kind for one in read(tmp_path / "suite.json").questions} == set(KINDS)
