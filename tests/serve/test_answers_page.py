"""The chat page in a headless Chromium: calls of tools as they are seen, and what a reader says of answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twofold.data import conversation_files, preferences

from .stand_in import MODEL, PAGES
from .test_page import ask, browser, ended, pytestmark, server, texts, visit  # noqa: F401

STEP = {"name": "calculator", "arguments": {"expression": "12 * 34"}, "result": "408", "failed": False, "seconds": 0.0}
TAUGHT = {**MODEL, "tools": ["calculator"]}
PIECES = ("answers", 14_000), ("label", 30_000)


@pytest.mark.parametrize(("folder", "most"), PIECES)
def test_what_is_loaded_when_it_is_used_is_small_and_asks_nobody_else(folder, most):
    files = list((PAGES / folder).iterdir())
    assert 0 < sum(path.stat().st_size for path in files) < most
    for path in files:
        text = path.read_text("utf-8")
        assert "http://" not in text and "https://" not in text, path
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "<style"):
            assert word not in text, (path, word)


@pytest.fixture
def taught(server):  # noqa: F811
    server.models = [TAUGHT]
    return server


def bodies(server, path="/v1/chat/completions"):  # noqa: F811
    return [body for where, body in server.asked if where == path]


# What a model is asked with --------------------------------------------------------------------------------------


def test_a_model_that_should_not_guess_is_asked_for_the_likeliest_unless_a_reader_wishes_otherwise(server, visit):  # noqa: F811
    server.models = [{**TAUGHT, "temperature": 0}]
    page = visit(server)
    ask(page, "Hello")
    assert bodies(server)[0]["temperature"] == 0
    page.get_by_role("slider", name="Temperature").fill("0.5")
    ask(page, "And now?")
    page.click("text=New")
    ask(page, "And then?")
    assert [body["temperature"] for body in bodies(server)[1:]] == [0.5, 0.5]


def test_the_oldest_turns_are_forgotten_where_a_reader_allows_it(server, visit):  # noqa: F811
    page = visit(server)
    ask(page, "Hello")
    page.click("summary >> text=Setup")
    page.get_by_label("It may forget the oldest turns").check()
    ask(page, "And now?")
    assert [body.get("overflow") for body in bodies(server)] == [None, "slide"]


# Calls -----------------------------------------------------------------------------------------------------------


def test_a_call_is_seen_with_its_result_and_belongs_to_the_conversation(taught, visit, tmp_path):  # noqa: F811
    page = visit(taught)
    ask(page, "What is 12 * 34?", [("Let me see.", STEP, "It is 408."), "Yes."], taught)
    assert bodies(taught)[0]["tools"] == [{"type": "calculator"}]
    page.wait_for_selector(".calls .call")
    said = page.inner_text(".turn.assistant .calls")
    assert "Let me see." in said and "calculator(12 * 34)" in said and "408" in said
    assert texts(page) == ["What is 12 * 34?", "It is 408."]
    page.click(".turn.assistant .written")  # tokens are those of what is said after the call
    assert page.inner_text(".panel .where b") in ("It", " is", " 408", ".")
    ask(page, "Sure?")
    call, result = bodies(taught)[1]["messages"][1:3]
    assert (call["content"], result["content"]) == ("Let me see.", "408")
    assert call["tool_calls"][0]["function"] == {"name": "calculator", "arguments": '{"expression":"12 * 34"}'}
    assert call["tool_calls"][0]["id"] == result["tool_call_id"]
    with page.expect_download() as file:
        page.click(".talks .current >> text=Export")
    kept = json.loads(Path(file.value.path()).read_text("utf-8"))
    assert [one["role"] for one in kept["conversations"][0]["turns"][1]["calls"]] == ["assistant", "tool"]
    with page.expect_file_chooser() as chooser:
        page.click("text=Import")
    chooser.value.set_files(file.value.path())
    page.wait_for_selector(".talks li:nth-child(2)")
    page.wait_for_selector(".turn.assistant .calls .call")
    page.reload()
    page.wait_for_selector(".turn.assistant .calls .call")


def test_a_call_that_failed_says_so(taught, visit):  # noqa: F811
    page = visit(taught)
    failed = {**STEP, "result": "error: division by zero", "failed": True}
    ask(page, "What is 1/0?", [("", failed, "I cannot.")], taught)
    page.wait_for_selector(".calls samp.alarm >> text=division by zero")
    assert page.locator(".calls script, .calls img").count() == 0


def test_a_model_that_was_not_taught_is_offered_nothing_unless_one_says_so(server, visit):  # noqa: F811
    page = visit(server)
    page.click(".setup summary")
    box = page.locator("text=It may call a calculator >> input")
    assert not box.is_checked()
    box.check()
    ask(page, "Hi")
    assert bodies(server)[0]["tools"] == [{"type": "calculator"}]
    page.click("text=New")
    ask(page, "Hi")
    assert "tools" not in bodies(server)[1]


def test_another_token_keeps_the_calls_before_it(taught, visit):  # noqa: F811
    page = visit(taught)
    ask(page, "Sum?", [("", STEP, "It is 408.")], taught)
    page.click(".turn.assistant .written")
    page.click(".panel .token >> text=one")
    ended(page)
    last = bodies(taught)[-1]
    assert [one["role"] for one in last["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert last["continue_final_message"]


# What is said of answers -----------------------------------------------------------------------------------------


def label(page, words):
    page.click(f".turn.assistant:last-child .foot >> text={words}")


def test_an_answer_is_flagged_kept_by_the_server_and_taken_back(server, visit):  # noqa: F811
    server.labels = True
    page = visit(server)
    ask(page, "Capital of Benin?", ["Cotonou."], server)
    label(page, "Bad")
    page.wait_for_selector('.foot [aria-pressed="true"] >> text=Bad')
    page.wait_for_selector("#said >> text=Flagged", state="attached")
    (flag,) = bodies(server, "/label/flag")
    assert flag == {"by": "Ada", "verdict": "bad", "prompt": [{"role": "user", "content": "Capital of Benin?"}],
                    "answer": [{"role": "assistant", "content": "Cotonou."}], "model": "stand-in"}  # fmt: skip
    page.wait_for_timeout(300)
    label(page, "Good")
    page.wait_for_selector('.foot [aria-pressed="true"] >> text=Good')
    page.wait_for_timeout(300)
    assert bodies(server, "/label/back")[0]["entry"].startswith("entry")
    assert [one["verdict"] for one in bodies(server, "/label/flag")] == ["bad", "good"]
    label(page, "Good")
    page.wait_for_selector('.foot [aria-pressed="false"] >> text=Good')
    page.reload()
    page.wait_for_selector(".foot >> text=Good")
    assert page.locator('.foot [aria-pressed="true"]').count() == 0


def test_a_correction_stands_beside_the_answer_and_is_gone_on_from(server, visit):  # noqa: F811
    server.labels = True
    page = visit(server)
    ask(page, "Capital of Benin?", ["Cotonou."], server)
    label(page, "Correct")
    page.fill(".turn.assistant textarea", "Porto-Novo.")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=Your correction")
    assert texts(page) == ["Capital of Benin?", "Porto-Novo."]
    page.wait_for_selector(".siblings >> text=2/2")
    page.wait_for_timeout(300)
    (flag,) = bodies(server, "/label/flag")
    assert (flag["verdict"], flag["text"], flag["answer"][0]["content"]) == ("corrected", "Porto-Novo.", "Cotonou.")
    ask(page, "Sure?")
    assert [one["content"] for one in bodies(server)[-1]["messages"]] == ["Capital of Benin?", "Porto-Novo.", "Sure?"]


def test_nothing_goes_to_a_server_that_keeps_no_labels_and_all_can_be_exported(server, visit, tmp_path):  # noqa: F811
    page = visit(server)
    page.click("text=Export labels")
    page.wait_for_selector(".notice >> text=No answer is flagged")
    ask(page, "Capital of Benin?", ["Cotonou."], server)
    label(page, "Correct")
    page.fill(".turn.assistant textarea", "Porto-Novo.")
    page.click("text=Keep the correction")
    page.wait_for_selector("text=Your correction")
    ask(page, "And of Togo?", ["Lomé."], server)
    label(page, "Good")
    page.wait_for_selector('.foot [aria-pressed="true"] >> text=Good')
    page.wait_for_timeout(300)
    with page.expect_download() as file:
        page.click("text=Export labels")
    assert [path for path, _ in server.asked if path.startswith("/label")] == []
    out = tmp_path / "labels.jsonl"
    out.write_bytes(Path(file.value.path()).read_bytes())
    (pair,) = preferences.read(out)
    assert (pair.chosen[0].content, pair.rejected[0].content) == ("Porto-Novo.", "Cotonou.")
    said = [[message.content for message in one.messages] for one in conversation_files.read(out)]
    assert said == [["Capital of Benin?", "Porto-Novo."], ["Capital of Benin?", "Porto-Novo.", "And of Togo?", "Lomé."]]


def test_a_flag_that_the_server_does_not_take_stays_in_the_browser_and_says_so(server, visit):  # noqa: F811
    server.labels = True
    page = visit(server)
    ask(page, "Hi", ["Hello."], server)
    server.refusals = [(500, "the disk is full", {})]
    label(page, "Good")
    page.wait_for_selector(".notice >> text=the disk is full")
    assert page.locator('.foot [aria-pressed="true"]').count() == 1
