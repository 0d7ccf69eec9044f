"""The page "Look inside" in a headless Chromium: a text is typed, a head is cut out, what comes next moves."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from twofold.tokenizer.train import train_bpe

from .conftest import serving
from .stand_in import PAGES
from .test_page import CHROMIUM, browser  # noqa: F401

pytest.importorskip("torch")
FOLDER = PAGES / "inside"
ASK = """async ([path, body]) => await fetch(`/inside/${path}`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })"""
ANSWER = f"async (asked) => (await ({ASK})(asked)).json()"
PATTERNS = f"async (body) => [...new Uint8Array(await (await ({ASK})(['patterns', body])).arrayBuffer())]"


def test_the_page_is_small_and_asks_nobody_else():
    files = sorted(FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 66_000
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
    shown = page.evaluate(ANSWER, ["seen", {"model": "tiny", "text": page.input_value("#inside-text"), **body}])["next"]
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
def test_the_map_is_walked_with_the_keyboard_and_its_tokens_are_chosen(visit):
    page = visit()
    page.fill("#inside-text", "hello the cat")
    tokens(page, 7)
    page.wait_for_selector(".analogies tbody tr")
    plane = page.evaluate(ANSWER, ["plane", {"model": "tiny", "text": "hello the cat"}])
    assert page.locator(".plane circle.own").count() == len(plane["near"])
    assert page.locator(".plane circle.near").count() == len(plane["tokens"]) - len(plane["near"])
    assert f"{100 * plane['share']:.1f} %" in page.inner_text(".plane .note >> nth=0")
    places = page.eval_on_selector_all(
        ".plane svg > circle", "all => all.map(({ cx, cy }) => [cx.baseVal.value, cy.baseVal.value])"
    )
    between = [np.linalg.norm(np.array(one)[:, None] - np.array(one), axis=-1) for one in (places, plane["points"])]
    np.testing.assert_allclose(between[0] / between[0].max(), between[1] / between[1].max(), atol=1e-3)
    assert page.inner_text(".plane .reading").startswith("t, of the text, at ")
    page.locator(".plane svg").focus()
    heard = set()
    for key in ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"] * 6:
        page.keyboard.press(key)
        heard.add(page.inner_text(".plane .reading").split(" at ")[0])
    assert len(heard) > 4
    at = page.locator(".plane circle.own").nth(1).bounding_box()
    page.mouse.click(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
    page.wait_for_selector(".start .token[aria-pressed=true] >> text=hello")


@for_browsers
def test_an_analogy_is_asked_and_counted(visit):
    page = visit()
    page.wait_for_selector(".analogies tbody tr")
    page.uncheck(".analogies input[type=checkbox]")
    for name, word in zip(("First word", "Second word", "Third word", "Expected answer"), "abcd", strict=True):
        page.get_by_role("textbox", name=name).fill(word)
    page.fill("#inside-pairs", "e: f\nhello: good")
    page.click(".analogies >> text=Ask")
    page.wait_for_selector(".analogies >> text=12 questions: every two of 4 pairs")
    found = page.evaluate(ANSWER, ["analogous", {
        "model": "tiny", "pairs": [["a", "b"], ["e", "f"], ["hello", "good"]], "c": "c", "d": "d"}])  # fmt: skip
    said = page.inner_text(".analogies [role=status]")
    assert said.startswith(f"a is to b as c is to d: number {found['ranks'][0]} of {found['of']}. ")
    assert page.locator(".analogies tbody td:nth-child(3)").all_inner_texts() == [
        f"{found['counts'][kind]['right']} of 12" for kind in ("holds", "unrelated", "nearest")]  # fmt: skip
    assert page.locator(".analogies li").count() == len(found["answers"])
    assert "good as g" in page.inner_text(".analogies")
    page.fill("#inside-pairs", "e f")
    page.click(".analogies >> text=Ask")
    page.wait_for_selector(".analogies .alarm >> text=is not a pair")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model that was trained for 30 steps, with what it was after every tenth."""
    from twofold.data.prepare import prepare

    folder = tmp_path_factory.mktemp("run")
    (folder / "texts").mkdir()
    for i in range(20):
        words = [["hello", "the", "cat", "sat", "on", "a", "mat"][(i + j * (i % 5 + 1)) % 7] for j in range(400)]
        (folder / "texts" / f"{i}.txt").write_text(" ".join(words), encoding="utf-8")
    corpus = prepare([str(folder / "texts")], folder / "text")
    learned = train_bpe((document.text for document in corpus.documents("train")), 270)
    (folder / "tokenizer.json").write_text(learned.to_json(), encoding="utf-8")
    sets = ["model.n_layers=1", "model.d_model=32", "model.n_heads=2", "train.batch=4", "train.context=32",
            "train.bigram_steps=5", "machine.save_seconds=0", "machine.keep=9"]  # fmt: skip
    command = [sys.executable, "-m", "twofold", "pretrain", "text", "--tokenizer", "tokenizer.json", "--out", "tiny",
               "--steps", "30", "--threads", "1", "--dtype", "float32", "--no-compile"]  # fmt: skip
    command += [word for one in sets for word in ("--set", one)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder


@for_browsers
def test_the_slider_goes_through_a_runs_checkpoints(visit, run):
    """Each is what the run's own file of that step holds, computed here; the last place is the finished model."""
    import torch

    from twofold.model.decoder import Decoder
    from twofold.train.checkpoint import restore_model
    from twofold.weights.parameters import load

    parameters = load(run / "tiny" / "parameters.gguf")
    places = sorted((run / "tiny" / "checkpoints").iterdir())
    assert len(places) > 1
    with serving(run) as running:
        page = visit(running)
        page.fill("#inside-text", "the cat sat")
        page.wait_for_selector(".analogies tbody tr")
        slider, seen = page.get_by_role("slider", name="The model in training"), []
        assert slider.get_attribute("aria-valuetext") == "finished"
        finished = chances(page)
        slider.focus()
        for place in reversed(places):
            with page.expect_response("**/inside/attribution"):  # which is asked for when what comes next is drawn
                page.keyboard.press("ArrowLeft")
            assert slider.get_attribute("aria-valuetext") == f"after step {int(place.name)}"
            model = Decoder(parameters.config)
            restore_model(place, model)
            ids = parameters.tokenizer.encode("the cat sat")
            with torch.no_grad():
                expected = model(torch.tensor([[parameters.tokenizer.bos_id, *ids]]))[0, -1].softmax(-1)
            seen.append(chances(page))
            assert seen[-1] == pytest.approx(expected.topk(len(seen[-1])).values.tolist(), abs=6e-4), place.name
        assert seen[0] != seen[-1]
        with page.expect_response("**/inside/attribution"):
            page.keyboard.press("End")
        assert chances(page) == finished


@for_browsers
def test_every_part_is_tried_without_it_and_the_shares_come_back(visit):
    page = visit()
    page.wait_for_selector(".analogies tbody tr")
    written = page.inner_text(".shares .reading")
    page.click(".shares >> text=Try each part without it")
    page.wait_for_selector(".shares >> text=In the whole model")
    found = page.evaluate(ANSWER, ["effects", {"model": "tiny", "text": page.input_value("#inside-text")}])
    strongest = max((value for row in [*found["heads"], found["mlps"]] for value in row), key=abs)
    assert f"{abs(strongest):.2f}" in page.inner_text(".shares .reading")
    assert "more likely" in page.inner_text(".shares .scale")
    page.click(".shares >> text=Show what each wrote")
    assert page.inner_text(".shares .reading") == written
    page.click(".shares >> text=Try each part without it")
    page.wait_for_selector(".shares >> text=In the whole model")
    page.fill("#inside-text", "hello the cat")  # of another text nothing is known yet
    page.wait_for_selector(".shares >> text=The score of")


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
    assert "def projection(" in page.inner_text(".plane .explain pre")
    assert "def analogies(" in page.inner_text(".analogies .explain pre")
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
    assert page.get_by_role("application", name="Tokens in the plane").count() == 1
    page.wait_for_selector(".analogies tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn = page.locator(".plane svg").bounding_box()
    for each in page.locator(".plane svg text").all():
        box = each.bounding_box()
        assert drawn["x"] - 1 <= box["x"] and box["x"] + box["width"] <= drawn["x"] + drawn["width"] + 1


@for_browsers
def test_without_torch_it_says_what_is_missing(visit, models):
    with serving(models, before="import sys; sys.modules['torch'] = None\n") as running:
        assert "pip install 'twofold[train]'" in visit(running).inner_text(".notice")
