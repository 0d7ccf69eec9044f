"""The page "Look inside" in a headless Chromium: a text is typed, a head is cut out, what comes next moves."""

from __future__ import annotations

import re

import numpy as np
import pytest

from .conftest import serving
from .stand_in import PAGES
from .test_page import CHROMIUM, browser  # noqa: F401

pytest.importorskip("torch")
FOLDER = PAGES / "inside"
ASK = """async ([path, body]) => await fetch(`/inside/${path}`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })"""
SEEN = f"async (body) => (await ({ASK})(['seen', body])).json()"
PATTERNS = f"async (body) => [...new Uint8Array(await (await ({ASK})(['patterns', body])).arrayBuffer())]"


def test_the_page_is_small_and_asks_nobody_else():
    files = sorted(FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 45_000
    for path in files:
        text = path.read_text("utf-8")
        assert not re.search(r"https?://", text), path
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "<style"):
            assert word not in text, (path, word)


@pytest.fixture
def visit(browser, server):  # noqa: F811
    contexts, complaints = [], []

    def visit(running=server, width=1400, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: one.url.startswith((running.url, "data:")) or complaints.append(one.url))
        page.goto(f"{running.url}/#/inside")
        page.wait_for_selector(".near li, .notice .alarm")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [one for one in complaints if "Failed to load resource" not in one] == []


def for_browsers(test):
    return pytest.mark.slow(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")(test))


def chances(page):
    said = page.locator(".next tbody td:nth-child(3)").all_inner_texts()
    return [float(one.removesuffix(" %").removeprefix("< ")) / 100 for one in said]


def until(page, expression, value):
    page.wait_for_function(f"(value) => {expression} === value", arg=value)


def tokens(page, n):
    until(page, "document.querySelectorAll('.start .token').length", n)


def asked(page, **body):
    shown = page.evaluate(SEEN, {"model": "tiny", "text": page.input_value("#inside-text"), **body})["next"]
    return shown["now"][shown["temperatures"].index(1.0)]


@for_browsers
def test_a_text_is_typed_and_its_last_token_is_gone_on_from(visit):
    page = visit()
    page.fill("#inside-text", "hello the hello")
    tokens(page, 5)
    assert page.locator(".start .token").all_inner_texts() == ["<|endoftext|>", "hello", "·the", "·", "hello"]
    assert page.locator(".start .token[aria-pressed=true]").inner_text() == "hello"
    page.wait_for_selector("text=After token 4")
    assert chances(page) == pytest.approx(asked(page), abs=6e-4)
    page.locator(".start .token").nth(2).click()
    page.wait_for_selector("text=After token 2")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("text=After token 1")
    assert chances(page) == pytest.approx(asked(page, position=1), abs=6e-4)


@for_browsers
def test_the_temperature_moves_without_a_question(visit):
    page = visit()
    questions = []
    page.on("request", lambda one: questions.append(one.url))
    page.locator("#inside-temperature").fill("0")
    assert chances(page)[:2] == [1, 0]
    page.locator("#inside-temperature").fill("40")
    assert 0 < chances(page)[0] < 1 and "2.00" in page.inner_text(".next .slider")
    assert questions == []


@for_browsers
def test_a_head_and_an_mlp_are_cut_out_and_put_back(visit):
    page = visit()
    before = chances(page)
    page.click(".part >> text=0.2")
    page.click("text=Cut it out")
    page.wait_for_selector(".next .before")
    assert chances(page) == pytest.approx(asked(page, heads=[[0, 2]]), abs=6e-4)
    assert "cut out" in page.get_attribute(".part.cut", "aria-label")
    page.locator(".part").nth(9).focus()
    page.keyboard.press("x")
    page.wait_for_selector(".cuts >> text=MLP 1")
    assert page.locator(".cell[aria-pressed=true]").count() in (1, 2)
    page.click("text=all back")
    until(page, "document.querySelector('.next .before')", None)
    assert chances(page) == before and page.locator(".part.cut").count() == 0


@for_browsers
def test_a_pair_is_spelled_out_and_its_numbers_are_what_they_say(visit):
    page = visit()
    page.fill("#inside-text", "hello the")
    tokens(page, 3)
    page.click(".part >> text=1.3")
    page.wait_for_selector(".sum")
    page.locator(".pattern.large").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".strips >> text=k of <|endoftext|>")
    numbers = [float(one.replace("−", "-")) for one in re.findall(r"= (−?[\d.]+)", page.inner_text(".sum"))]
    product, score, weight = numbers
    assert score == pytest.approx(product / 4, rel=0.01)  # d_head is 16
    pattern = page.evaluate(PATTERNS, {"model": "tiny", "text": "hello the"})
    assert weight / 100 == pytest.approx(np.reshape(pattern, (2, 4, 3, 3))[1, 3, 2, 0] / 255, abs=0.004)
    box = page.locator(".pattern.large").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 6, box["y"] + box["height"] / 2)  # the middle row, the first column
    page.wait_for_selector("text=After token 1")
    page.wait_for_selector(".strips >> text=q of hello")


@for_browsers
def test_an_mlp_shows_its_neurons_and_what_excites_one(visit):
    page = visit()
    page.click(".part >> text=MLP 0")
    page.click(".neurons button >> nth=0")
    page.wait_for_selector(".excited li mark")
    values = [float(one.replace("−", "-")) for one in page.locator(".excited li .figures").all_inner_texts()]
    assert len(values) == 6 and values == sorted(values, reverse=True)


@for_browsers
def test_a_head_is_taken_from_another_text(visit):
    page = visit()
    page.fill("#inside-text", "cat nap")
    tokens(page, 8)
    page.click("text=Take them from another text")
    page.fill("#inside-other", "mud dip")
    page.locator(".part").nth(0).focus()
    page.keyboard.press("x")
    page.wait_for_selector(".cuts >> text=From the other text")
    page.wait_for_selector(".next .before")
    assert chances(page) == pytest.approx(asked(page, heads=[[0, 0]], other="mud dip"), abs=6e-4)
    page.fill("#inside-other", "mud dippers")
    page.wait_for_selector(".alarm >> text=between texts of one length")


@for_browsers
def test_what_goes_wrong_is_told_and_what_was_seen_stays(visit):
    page = visit()
    page.fill("#inside-text", "word " * 400)
    page.wait_for_selector(".alarm >> text=shorten it")
    assert page.locator(".next tbody tr").count() > 0
    page.fill("#inside-text", "hello")
    tokens(page, 2)
    assert page.locator(".alarm").count() == 0


@for_browsers
def test_another_model_is_another_look(visit):
    page = visit()
    page.click(".part >> text=0.1")
    first = page.locator(".next tbody td").nth(1).inner_text()
    page.select_option(".top select", "second")
    page.wait_for_function(
        "(first) => document.querySelector('.next tbody td:nth-child(3)').textContent !== first", arg=first
    )
    assert page.locator(".part.cut").count() == 0


@for_browsers
def test_depths_are_chosen_and_the_code_is_shown(visit):
    page = visit()
    page.click(".stream .explain >> text=code")
    assert "def lens_of(" in page.inner_text(".stream .explain pre")
    assert "def attribution(" in page.inner_text(".shares .explain pre")
    page.click(".stream .explain >> text=mathematics")
    assert "W_U · norm(x_l)" in page.inner_text(".stream .explain")


@for_browsers
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1600, "dark")])
def test_it_fits_and_can_be_used_by_name(visit, width, scheme):
    page = visit(width=width, color_scheme=scheme)
    page.click(".part >> text=1.0")
    page.wait_for_selector(".sum")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("slider", name="Temperature").count() == 1
    assert page.get_by_role("textbox", name="A text, as the model reads it").count() == 1
    assert page.get_by_role("button", name="Head 1.0", exact=True).count() == 1
    assert page.get_by_role("region", name="Who raised it").count() == 1


@for_browsers
def test_without_torch_it_says_what_is_missing(visit, models):
    with serving(models, before="import sys; sys.modules['torch'] = None\n") as running:
        assert "pip install 'twofold[train]'" in visit(running).inner_text(".notice")
