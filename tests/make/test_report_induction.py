"""The page of the lab: what was measured, what came out, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib

import pytest

from twofold.make.induction import Lab, Outcome, conclusions, run
from twofold.make.report_induction import render, write_report

from .test_report import Page


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    lab = Lab(seeds=2, depths=(0, 1, 2), steps=4, batch=4, measures=2)
    outcome = run(lab, folder, lambda text: None, lambda course: None)
    return outcome, write_report(folder, outcome).read_text("utf-8")


@pytest.fixture
def page(made):
    return Page(made[1])


@pytest.mark.slow
def test_the_page_says_what_came_out(made, page):
    text = page.all("main")[0][1]
    for sentence in conclusions(made[0]):
        assert sentence[1:] in text
    assert "two layers, seed 1" in text and "failed" in text


def test_the_curves_are_those_that_were_measured(made, page):
    outcome = made[0]
    plots = page.data["plots"]
    assert [each["name"] for each in plots["depths"]["series"]] == ["no layer", "one layer", "two layers"]
    one, other = outcome.of(1)
    wanted = [[step, (a.nats + b.nats) / 2] for (step, a), (_, b) in zip(one.points, other.points, strict=True)]
    assert plots["depths"]["series"][1]["points"] == wanted
    assert plots["change"]["series"][1]["points"] == [[step, point.right] for step, point in outcome.of(2)[1].points]
    cells = [a["data-value"] for a, _ in page.all("td")]
    assert str(outcome.of(2)[0].cut["K"]) in cells


def test_the_page_asks_for_nothing_and_runs_one_script(page):
    for _, attributes, _ in page.elements:
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    script = page.all("script", type="module")[0][1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_a_lab_without_layers_has_a_page_too(made):
    outcome = made[0]
    none = Outcome(Lab(seeds=2, depths=(0,), steps=4, batch=4, measures=2), outcome.baselines, outcome.of(0))
    assert "A model without layers has no heads." in render(none)
