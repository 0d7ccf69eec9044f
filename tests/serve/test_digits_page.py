"""The page of the digits in a headless Chromium: a seven is drawn with the mouse, and read."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from twofold.neuron.network import Network
from twofold.neuron.saved import save

from .digits_server import serving_digits
from .stand_in import PAGES
from .test_page import luminance, variables

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOLDER = PAGES / "digits"
SEVEN = [[(0.28, 0.22), (0.72, 0.22), (0.45, 0.82)]]
ONE = [[(0.5, 0.15), (0.5, 0.85)]]
NETWORK_OF = """async (network) => {
  const { matrix } = await import("/pages/digits/matrices.js");
  const body = JSON.stringify({ client: "0".repeat(32), network }), headers = { "content-type": "application/json" };
  const reply = await fetch("/digits/network", { method: "POST", body, headers });
  return (await reply.json()).weights.map((sent) => Array.from(matrix(sent).values));
}"""
SIGNED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i] - data[4 * i + 2]);
}"""
ZERO = [[(0.5 + 0.22 * np.sin(t), 0.5 - 0.33 * np.cos(t)) for t in np.linspace(0, 2 * np.pi, 24)]]


def test_the_page_is_small_and_asks_nobody_else():
    files = sorted(FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 80_000
    for path in files:
        text = path.read_text("utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "<style"):
            assert word not in text, (path, word)


def test_costs_have_the_colours_of_viridis():
    matplotlib = pytest.importorskip("matplotlib")
    stops = re.findall(r'"(#[0-9a-f]{6})"', (FOLDER / "colours.js").read_text().split("];")[0])
    assert stops == [matplotlib.colors.to_hex(matplotlib.colormaps["viridis"](i / 8)) for i in range(9)]


@pytest.mark.parametrize("dark", [False, True])
def test_above_and_below_zero_are_told_from_paper_and_by_their_hue_from_each_other(dark):
    light, dim = variables((PAGES / "tokens.css").read_text())
    paper = luminance((dim if dark else light)["paper"])
    colours = dict(re.findall(r"--(more|less): (#\w{6})", (PAGES / "tokens.css").read_text()))
    for name in ("more", "less"):
        high, low = sorted((luminance(colours[name]), paper), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, name  # WCAG 1.4.11, graphics
    red, _, blue = (int(colours["more"][i : i + 2], 16) - int(colours["less"][i : i + 2], 16) for i in (1, 3, 5))
    assert red > 100 and blue < -100  # orange and blue: seen by those who don't tell red from green


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With networks that were saved: a wide one, one without hidden layers, one that is damaged."""
    folder = tmp_path_factory.mktemp("page")
    flat, wide = (Network.initial((784, *hidden, 10), 1, activation="relu", loss="cross-entropy", initialisation="he")
                  for hidden in ((), (128, 64)))  # fmt: skip
    for name, network in (("flat", flat), ("wide", wide)):
        (folder / "runs" / name).mkdir(parents=True)
        save(folder / "runs" / name / "network.npz", network)
    (folder / "runs" / "broken").mkdir()
    (folder / "runs" / "broken" / "network.npz").write_bytes(b"no network")
    with serving_digits("mnist", folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as engine:
        alone = ["--no-sandbox", "--disable-background-networking"]
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=alone)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, server):
    contexts, complaints = [], []

    def visit(view="draw", width=1400, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: one.url.startswith((server.url, "data:")) or complaints.append(one.url))
        page.goto(f"{server.url}/#/digits/{view}")
        page.wait_for_selector(".net-place .network")
        page.complaints = complaints
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


def draw(page, strokes, touch=False):
    box = page.locator(".pad").bounding_box()
    places = [[(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke] for stroke in strokes]
    for first, *others in places:
        page.mouse.move(*first)
        page.mouse.down()
        for place in others:
            page.mouse.move(*place, steps=8)
        page.mouse.up()


def reads(page, digit):
    page.wait_for_function("digit => document.querySelector('.answer').textContent === digit", arg=str(digit))
    numbers = "all => all.map((one) => Number(one.textContent))"
    outputs = page.eval_on_selector_all(".network .neuron:has(.bar) text:last-child", numbers)
    assert int(np.argmax(outputs)) == digit
    return outputs


def for_browsers(test):
    return pytest.mark.slow(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")(test))


@for_browsers
@pytest.mark.parametrize(("strokes", "digit"), [(SEVEN, 7), (ONE, 1), (ZERO, 0)])
@pytest.mark.parametrize("network", ["the lecture's", "as small, taught better"])
def test_what_is_drawn_with_the_mouse_is_read(visit, network, strokes, digit):
    page = visit()
    page.click(f".choice >> text={network}")
    page.wait_for_selector(".mind .note >> text=held-out images rightly")
    draw(page, strokes)
    assert reads(page, digit)[digit] > 0.5
    assert f"Reads {digit}" in page.inner_text(".told")
    page.click("text=Undo")
    page.wait_for_selector("text=Draw a digit")
    assert page.inner_text(".answer") == ""


@for_browsers
def test_a_convolutional_network_reads_too_and_shows_its_maps(visit):
    page = visit()
    page.click(".choice >> text=convolutional")
    page.wait_for_selector(".mind .note >> text=held-out images rightly", timeout=240_000)
    draw(page, SEVEN)
    page.wait_for_function("() => document.querySelector('.answer').textContent === '7'")
    shown = page.locator(".convolution canvas").count()
    told = [int(n) for n in re.findall(r"(\d+) maps of", page.inner_text(".convolution"))]
    assert len(told) == 2 and shown == 1 + 2 * told[0] + told[1]
    assert page.inner_text(".outputs .best b") == "7"
    page.hover("#map-2-3")
    assert page.inner_text(".neuron-view h3") == "Map 4 of convolution 2"
    page.focus(".convolution")
    page.keyboard.press("ArrowUp")
    assert page.inner_text(".neuron-view h3").endswith("of convolution 1")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.inner_text(".neuron-view h3") == "The output for 9"
    page.hover("#map-3-7")
    weights = page.evaluate(NETWORK_OF, "convolutional")[-1]
    shown = page.eval_on_selector(".neuron-view canvas", SIGNED)
    side = int(len(shown) ** 0.5)  # maps of 4 × 4 beside each other, a pixel of nothing between them
    tiles = [(5 * (k // 6) + y) * side + 5 * (k % 6) + x for k in range(32) for y in range(4) for x in range(4)]
    assert np.corrcoef(np.array(shown)[tiles], np.reshape(weights, (10, -1))[7])[0, 1] > 0.97
    assert "A kernel is a small picture of weights" in page.inner_text(".explained")
    page.click(".choice >> text=the lecture's")
    page.wait_for_selector(".network")
    reads(page, 7)
    assert "A neuron holds a number" in page.inner_text(".explained")


@for_browsers
def test_the_outputs_move_while_one_draws(visit):
    page = visit()
    box = page.locator(".pad").bounding_box()
    page.mouse.move(box["x"] + 0.28 * box["width"], box["y"] + 0.22 * box["height"])
    page.mouse.down()
    seen = set()
    for x, y in ((0.72, 0.22), (0.6, 0.5), (0.45, 0.82)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
        page.wait_for_timeout(300)
        seen.add(page.inner_text(".told"))
    page.mouse.up()
    assert len(seen) == 3


@for_browsers
def test_the_keyboard_alone_draws_and_looks_at_neurons(visit):
    page = visit()
    page.focus(".pad")
    for key, times in (("ArrowRight", 0), (" ", 1), ("ArrowRight", 11), ("ArrowDown", 2), ("ArrowLeft", 1)):
        for _ in range(times):
            page.keyboard.press(key)
    for _ in range(8):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    reads(page, 7)
    page.focus(".network")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    assert page.inner_text(".neuron-view h3") == "The output for 0"
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    assert page.inner_text(".neuron-view h3") == "The output for 7"
    chosen = page.get_attribute("#" + page.get_attribute(".network", "aria-activedescendant"), "aria-label")
    assert chosen.startswith("the output for 7: activation 0.")
    page.focus(".pad")
    page.keyboard.press("Delete")
    page.wait_for_selector("text=Draw a digit")


@for_browsers
def test_the_picture_of_a_neuron_is_its_weights(visit, server):
    """Orange where a weight is above zero, blue where it is below."""
    page = visit()
    page.hover("#neuron-1-4")
    assert page.inner_text(".neuron-view h3") == "Neuron 5 of hidden layer 1"
    shown = page.eval_on_selector(".neuron-view canvas", SIGNED)
    weights = page.evaluate(NETWORK_OF, "lecture")[0]
    assert np.corrcoef(shown, np.reshape(weights, (16, 784))[4])[0, 1] > 0.97


@for_browsers
def test_saved_networks_can_be_asked_and_one_that_is_damaged_is_told_of(visit):
    page = visit()
    draw(page, SEVEN)
    reads(page, 7)
    page.select_option(".choice select", label="runs/broken")
    page.wait_for_selector(".notice >> text=damaged")
    assert page.input_value(".choice select") == "" and page.is_checked(".choice input[value=lecture]")
    reads(page, 7)
    page.complaints.clear()  # the browser's own word on an answer that is an error
    for name, rows in (("runs/wide", [40, 40, 10]), ("runs/flat", [10])):
        page.select_option(".choice select", label=name)
        page.wait_for_selector(f".mind .note >> text=Saved in {name}")
        page.wait_for_function("n => document.querySelectorAll('.network .neuron').length === n", arg=sum(rows))
        page.wait_for_selector(".told >> text=Reads")
    assert "chance" in page.inner_text(".mind .note >> nth=0")
    page.reload()
    page.wait_for_selector(".mind .note >> text=Saved in runs/flat")


@for_browsers
def test_held_out_images_and_noise_can_be_asked(visit):
    page = visit()
    page.click("text=A held-out image")
    page.wait_for_selector(".told >> text=It is a")
    page.click("text=Noise")
    page.wait_for_selector(".told >> text=This is noise")
    draw(page, SEVEN)
    reads(page, 7)


@for_browsers
def test_one_watches_it_learn_and_then_draws_for_what_was_trained(visit):
    page = visit("learn")
    assert page.inner_text(".facts dd >> nth=0") == "0"
    page.click("text=One step")
    page.wait_for_function("() => document.querySelector('.facts dd').textContent === '1'")
    page.click(".controls >> text=1,000")
    page.click(".controls >> text=Start")
    page.wait_for_function("() => Number(document.querySelector('.facts dd').textContent.replace(',', '')) > 3000")
    page.click(".controls >> text=Stop")
    page.wait_for_selector(".controls >> text=Start")
    page.wait_for_timeout(500)
    step = page.inner_text(".facts dd >> nth=0")
    accuracy = float(page.inner_text(".facts dd >> nth=3").split()[0])
    assert accuracy > 75
    page.wait_for_timeout(700)
    assert page.inner_text(".facts dd >> nth=0") == step
    page.click("text=Look again")
    page.wait_for_selector(".slice .way")
    assert "of its movement lies in the plane" in page.inner_text(".slice-of")
    page.click(".views-head >> text=Draw")
    page.wait_for_selector(".pad")
    page.click(".choice >> text=yours")
    page.wait_for_selector(f".mind .note >> text=It reads {accuracy:.1f} %")
    draw(page, SEVEN)
    page.wait_for_selector(".told >> text=Reads")
    page.click(".views-head >> text=Learn")
    page.wait_for_function("step => document.querySelector('.facts dd')?.textContent === step", arg=step)
    page.click(".controls >> text=Reset")
    page.wait_for_function("() => document.querySelector('.facts dd').textContent === '0'")


@for_browsers
def test_the_gradient_flows_back_a_stage_at_a_time(visit):
    page = visit("learn")
    known = []
    for stage in range(7):
        page.fill("#stage", str(stage))
        drawn = "all => all.filter((one) => one.style.stroke !== 'none').length"
        rings = page.eval_on_selector_all(".network .ring", drawn)
        known.append((rings, page.locator(".neuron-view figure:nth-of-type(2)").is_visible()))
    assert [rings for rings, _ in known] == [0, 10, 10, 26, 26, 42, 42]
    assert known[-1][1] and not known[0][1]


@for_browsers
def test_a_convolutional_network_is_watched_while_it_learns(visit):
    page = visit("learn")
    page.click(".controls >> text=convolutional")
    page.wait_for_selector(".convolution")
    assert float(page.inner_text("output[for=rate]")) == pytest.approx(0.05)
    page.click(".controls >> text=as fast as it goes")
    page.click(".controls >> text=Start")
    page.wait_for_function("() => Number(document.querySelector('.facts dd').textContent) > 90", timeout=240_000)
    page.click(".controls >> text=Stop")
    page.wait_for_selector(".controls >> text=Start")
    page.wait_for_timeout(500)
    assert float(page.inner_text(".facts dd >> nth=3").split()[0]) > 80
    colourful = """rows => rows.map((row) => [...row.querySelectorAll("canvas:nth-of-type(2)")].some((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, i) => i % 4 === 0 && Math.abs(value - data[i + 2]) > 40);
    }))"""
    known = []
    for stage in range(7):
        page.fill("#stage", str(stage))
        known.append(page.eval_on_selector_all(".convolution .pictures", colourful))
    assert known == [[False, False]] * 3 + [[False, True]] * 2 + [[True, True]] * 2
    page.hover("#map-1-2")
    assert "Its kernel" in page.inner_text(".neuron-view") and "What they want" in page.inner_text(".neuron-view")
    assert page.locator(".looks canvas").count() == 16
    page.click("text=Look again")
    page.wait_for_selector(".slice .way", timeout=240_000)
    assert "18,378 weights and biases" in page.inner_text(".slice-of")
    page.click(".controls >> text=784")
    page.wait_for_selector(".network")
    assert float(page.inner_text("output[for=rate]")) == 3 and page.is_visible(".controls >> text=sigmoid")


FORMULAS = {  # with ′ for what comes before
    ("learn", "784"): ["∂C∂wij=aj′σ′(zi)∂C∂ai", "∂C∂bi=σ′(zi)∂C∂ai", "∂C∂aj′=∑wijσ′(zi)∂C∂ai"],
    ("learn", "convolutional"): ["∂C∂kcdij=∑y,xad,y+i,x+j′∂C∂zc,y,x", "∂C∂bc=∑y,x∂C∂zc,y,x",
                                 "∂C∂ad,y,x′=∑kcdij∂C∂zc,y−i,x−j"],
    ("draw", "the lecture's"): ["zi=∑wijaj′+bi", "ai=σ(zi)=11+e−zi"],
    ("draw", "convolutional"): ["zc,y,x=∑kcdijad,y+i,x+j′+bc", "a=max(0,z)"],
}  # fmt: skip


@for_browsers
@pytest.mark.parametrize(("view", "kind"), FORMULAS)
def test_the_formulas_are_whole_also_after_another_look(visit, view, kind):
    page = visit(view)
    for each in (kind, *[other for v, other in FORMULAS if v == view and other != kind], kind):
        page.click(f".choice >> text={each}")
        page.wait_for_selector(".convolution" if each == "convolutional" else ".network", timeout=240_000)
    page.click(".explain >> text=mathematics")
    shown = page.eval_on_selector_all(".explain math", "all => all.map((one) => one.textContent)")
    assert shown == FORMULAS[view, kind]


@for_browsers
def test_a_knob_takes_effect_while_it_runs(visit, server):
    page = visit("learn")
    asked = []
    page.on("request", lambda one: one.url.endswith("/train") and asked.append(one.post_data_json))
    page.click(".controls >> text=Start")
    page.wait_for_function("() => Number(document.querySelector('.facts dd').textContent) > 10")
    page.fill("#batch", "7")
    page.wait_for_timeout(1200)
    assert [one["batch"] for one in asked] == [10, 100]
    assert page.inner_text(".controls .main") == "Stop"
    page.click(".controls .main")


@for_browsers
def test_steps_that_are_too_large_are_told(visit):
    page = visit("learn")
    page.click(".controls >> text=cross-entropy")
    page.click(".controls >> text=ReLU")
    page.fill("#rate", "1.5")
    page.click(".controls >> text=as fast as it goes")
    page.click(".controls >> text=Start")
    page.wait_for_selector(".alarm >> text=try a learning rate")
    page.wait_for_function("() => document.querySelector('.facts dd').textContent === '0'")
    assert page.inner_text(".controls .main") == "Start"


@for_browsers
def test_a_server_that_wants_a_key_is_given_one(browser, tmp_path):
    with serving_digits("quick", tmp_path, "--api-key", "secret") as running:
        page = browser.new_page()
        page.goto(f"{running.url}/#/digits")
        page.fill(".notice input", "secret")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mind .note >> text=held-out images rightly")
        draw(page, ONE)
        reads(page, 1)
        page.close()


@for_browsers
def test_a_server_that_is_gone_is_told_of_and_can_be_tried_again(browser, tmp_path):
    page = browser.new_page()
    with serving_digits("quick", tmp_path) as running:
        page.goto(f"{running.url}/#/digits/learn")
        page.wait_for_selector(".net-place .network")
        page.click(".controls >> text=Start")
        page.wait_for_function("() => Number(document.querySelector('.facts dd').textContent) > 10")
    page.wait_for_selector(".alarm >> text=the server is closing")
    page.click(".controls >> text=Start")
    page.wait_for_selector(".notice >> text=Nobody answers")
    assert page.inner_text(".notice button") == "Try again" and page.inner_text(".controls .main") == "Start"
    page.close()


@for_browsers
@pytest.mark.parametrize("view", ["draw", "learn"])
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (768, "dark"), (1000, "light"),
                                               (1400, "dark"), (1920, "light")])  # fmt: skip
def test_it_fits_from_a_phone_to_a_wide_screen(visit, view, width, scheme):
    page = visit(view, width, 740, color_scheme=scheme)
    if view == "draw":
        draw(page, SEVEN)
        reads(page, 7)
    for depth in ("mathematics", "code"):
        page.click(f".explain >> text={depth}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select, canvas, svg[tabindex]")]
      .filter((one) => one.checkVisibility())
      .filter((one) => !(one.getAttribute("aria-label") || one.innerText || one.labels?.length))
      .map((one) => one.outerHTML)""")
    assert unnamed == []


@for_browsers
def test_a_finger_draws_too(visit):
    page = visit(width=390, has_touch=True, is_mobile=True)
    box, fingers = page.locator(".pad").bounding_box(), page.context.new_cdp_session(page)
    for kind, places in (("touchStart", SEVEN[0][:1]), ("touchMove", np.linspace(*SEVEN[0][:2], 12)),
                         ("touchMove", np.linspace(*SEVEN[0][1:], 16))):  # fmt: skip
        for x, y in places:
            finger = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [finger]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    reads(page, 7)
