"""The page for labels in a headless Chromium: by keys alone, from the first pair to the last."""

from __future__ import annotations

import json

import pytest

from twofold.data import conversation_files, preferences

from .label_server import PAIRS, labelling, write
from .test_page import browser, pytestmark  # noqa: F401

HOSTILE = '<img src=x onerror="document.title=1"> [a](javascript:document.title=1) <script>document.title=1</script>'
CALLS = [{"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "calculator", "arguments": {"expression": "6 * 7"}}}]},
         {"role": "tool", "content": "42"}, {"role": "assistant", "content": "It is **42**."}]  # fmt: skip


@pytest.fixture
def visit(browser, tmp_path):  # noqa: F811
    """A server for `records`, and the page open at it; a complaint of the browser fails the test."""
    contexts, complaints, servers = [], [], []

    def visit(records=PAIRS, *arguments, width=1280, height=900, **options):
        prompts = write(tmp_path / "prompts.jsonl", records)
        base = ["--prompts", str(prompts), "--out", str(tmp_path / "labels.jsonl"), "--as", "Ada", *arguments]
        servers.append(labelling(tmp_path, *base))
        running = servers[-1].__enter__()
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: one.url.startswith((running.url, "data:")) or complaints.append(one.url))
        page.goto(running.url)
        page.wait_for_selector(".sheet .actions button")
        return page

    yield visit
    for context in contexts:
        context.close()
    for server in servers:
        server.__exit__(None, None, None)
    assert [one for one in complaints if "Failed to load resource" not in one] == []


def asked(page, text):
    page.wait_for_selector(f".asked-thread >> text={text}")


def kept(tmp_path):
    return [json.loads(line) for line in (tmp_path / "labels.jsonl").open()]


def test_all_is_labelled_by_keys_and_what_is_next_is_told(visit, tmp_path):
    page = visit()
    asked(page, "Capital of Benin?")
    shown = page.locator(".answer .markdown").all_inner_texts()
    page.keyboard.press("2")
    asked(page, "Two and two?")
    (first,) = kept(tmp_path)
    assert first["chosen"][0]["content"].replace("**", "") == shown[1]
    page.keyboard.press("w")
    page.keyboard.type("w is a letter here, and so is 1")
    page.keyboard.press("Escape")
    assert page.locator(".editor").is_hidden() and len(kept(tmp_path)) == 1
    page.keyboard.press("w")
    page.click("text=Begin from the second")
    assert page.locator(".editor .main").is_disabled()  # nothing is changed yet
    page.keyboard.press("End")
    page.keyboard.type(" Surely.")
    page.keyboard.press("Control+Enter")
    asked(page, "Who are you?")
    page.keyboard.type("A model.")  # there are no answers, so the field is open
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=All are labelled")
    told = page.inner_text(".finished")
    assert "twofold prefer MODEL --data labels.jsonl" in told and "twofold finetune" in told
    assert page.inner_text(".note.figures") == "3 of 3 prompts labelled"
    pairs = list(preferences.read(tmp_path / "labels.jsonl"))
    assert pairs[1].chosen[0].content == f"{pairs[1].rejected[0].content} Surely."
    assert [one.messages[-1].content for one in conversation_files.read(tmp_path / "labels.jsonl")][-1] == "A model."


def test_bad_skipped_and_taken_back(visit, tmp_path):
    page = visit()
    asked(page, "Capital of Benin?")
    page.keyboard.press("u")  # there is nothing to take back
    page.keyboard.press("b")
    asked(page, "Two and two?")
    page.keyboard.press("s")
    asked(page, "Who are you?")
    assert [one["labels"]["verdict"] for one in kept(tmp_path)] == ["both bad", "skipped"]
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    asked(page, "Two and two?")
    page.keyboard.press("u")
    asked(page, "Capital of Benin?")
    assert kept(tmp_path) == []
    page.click("text=First is better")
    asked(page, "Two and two?")
    page.reload()
    asked(page, "Two and two?")
    assert page.inner_text(".note.figures") == "1 of 3 prompts labelled"


def test_another_name_labels_all_anew(visit, tmp_path):
    page = visit()
    page.keyboard.press("1")
    asked(page, "Two and two?")
    page.fill("#by", "Ben")
    page.keyboard.press("Enter")
    asked(page, "Capital of Benin?")
    page.keyboard.press("1")
    asked(page, "Two and two?")
    assert [one["labels"]["by"] for one in kept(tmp_path)] == ["Ada", "Ben"]


def test_instructions_are_shown_and_nothing_in_an_answer_can_act(visit, tmp_path):
    (tmp_path / "how.md").write_text("# Be strict\n\nRead **twice**.")
    records = [{"prompt": HOSTILE, "answers": [HOSTILE, CALLS]}]
    page = visit(records, "--instructions", str(tmp_path / "how.md"))
    asked(page, "onerror")
    assert "Be strict" in page.inner_text(".told") and page.locator(".told strong").inner_text() == "twice"
    assert page.locator(".sheet img, .sheet script, .sheet a[href^=javascript]").count() == 0
    assert page.title() == "Label · twofold"
    page.wait_for_selector(".answer .calls .call >> text=calculator(6 * 7)")
    assert "42" in page.inner_text(".answer .calls")


def test_a_server_that_is_gone_is_told_and_nothing_is_lost(visit, tmp_path):
    page = visit()
    page.keyboard.press("1")
    asked(page, "Two and two?")
    page.route("**/label/give", lambda route: route.abort())
    page.keyboard.press("1")
    page.wait_for_selector(".notice >> text=Nobody answers")
    page.unroute("**/label/give")
    page.click("text=Try again")
    asked(page, "Two and two?")
    page.keyboard.press("1")
    asked(page, "Who are you?")
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1600, "dark")])
def test_it_fits_and_can_be_used_by_name(visit, width, scheme):
    page = visit(width=width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("First is better", "Both are bad", "Skip"):
        assert page.get_by_role("button", name=name).count() == 1
    assert page.get_by_role("textbox", name="Labelling as").count() == 1
    assert page.get_by_role("article", name="Answer 2").count() == 1
