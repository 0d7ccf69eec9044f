"""The page of a network that reads digits: true to what was measured, whole in itself, readable by everyone."""

from __future__ import annotations

import base64
import hashlib
import html
import re

import pytest

from twofold.make.report_digits import render, write_report
from twofold.neuron.descent import Settings
from twofold.neuron.experiment import Plan, run
from twofold.neuron.images import load

from .test_report import CHROMIUM, Page


@pytest.fixture(scope="module", params=["dense", "convolutional"])
def made(request, tmp_path_factory):
    folder, digits = tmp_path_factory.mktemp("digits"), load("quick")
    plan = Plan(settings=Settings(epochs=3)) if request.param == "dense" else Plan(
        (), "relu", "cross-entropy", "he", True, Settings(0.1, 32, 2))  # fmt: skip
    outcome = run(plan, digits, folder)
    write_report(folder, plan, digits, outcome)
    return plan, digits, outcome, folder / "report.html"


@pytest.fixture
def page(made):
    return Page(made[3].read_text("utf-8"))


def test_the_figures_are_those_that_were_measured(made, page):
    _, _, outcome, _ = made
    text = page.all("main")[0][1]
    assert f"{100 * outcome.score.accuracy:.1f} % of 359 handwritten digits" in text
    assert page.data["costs"] == [list(each) for each in outcome.costs]
    assert page.data["measured"] == [list(each) for each in outcome.measured]
    counts = [int(attributes["data-value"]) for attributes, _ in page.all("td") if attributes.get("class") in
              ("right", "wrong", "same") and "data-value" in attributes]  # fmt: skip
    assert counts == outcome.score.confusion.ravel().tolist()


def test_every_mistake_that_is_shown_is_one(made, page):
    _, _, outcome, _ = made
    shown = [attributes["alt"] for attributes, _ in page.all("img")]
    said = [f"a {each.label}, read as {each.said}" for each in outcome.score.mistakes[:24]]
    assert shown[: len(said)] == said
    assert all(attributes["alt"] for attributes, _ in page.all("img"))


def test_the_page_asks_for_nothing_and_runs_one_script(made, page):
    for _, attributes, _ in page.elements:
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:"))
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    script = page.all("script", type="module")[0][1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert not re.search(r"\$[a-z_]+", page.all("main")[0][1].partition("# twofold/")[0]), "every place was filled"
    styles = "".join(text for _, text in page.all("style"))
    assert "url(" not in styles and "@import" not in styles


def test_every_part_has_a_name_that_a_screen_reader_finds(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [len(page.all(name)) for name in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert all(attributes["aria-labelledby"] in ids for attributes, _ in page.all("section"))
    assert all(attributes["href"].removeprefix("#") in ids for attributes, _ in page.all("a"))
    assert len(page.all("div", **{"class": "mathematics"})) == len(page.all("div", **{"class": "code"})) == 3


def test_a_name_from_outside_stays_text(made):
    plan, digits, outcome, _ = made
    hostile = "<img src=x onerror=alert(1)>"
    markup = render(plan, type(digits)(hostile, digits.train, digits.held_out), outcome)
    assert hostile not in markup and html.escape(hostile) in markup


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_a_browser_shows_it_without_a_complaint(made, width, scheme):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said = []
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        view.goto(made[3].as_uri())
        view.wait_for_selector("svg.plot path.line", state="attached")
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        view.focus("figure[data-plot=accuracy] svg")
        view.keyboard.press("Home")
        assert re.fullmatch(r"after step \d+: \d+\.\d % of 359", view.inner_text("figure[data-plot=accuracy] .reading"))
        assert said == []
        browser.close()
