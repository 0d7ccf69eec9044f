"""The guide's lessons run, print what they say they print, and draw the pictures that they show."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def generator():
    spec = importlib.util.spec_from_file_location("generate_guide", DOCS / "generate_guide.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GUIDE = generator()
QUICK = ("01", "02")


def marked(lesson):
    slow = lesson.name[:2] not in QUICK
    return pytest.param(lesson, marks=[pytest.mark.slow] if slow else [], id=lesson.stem)


@pytest.mark.parametrize("lesson", [*map(marked, GUIDE.LESSONS)])
def test_a_lesson_prints_and_draws_what_it_shows(lesson, tmp_path):
    again = f"; play it again with: python docs/generate_guide.py {lesson.name[:2]}"
    assert GUIDE.play(lesson, tmp_path) == lesson.read_text("utf-8"), f"{lesson.name} is stale{again}"
    for picture in (tmp_path / "pictures").iterdir():
        kept = GUIDE.GUIDE / "pictures" / picture.name
        assert kept.is_file(), f"{picture.name} is missing{again}"
        if picture.suffix == ".svg":
            fresh, shown = (path.read_text("utf-8") for path in (picture, kept))
            assert NUMBER.sub("0", fresh) == NUMBER.sub("0", shown), f"{picture.name} is stale{again}"
            numbers = [[float(number) for number in NUMBER.findall(text)] for text in (fresh, shown)]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.2, rel=1e-3), f"{picture.name} is stale{again}"


@pytest.mark.parametrize("lesson", GUIDE.LESSONS, ids=lambda lesson: lesson.stem)
def test_what_a_lesson_points_to_is_there(lesson):
    for target in re.findall(r"\]\(([^)#]+)\)", lesson.read_text("utf-8")):
        if "://" not in target:
            assert (lesson.parent / target).exists(), target


def test_every_picture_of_a_lesson_is_shown_somewhere():
    shown = "".join(lesson.read_text("utf-8") for lesson in GUIDE.LESSONS)
    assert [each.name for each in (GUIDE.GUIDE / "pictures").glob("[0-9][0-9]-*") if each.name not in shown] == []
