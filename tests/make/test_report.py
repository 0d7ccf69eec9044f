"""A run on one page: true to its files, whole in itself, deaf to hostile text, readable by everyone."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.make.report import render, write_report
from twofold.make.report_data import COLUMNS, DRAWN, read_run
from twofold.make.report_html import json_block, tag
from twofold.make.report_training import overall

from .invented_run import HOSTILE, STEPS, invent

VOID = {"meta", "link", "input", "br", "img", "hr"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Elements with their attributes, the text in each, and a complaint about every end that does not match."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.open: list[int] = []
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {[self.elements[i][0] for i in self.open]}"

    def handle_starttag(self, name, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute stands twice: {attributes}"
        self.elements.append((name, dict(attributes), []))
        if name not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, name):
        assert self.open and self.elements[self.open[-1]][0] == name, f"</{name}> ends what is not open"
        self.open.pop()

    def handle_data(self, data):
        for i in self.open:
            self.elements[i][2].append(data)

    def all(self, name, **wanted):
        return [(attributes, "".join(text)) for each, attributes, text in self.elements
                if each == name and all(attributes.get(key) == value for key, value in wanted.items())]

    @property
    def data(self):
        return json.loads(self.all("script", id="run")[0][1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return invent(tmp_path_factory.mktemp("runs") / "almanac")


@pytest.fixture(scope="module")
def page(folder):
    return Page(write_report(folder).read_text("utf-8"))


def logged(folder, event):
    lines = map(json.loads, (folder / "log.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["event"] == event]


def test_the_curves_on_the_page_are_the_log(folder, page):
    steps = logged(folder, "step")
    assert len(page.data["steps"]["step"]) == len(steps) == STEPS
    for name in COLUMNS:
        assert page.data["steps"][name] == pytest.approx([step[name] for step in steps], rel=1e-6)
    assert page.data["evaluations"] == [{key: entry[key] for key in ("step", "bits_per_byte")}
                                        for entry in logged(folder, "evaluation")]


def test_the_page_refers_to_nothing_outside(page):
    for name, attributes, _ in page.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster", "background", "formaction", "xlink:href"):
            assert attributes.get(key, "#").startswith("#") or attributes[key] == "data:,", f"{name} {key}"
    styles = "".join(text for _, text in page.all("style"))
    script = "".join(text for _, text in page.all("script", type="module"))
    assert not re.search(r"url\(|@import|@font-face", styles)
    assert not re.search(r"https?:|\bimport\b|fetch\(|XMLHttp|WebSocket|eval\(|innerHTML", script + styles)


def test_the_browser_is_told_to_load_nothing_and_to_run_this_one_script(page):
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(None, 1) for rule in policy.split(";"))
    script = page.all("script", type="module")[0][1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"


def test_every_figure_says_what_one_is_looking_at(folder):
    markup = write_report(folder).read_text("utf-8")
    figures = re.findall(r"<figure\b.*?</figure>", markup, re.DOTALL)
    assert len(figures) >= 10
    for figure in figures:
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", figure, re.DOTALL)
        assert len(captions) == 1
        assert len(re.sub(r"<.*?>", "", captions[0]).split()) >= 8
        assert "data-copy" in figure or "course" in figure


def test_every_part_has_a_name_that_a_screen_reader_finds(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [len(page.all(name)) for name in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert all(attributes["aria-labelledby"] in ids for attributes, _ in page.all("section"))
    assert all(attributes["href"].removeprefix("#") in ids for attributes, _ in page.all("a"))
    assert all("aria-label" in attributes for attributes, _ in page.all("svg", role="slider"))


def test_the_figures_of_the_run_stand_in_the_text(page):
    text = page.all("main")[0][1]
    for said in ("13.8 million parameters", "1.214", "1.187 to 1.246", "0.688", "xz -9", "13,768,320", "11,020",
                 "55.0 %", "damaged (3)", "0f" * 32, "5b" * 32, "width 384 and 6 layers"):
        assert said in text
    assert len([1 for attributes, _ in page.all("li") if "data-when" in attributes]) == 5


def test_all_sources_together_weigh_as_many_bytes_as_they_have(folder):
    assert overall(read_run(folder)) == pytest.approx((1.214 * 385_099 + 0.688 * 200_000) / 585_099)


def test_parameters_by_category_add_up_to_the_file(page):
    start = next(i for i, (_, a, _) in enumerate(page.elements) if a.get("id") == "parameters")
    end = next(i for i, (_, a, _) in enumerate(page.elements) if a.get("id") == "speed")
    inside = page.elements[start:end]
    rows = [(attributes, inside[i + 2][1]["data-value"]) for i, (name, attributes, _) in enumerate(inside)
            if name == "tr" and "data-group" in attributes]
    total = next(inside[i + 2][1]["data-value"] for i, (name, a, _) in enumerate(inside)
                 if name == "tr" and a.get("class") == "total")
    assert sum(int(value) for _, value in rows) == int(total) == 13_768_320


def test_a_strangers_text_stays_text(folder, page):
    assert [attributes.get("type") for attributes, _ in page.all("script")] == ["application/json", "module"]
    assert not page.all("img")
    assert not [key for _, attributes, _ in page.elements for key in attributes if key.startswith("on")]
    assert HOSTILE in page.all("q")[0][1]
    assert HOSTILE in page.all("details")[0][1]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")))
def test_any_text_in_a_tag_is_read_back_as_it_was(text):
    (element, attributes, inside) = Page(tag("p", text, title=text)).elements[0]
    assert (element, "".join(inside), attributes["title"]) == ("p", text, text)


@pytest.mark.slow
@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5))
def test_any_data_in_the_page_is_read_back_as_it_was(value):
    block = json_block(value)
    assert json.loads(block) == value
    assert not set("<>&") & set(block)


def test_a_sample_of_lone_surrogates_does_not_stop_the_report(tmp_path):
    folder = invent(tmp_path / "run", 3)
    with open(folder / "log.jsonl", "a") as log:
        log.write('{"event": "sample", "step": 3, "prompt": "a", "text": "\\ud800"}\n')
    Page(write_report(folder).read_text("utf-8"))


PARTS = ("recipe.toml", "results.json", "log.jsonl", "text/manifest.json", "wishes.json")


@pytest.mark.parametrize("missing", [*itertools.combinations(PARTS, 1), *itertools.combinations(PARTS, 2), PARTS])
def test_what_is_missing_is_said_to_be_missing(tmp_path, missing):
    folder = invent(tmp_path / "run", 12)
    for name in missing:
        (folder / name).unlink()
    page = Page(write_report(folder).read_text("utf-8"))
    notes = {"results.json": "not been measured", "log.jsonl": "no log", "text/manifest.json": "no account",
             "recipe.toml": "recipe of this run is not here"}
    for name in set(missing) & notes.keys():
        assert notes[name] in page.all("main")[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("junk", ["[]", "{", "null", '{"event": 3}', '{"event": "step", "step": "x"}', "\xff",
                                  '{"event": "step", "step": 1, "loss": NaN}', "[" * 100_000,
                                  '{"event": "evaluation", "step": 1, "bits_per_byte": [1]}'])
def test_damage_in_a_file_does_not_stop_the_report(tmp_path, junk):
    for name in PARTS:
        folder = invent(tmp_path / "run", 5)
        (folder / name).write_text(junk + "\n", "latin-1")
        Page(write_report(folder).read_text("utf-8"))


def test_a_log_that_was_cut_shows_the_lines_that_are_whole(tmp_path):
    folder = invent(tmp_path / "run", 20)
    log = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(log[: log.index(b'"step": 12,') + 40])
    assert Page(write_report(folder).read_text("utf-8")).data["steps"]["step"] == list(range(12))


@pytest.mark.slow
def test_a_long_log_is_thinned_says_so_and_keeps_its_time(tmp_path):
    folder = invent(tmp_path / "run", 2 * DRAWN + 2)
    page = Page(write_report(folder).read_text("utf-8"))
    whole = sum(step["elapsed"] for step in logged(folder, "step"))
    steps = page.data["steps"]
    assert len(steps["step"]) <= DRAWN
    assert sum(steps["elapsed"]) == pytest.approx(whole, rel=1e-3)
    assert f"Every {page.data['every']}th of {2 * DRAWN + 2:,} steps is drawn" in page.all("main")[0][1]


def test_a_model_that_is_no_better_than_a_compressor_is_said_to_be(tmp_path):
    folder = invent(tmp_path / "run", 5)
    results = json.loads((folder / "results.json").read_text())
    results["evaluation"]["notes"]["baselines"]["xz"] = 0.5
    (folder / "results.json").write_text(json.dumps(results))
    assert "For notes it is no better" in write_report(folder).read_text("utf-8")


def test_the_same_folder_gives_the_same_page(folder):
    assert render(read_run(folder)) == render(read_run(folder))


def test_every_explanation_has_its_three_depths(page):
    assert len(page.all("div", **{"class": "explain"})) == 7
    for depth in ("plain", "mathematics", "code"):
        assert len(page.all("div", **{"class": depth})) == 7
    assert all("def " in text for _, text in page.all("div", **{"class": "code"}))


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return sum(weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
               for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one, other):
    """WCAG 2.2, section 1.4.3."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_everything_written_stands_out_from_the_paper(scheme):
    style = (files("twofold.make") / "page" / "page.css").read_text("utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{.*?\}", style, re.DOTALL)[scheme]))
    for paper in ("paper", "faint"):
        for ink in ("ink", "quiet", "accent"):
            assert contrast(colours[ink], colours[paper]) >= 4.5, f"{ink} on {paper}"
    for mark in ("training", *(f"source-{i}" for i in range(1, 7))):
        assert contrast(colours[mark], colours["paper"]) >= 3, mark


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no browser here")
@pytest.mark.parametrize("width", [360, 800, 1400])
def test_a_browser_shows_it_without_complaint_and_asks_for_nothing(folder, width):
    playwright = pytest.importorskip("playwright.sync_api")
    path, said, asked = write_report(folder), [], []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": width, "height": 900})
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: asked.append(request.url))
        view.goto(path.as_uri())
        view.check("input[value=flops]", force=True)
        assert view.evaluate("document.documentElement.scrollWidth") == width
        view.focus("figure[data-plot=curve] svg.plot")
        view.keyboard.press("Home")
        first = logged(folder, "step")[0]
        assert f"this step {first['bits_per_byte']:.3f}" in view.inner_text("figure[data-plot=curve] .reading")
        view.focus("#far")
        view.keyboard.press("Home")
        assert view.inner_text(".course output").startswith("after step 54")
        view.check("#depth-code", force=True)
        view.reload()
        assert view.is_checked("#depth-code")
        browser.close()
    assert said == []
    assert set(asked) == {path.as_uri()}
