"""The chat page in a headless Chromium, against a stand-in that says what a test wants it to say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from twofold.run import run as run_file
from twofold.run.run import distribution

from .stand_in import MODEL, PAGES, stand_in

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]
PATIENCE = 30_000  # ms: a busy machine is no failure
HOSTILE = (
    '<img src="http://example.invalid/x.png" onerror="document.title=1"> <script>document.title = 1</script>\n\n'
    "[a](javascript:document.title=1) ![b](http://example.invalid/b.png) **bold** `code`\n\n"
    "```html\n<b>no</b>\n```\n"
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as engine:
        alone = ["--no-sandbox", "--disable-background-networking"]
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=alone)
        yield browser
        browser.close()


@pytest.fixture
def server():
    with stand_in() as server:
        yield server


@pytest.fixture
def visit(browser):
    """Open the page of a server; a complaint of the browser, or a request to anyone else, fails the test."""
    contexts, complaints = [], []

    def visit(server, width=1400, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: one.url.startswith((server.url, "blob:")) or complaints.append(one.url))
        page.goto(server.url)
        page.wait_for_selector(".opening h1")
        page.complaints = complaints
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [one for one in complaints if "Failed to load resource" not in one and "net::ERR" not in one] == []


def ask(page, text, answers=None, server=None):
    if answers:
        server.answers = answers
    page.fill("#say", text)
    page.click(".composer .main")
    ended(page)


def ended(page):
    page.wait_for_selector(".turn.assistant:last-child .foot >> text=Retry")


def texts(page):
    return page.eval_on_selector_all(".turn .written, .turn .asked", "all => all.map((one) => one.innerText)")


# The files -------------------------------------------------------------------------------------------------------


def test_the_pages_are_small_and_ask_nobody_else():
    files = [path for path in PAGES.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 100_000
    for path in files:
        text = path.read_text("utf-8")
        outside = re.sub(r"http://www\.w3\.org/\S+|\^https\?:|https\?:", "", text)
        assert "http://" not in outside and "https://" not in outside, path
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "<style"):
            assert word not in text, (path, word)


def variables(css):
    """The colours of :root, light and dark."""
    schemes = css.split("@media (prefers-color-scheme: dark)")[:2]
    return [dict(re.findall(r"--([\w-]+): ([^;]+);", scheme)) for scheme in schemes]


def test_a_colour_is_the_same_here_and_in_the_reports():
    pages = variables((PAGES / "tokens.css").read_text())
    report = variables((PAGES.parents[1] / "make" / "page" / "page.css").read_text().split("*, ::before")[0])
    for here, there in zip(pages, report, strict=True):
        shared = here.keys() & there.keys()
        assert {"paper", "ink", "quiet", "line", "faint", "accent"} <= shared
        assert {name: here[name] for name in shared} == {name: there[name] for name in shared}


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    c = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.dot([0.2126, 0.7152, 0.0722], np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4))


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_on_what_is_behind_them(dark):
    light, dim = variables((PAGES / "tokens.css").read_text())
    colours = {**light, **dim} if dark else light
    pairs = [("ink", "paper"), ("quiet", "paper"), ("accent", "paper"), ("alarm", "paper"), ("quiet", "faint"),
             ("ink", "faint"), ("accent", "faint")]  # fmt: skip
    pairs += [("ink", f"chance-{i}") for i in range(2, 6)]
    for front, back in pairs:
        high, low = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


def test_the_code_that_explains_the_settings_is_run_pys():
    source = Path(run_file.__file__).read_text("utf-8")
    shown = re.findall(r'^  "(.*)",$', (PAGES / "panel.js").read_text("utf-8").split("SOURCE = [")[1], re.MULTILINE)
    assert len(shown) == 5
    assert all(f"    {line}\n" in source for line in shown)


# What is computed in the page ------------------------------------------------------------------------------------


def call(page, module, expression, argument):
    """What an expression over a module `m` and an argument `x` is worth."""
    return page.evaluate(f"async x => {{ const m = await import('/pages/{module}'); return {expression}; }}", argument)


def test_the_chances_that_are_drawn_by_are_run_pys(server, visit):
    page, random = visit(server), np.random.default_rng(0)
    for _ in range(200):
        logits = random.normal(0, random.choice([0.5, 2, 5]), 64)
        settings = {
            "temperature": float(random.choice([0, 0.3, 1, 1.7])),
            "top_k": int(random.choice([0, 1, 5, 40])),
            "top_p": float(random.choice([0.3, 0.9, 1])),
            "min_p": float(random.choice([0, 0.05, 0.3])),
        }
        ids, chances = distribution(logits, **settings)
        p = np.exp(logits - logits.max())
        p = np.sort(p / p.sum())[::-1]
        n = int(random.choice([20, 64]))  # what the server tells of the 64
        told = {"chances": p[:n].tolist(), "settings": settings}
        got = call(page, "sampling.js", "m.drawn(x.chances, x.settings, 64)", told)
        low, high = (np.array([one[end] for one in got["tokens"]]) for end in ("low", "high"))
        want = np.zeros(n)
        want[: min(n, len(ids))] = chances[:n]
        assert np.all(low <= want + 1e-9) and np.all(want <= high + 1e-9), (settings, n)
        others = chances[n:].sum()
        assert got["others"]["low"] <= others + 1e-9 and others <= got["others"]["high"] + 1e-9, (settings, n)
        if n == 64 or 0 < settings["top_k"] <= n or not settings["temperature"]:
            assert np.allclose(low, high)


MARKS = ["*", "**", "_", "`", "```", "\n", "\n\n", "- ", "1. ", "> ", "# ", "|", "|--|\n", "[a](b)", "~~", "\\", "  ",
         "é", "🙂", "word ", "<b>"]  # fmt: skip
LONG = ["*" * 5000, "> " * 3000, "[" * 5000, "`" * 4999 + "a", "*a " * 3000, "- " * 2000 + "x"]


def test_every_word_that_is_rendered_is_the_sources_and_knows_its_place(server, visit):
    page, random = visit(server), np.random.default_rng(1)
    sources = ["".join(random.choice(MARKS, random.integers(1, 30))) for _ in range(400)] + [HOSTILE, *LONG]
    wrong = page.evaluate("""async (sources) => {
      const { blocks, places } = await import('/pages/markdown.js');
      const wrong = [];
      for (const source of sources) {
        const box = document.createElement("div");
        box.append(...blocks(source).map((block) => block.build()));
        const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
        let last = 0;
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          if (node.parentElement.closest("figcaption")) continue;
          const at = places.get(node), said = node.data.replace(/\\n$/, "");
          const fits = at >= last && source.slice(at, at + said.length) === said;
          if (!fits) wrong.push([source, node.data, at]);
          last = at;
        }
        const names = [...box.querySelectorAll("*")].map((one) => one.localName).join(" ");
        if (/script|img|iframe|style|svg/.test(names)) wrong.push([source, names]);
        const links = [...box.querySelectorAll("a")];
        if (!links.every((link) => /^(https?|mailto):/.test(link.href))) wrong.push([source, "a link"]);
      }
      return wrong;
    }""", sources)  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("**a** *b* `c` ~~d~~", "<p><strong>a</strong> <em>b</em> <code>c</code> <s>d</s></p>"),
        ("***e*** **f *g***", "<p><em><strong>e</strong></em> <strong>f <em>g</em></strong></p>"),
        ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
        ("# T\n\n- a\n  - b\n- c", "<h3>T</h3><ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("3. x\n4. y", '<ol start="3"><li>x</li><li>y</li></ol>'),
        ("> q\nstill\n\nafter", "<blockquote><p>q\nstill</p></blockquote><p>after</p>"),
        ("a\\*b\\* <i>", "<p>a*b* &lt;i&gt;</p>"),
        ("x  \ny", "<p>x<br>y</p>"),
        ("---", "<hr>"),
    ],
)
def test_markdown_means_what_it_does_elsewhere(server, visit, source, html):
    got = call(visit(server), "markdown.js", "m.blocks(x).map((block) => block.build().outerHTML).join('')", source)
    assert re.sub(r"(  )?<br>", "<br>", re.sub(r"(?<=<li>)<p>(.*?)</p>", r"\1", got)) == html


def test_tokens_that_are_parts_of_characters_stand_for_the_whole(server, visit):
    euro = [{"text": "?", "bytes": [0xE2, 0x82]}, {"text": "?", "bytes": [0xAC]}]
    tokens = [{"text": "a"}, *euro, {"text": "🙂b"}, {"text": "<|im_end|>"}]
    assert call(visit(server), "tokens.js", "m.spansOf('a€🙂b', x)", tokens) == [[0, 1], [1, 2], [1, 2], [2, 5], [5, 5]]


# A conversation --------------------------------------------------------------------------------------------------


def test_an_answer_is_rendered_and_nothing_in_it_can_act(server, visit):
    page = visit(server)
    ask(page, "<b>Hi</b>", [HOSTILE], server)
    assert page.inner_text(".turn.user .asked") == "<b>Hi</b>"
    assert page.inner_text(".markdown strong") == "bold" and page.inner_text("figure.code code").strip() == "<b>no</b>"
    assert page.query_selector(".markdown img, .markdown script, .markdown a[href^=javascript]") is None
    assert page.title() == "Chat · twofold"
    path, body = server.asked[-1]
    assert path == "/v1/chat/completions" and body["messages"] == [{"role": "user", "content": "<b>Hi</b>"}]
    assert body["logprobs"] is True and body["top_logprobs"] == 20 and body["stream"] is True


def test_the_conversation_and_the_system_prompt_are_sent_along(server, visit):
    page = visit(server)
    page.click(".setup summary")
    page.fill("#system", "Be brief.")
    ask(page, "one", ["1", "2"], server)
    ask(page, "two")
    assert [one["content"] for one in server.asked[-1][1]["messages"]] == ["Be brief.", "one", "1", "two"]
    assert "read 10 of 40" in page.inner_text(".turn:last-child .foot")
    assert page.inner_text(".composer .under").endswith("41 of 2,048 tokens of context")


def test_stop_keeps_what_came_and_go_on_goes_on_from_it(server, visit):
    server.pause, server.answers = 0.1, ["one two three four five six seven eight nine ten " * 20, " and the end"]
    page = visit(server)
    page.fill("#say", "Count")
    page.press("#say", "Enter")
    page.wait_for_function("() => document.querySelector('.assistant .written')?.innerText.includes('three')")
    page.keyboard.press("Escape")
    ended(page)
    begun = texts(page)[1]
    assert begun.startswith("one two three") and "stopped" in page.inner_text(".assistant .foot")
    server.pause = 0
    page.click("text=Go on")
    ended(page)
    body = server.asked[-1][1]
    assert body["continue_final_message"] is True
    assert body["messages"][-1]["role"] == "assistant" and body["messages"][-1]["content"].startswith(begun.rstrip())
    assert texts(page)[1].endswith("and the end")


def test_retry_and_edit_grow_branches_between_which_one_can_move(server, visit):
    page = visit(server)
    ask(page, "q", ["first", "second", "third"], server)
    page.click("text=Retry")
    ended(page)
    assert texts(page) == ["q", "second"] and "2/2" in page.inner_text(".assistant .foot")
    page.click("[aria-label='The answer before']")
    assert texts(page) == ["q", "first"]
    page.click("text=Edit")
    page.keyboard.press("Control+A")
    page.keyboard.type("other")
    page.keyboard.press("Enter")
    ended(page)
    assert texts(page) == ["other", "third"]
    page.click("[aria-label='The question before']")
    assert texts(page) == ["q", "first"]  # each version remembers its own branch
    seeds = [body["seed"] for _, body in server.asked]
    assert len(set(seeds)) == 3


def test_a_click_on_a_token_shows_what_else_there_was_and_one_goes_on_from_it(server, visit):
    page = visit(server)
    ask(page, "Where?", ["In **Paris** today", " it is"], server)
    page.click(".markdown strong")
    assert page.inner_text(".panel .where b") == "Paris"
    assert "40.0 %" in page.inner_text(".panel tr.chosen")
    assert page.evaluate("[...CSS.highlights.get('token')].map(String).length") == 1
    page.click(".panel .token:has-text('·two')")
    ended(page)
    messages = server.asked[-1][1]["messages"]
    assert messages[-1] == {"role": "assistant", "content": "In ** two"}
    assert "2/2" in page.inner_text(".assistant .foot")
    assert page.inner_text(".written").endswith("two it is")


def test_the_keyboard_alone_reaches_every_token(server, visit):
    page = visit(server)
    ask(page, "Where?", ["In Paris today"], server)
    page.focus(".assistant .foot >> text=Tokens")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.type") == "range"
    page.keyboard.press("End")
    assert page.inner_text(".panel .where b") == "·today"
    page.keyboard.press("ArrowLeft")
    assert page.inner_text(".panel .where b") == "·Paris"
    assert "2 of 3: space, Paris" in page.get_attribute(".walk input", "aria-valuetext")


def test_a_slider_changes_the_chances_at_once(server, visit):
    page = visit(server)
    ask(page, "Where?", ["Paris"], server)
    drawn = ".panel tbody tr:first-child td:last-child"
    page.fill("#knob-min_p", "0")
    page.fill("#knob-temperature", "1")
    even = page.inner_text(drawn)
    page.fill("#knob-temperature", "0")
    assert page.inner_text(drawn) == "100 %" != even
    assert server.asked[-1][1]["temperature"] == 0.8 and len(server.asked) == 1  # nobody was asked
    ask(page, "Again?")
    assert server.asked[-1][1]["temperature"] == 0


def test_the_end_of_an_answer_can_be_chosen_and_a_part_of_a_character_cannot(server, visit):
    page = visit(server)
    ask(page, "Where?", ["In Paris today"], server)
    page.fill(".walk input", "2")
    page.click(".panel .token:has-text('<|im_end|>')")
    assert texts(page)[1] == "In Paris" and len(server.asked) == 1
    page.click("[aria-label='The answer before']")
    page.click(".panel .token:has-text('e2 82')")
    assert "part of a character" in page.inner_text(".notice") and len(server.asked) == 1


def test_the_first_token_of_an_answer_is_shown_before_it_is_asked_for(server, visit):
    page = visit(server)
    server.answers = ["Paris is it", " indeed"]
    page.fill("#say", "Where?")
    page.click("text=Ask for its next token")
    page.wait_for_selector(".panel tbody tr")
    assert server.asked[-1][1]["max_tokens"] == 1 and page.input_value("#say") == "Where?" and texts(page) == []
    page.click(".panel .token:has-text('·one')")
    ended(page)
    assert texts(page) == ["Where?", "one indeed"] and page.input_value("#say") == ""


def test_a_model_without_a_template_goes_on_from_a_text(server, visit):
    server.models = [{**MODEL, "chat": False}]
    page = visit(server)
    ask(page, "Once upon", [" a time *there*", " was"], server)
    assert server.asked[-1][0] == "/v1/completions" and server.asked[-1][1]["prompt"] == "Once upon"
    assert texts(page) == ["Once upon", " a time *there*"]  # no Markdown here
    page.click(".composer .main")  # the empty field lets it go on
    page.wait_for_function("() => document.querySelector('.assistant .written').innerText.includes('was')")
    ended(page)
    assert server.asked[-1][1]["prompt"] == "Once upon a time *there*" and server.asked[-1][1]["overflow"] == "slide"
    assert "weak" in page.inner_text("body") or page.inner_text(".setup summary") == "Setup: plain text"


# What is kept ----------------------------------------------------------------------------------------------------


def test_a_conversation_outlives_the_page_and_is_renamed_deleted_and_taken_back(server, visit):
    page = visit(server)
    ask(page, "Where is it?", ["Here."], server)
    page.wait_for_selector(".talks .talk >> text=Where is it?")
    page.reload()
    page.wait_for_selector(".assistant .written")
    assert texts(page) == ["Where is it?", "Here."] and page.query_selector(".panel tbody tr")
    page.click(".talks >> text=Rename")
    page.wait_for_selector(".talks input:focus")
    page.keyboard.type("A place")
    page.keyboard.press("Enter")
    page.wait_for_selector(".talks .talk >> text=A place")
    page.click(".talks >> text=Delete")
    page.wait_for_selector("text=Take it back")
    assert texts(page) == []
    page.click("text=Take it back")
    page.wait_for_selector(".talks .current .talk >> text=A place")
    assert texts(page) == ["Where is it?", "Here."]


def test_what_is_exported_is_imported_with_its_branches_and_tokens(server, visit, tmp_path):
    page = visit(server)
    ask(page, "q", ["first é", "second"], server)
    page.click("text=Retry")
    ended(page)
    page.wait_for_selector(".talks .talk")
    with page.expect_download() as got:
        page.click("text=Export all")
    file = tmp_path / "talks.json"
    got.value.save_as(file)
    exported = json.loads(file.read_text("utf-8"))["conversations"][0]
    other = visit(server)
    other.set_input_files("input[type=file]", file)
    other.wait_for_selector(".talks .current .talk")
    assert texts(other) == ["q", "second"] and "2/2" in other.inner_text(".assistant .foot")
    with other.expect_download() as again:
        other.click(".talks >> text=Export")
    imported = json.loads(Path(again.value.path()).read_text("utf-8"))["conversations"][0]
    for one in (exported, imported):
        for name in ("id", "updated"):
            del one[name]
    assert imported == exported


CIRCLE = {"title": "x", "mode": "chat", "turns": [{"id": 2, "parent": 2, "role": "user", "text": ""}]}


@pytest.mark.parametrize("file", ["", {}, {"format": "twofold conversations 1", "conversations": [CIRCLE]}])
def test_a_file_that_is_no_conversation_is_refused(server, visit, tmp_path, file):
    page = visit(server)
    (tmp_path / "x.json").write_text(json.dumps(file) if file != "" else "")
    page.set_input_files("input[type=file]", tmp_path / "x.json")
    page.wait_for_selector(".notice >> text=could not be imported")
    assert page.inner_text(".talks") == "None yet."


# What goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [(503, {"Retry-After": "7"}, "busy: so many. Try again in 7 s"), (429, {}, "in a moment"), (400, {}, "so many"),
     (500, {}, "so many")],
)
def test_a_refusal_is_told_where_the_answer_would_be_and_can_be_retried(server, visit, status, headers, says):
    page = visit(server)
    server.refusals = [(status, "so many", headers)]
    ask(page, "Hi")
    assert says in page.inner_text(".problem")
    page.click("text=Go on")
    page.wait_for_function("() => document.querySelector('.assistant .written').innerText === 'Yes.'")
    assert page.query_selector(".problem") is None or page.inner_text(".assistant .foot").count("so many") == 0


def test_an_answer_that_is_cut_off_keeps_what_came(server, visit):
    page = visit(server)
    server.cut_after = 3
    ask(page, "Hi", ["one two three four five"], server)
    assert texts(page)[1] == "one two three"
    assert "ended before the answer did" in page.inner_text(".problem") or "lost" in page.inner_text(".problem")


def test_a_server_that_wants_a_key_is_given_one(server, visit):
    server.key = "secret"
    page = visit(server)
    for key, says in (("wrong", "does not know this key"), ("secret", None)):
        page.fill(".notice input", key)
        page.keyboard.press("Enter")
        if says:
            page.wait_for_selector(f".notice >> text={says}")
    page.wait_for_selector(".opening h1 >> text=stand-in")
    ask(page, "Hi")
    assert texts(page)[1] == "Yes."


def test_a_server_that_is_gone_is_waited_for(server, visit):
    page = visit(server)
    port = server.port
    server.stop()
    ask(page, "Hi")
    page.wait_for_selector(".notice >> text=Nobody answers")
    server.start(port)
    page.wait_for_selector(".notice >> text=The server is back")
    page.click("text=Go on")
    page.wait_for_function("() => document.querySelector('.assistant .written').innerText === 'Yes.'")
    assert texts(page) == ["Hi", "Yes."]


# How it fits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 768, 1000, 1400, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_from_a_phone_to_a_wide_screen(server, visit, width, scheme):
    page = visit(server, width, 740, color_scheme=scheme)
    table = "\n| a | b |\n|--|--|\n| " + "long " * 40 + " | " + "x" * 300 + " |\n"
    ask(page, "A" * 300, [HOSTILE + table + "y" * 400], server)
    if width < 960:
        page.click(".tools >> text=Token")
        assert page.is_visible(".panel tbody tr")
        page.keyboard.press("Escape")
        assert not page.is_visible(".panel tbody tr")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select, textarea")]
      .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.innerText || one.labels?.length))
      .map((one) => one.outerHTML)""")
    assert unnamed == []
    assert page.evaluate("document.querySelectorAll('main').length") == 1


def test_a_reader_of_another_depth_finds_it_again(server, visit):
    page = visit(server)
    page.click(".explain >> text=mathematics")
    page.reload()
    page.wait_for_selector(".explain math")
    assert page.is_visible(".explain math") and not page.is_visible(".explain [data-depth=plain]")


def test_a_page_that_is_not_there_is_told(server, visit):
    page = visit(server)
    page.goto(f"{server.url}#/nonsense")
    page.wait_for_selector("text=There is no such page")
