"""Labelling over HTTP: whose turn is which prompt, what is kept of what is said, and what a model is asked for it."""

from __future__ import annotations

import json

import pytest

from twofold.data import preferences
from twofold.data.conversations import Message
from twofold.data.labels import LabelFile
from twofold.data.prompts import Prompt
from twofold.serve.desk import Desk, _turned

from .conftest import serving
from .label_server import PAIRS, labelling, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    return write(tmp_path_factory.mktemp("prompts") / "prompts.jsonl", PAIRS)


@pytest.fixture
def client(tmp_path, prompts):
    arguments = ["--prompts", str(prompts), "--out", str(tmp_path / "l.jsonl"), "--as", "Ada"]
    with labelling(tmp_path, *arguments) as running, running.client() as http:
        yield http


def post(http, path, **body):
    answer = http.post(f"/label/{path}", json={"by": "Ada", **body})
    return answer.json()


def kept(tmp_path):
    return [json.loads(line) for line in (tmp_path / "l.jsonl").open()]


def test_a_labeller_goes_through_all_prompts_and_what_is_said_is_in_the_file(client, tmp_path):
    about = client.get("/label/about").json()
    assert (about["by"], about["prompts"], about["model"]) == ("Ada", 3, None)
    first = post(client, "next")
    assert (first["done"], first["of"], first["sheet"]["number"]) == (0, 3, 0)
    ahead = post(client, "next", after=first["sheet"]["task"])
    post(client, "give", task=first["sheet"]["task"], verdict="second", seconds=2.34)
    (record,) = kept(tmp_path)
    assert record["chosen"] == first["sheet"]["answers"][1] and record["rejected"] == first["sheet"]["answers"][0]
    assert record["labels"]["seconds"] == 2.3 and record["labels"]["by"] == "Ada"
    second = post(client, "next")
    assert second["sheet"] == ahead["sheet"] and second["done"] == 1
    post(client, "give", task=second["sheet"]["task"], verdict="corrected", answer=1, text="4")
    assert kept(tmp_path)[1]["rejected"] == second["sheet"]["answers"][1]
    third = post(client, "next")["sheet"]
    assert third["answers"] == []
    post(client, "give", task=third["task"], verdict="written", text="A model.")
    assert post(client, "next") == {"sheet": None, "done": 3, "of": 3}
    assert post(client, "counts") == {"second": 1, "corrected": 1, "written": 1}


def test_another_labeller_begins_at_the_beginning(client):
    task = post(client, "next")["sheet"]["task"]
    post(client, "give", task=task, verdict="both bad")
    assert client.post("/label/next", json={"by": "Ben"}).json()["sheet"]["task"] == task


def test_the_last_is_taken_back_and_comes_again(client, tmp_path):
    task = post(client, "next")["sheet"]["task"]
    post(client, "give", task=task, verdict="first")
    post(client, "give", task=post(client, "next")["sheet"]["task"], verdict="skipped")
    assert post(client, "back")["task"] != task and post(client, "back")["task"] == task
    assert kept(tmp_path) == [] and post(client, "next")["sheet"]["task"] == task
    assert post(client, "back") == {"task": None}


@pytest.mark.parametrize(("path", "body", "status", "words"), [
    ("give", {"task": "0" * 16, "verdict": "first"}, 404, "no prompt"),
    ("give", {"verdict": "first"}, 400, "task"),
    ("give", {"verdict": "splendid", "task": "0" * 16}, 400, "verdict"),
    ("next", {"by": ""}, 400, "by"),
    ("next", {"by": "x" * 65}, 400, "by"),
])  # fmt: skip
def test_what_cannot_be_is_refused(client, path, body, status, words):
    answer = client.post(f"/label/{path}", json={"by": "Ada", **body})
    assert answer.status_code == status and words in answer.json()["error"]["message"]


def test_a_prompt_is_labelled_once(client, tmp_path):
    task = post(client, "next")["sheet"]["task"]
    post(client, "give", task=task, verdict="first")
    again = client.post("/label/give", json={"by": "Ada", "task": task, "verdict": "second"})
    assert again.status_code == 409 and len(kept(tmp_path)) == 1
    for body in ({"verdict": "written"}, {"verdict": "good"}, {"verdict": "corrected", "answer": 0, "text": " "}):
        other = post(client, "next")["sheet"]["task"]
        assert client.post("/label/give", json={"by": "Ada", "task": other, **body}).status_code == 400
    assert len(kept(tmp_path)) == 1


def test_a_restart_goes_on_where_it_was(tmp_path, prompts):
    arguments = ["--prompts", str(prompts), "--out", str(tmp_path / "l.jsonl"), "--as", "Ada"]
    with labelling(tmp_path, *arguments) as running, running.client() as http:
        task = post(http, "next")["sheet"]["task"]
        post(http, "give", task=task, verdict="first")
        running.process.kill()
    with labelling(tmp_path, *arguments) as running, running.client() as http:
        assert post(http, "next")["done"] == 1
        assert post(http, "back")["task"] == task


def test_two_answers_of_a_model_are_the_same_for_everybody(tmp_path, models):
    prompts = write(tmp_path / "p.jsonl", [{"prompt": "Hi"}, {"prompt": "word " * 3000}])
    seen = []
    for i in range(2):
        arguments = ["--prompts", str(prompts), "--out", str(tmp_path / f"{i}.jsonl"), "--tokens", "8"]
        with labelling(tmp_path, str(models / "tiny"), *arguments) as running, running.client() as http:
            names = [one["name"] for one in http.get("/pages/manifest.json").json()]
            assert names == ["label", "chat", "inside", "digits"]
            sheet = post(http, "next")["sheet"]
            seen.append(sheet["answers"])
            assert len(sheet["answers"]) == 2 and sheet["answers"][0] != sheet["answers"][1]
            assert len(sheet["cut"]) == 2 and any(sheet["cut"])  # a model of random numbers rarely ends within 8 tokens
            long = post(http, "next", after=sheet["task"])["sheet"]
            assert long["answers"] == [] and "context" in long["trouble"]
            post(http, "give", task=sheet["task"], verdict="first")
            assert next(preferences.read(tmp_path / f"{i}.jsonl")).labels["model"] == "tiny"
    assert seen[0] == seen[1]


def test_labels_need_the_key_where_there_is_one(tmp_path, prompts):
    arguments = ["--prompts", str(prompts), "--out", str(tmp_path / "l.jsonl")]
    with labelling(tmp_path, *arguments, TWOFOLD_API_KEY="k") as running, running.client() as http:
        assert http.get("/label/about").status_code == 401
        assert http.get("/label/about", headers={"Authorization": "Bearer k"}).status_code == 200


def test_a_server_without_a_file_keeps_no_labels(http):
    answer = http.get("/label/about")
    assert answer.status_code == 404 and "--labels" in answer.json()["error"]["message"]
    assert [one["name"] for one in http.get("/pages/manifest.json").json()] == ["chat", "inside", "digits"]


def test_which_answer_stands_first_is_drawn_evenly_and_for_good(tmp_path):
    prompts = [Prompt((Message("user", f"question {i}"),)) for i in range(400)]
    turned = [_turned(by, prompt) for by in ("Ada", "Ben") for prompt in prompts]
    assert 340 < sum(turned) < 460 and turned[:400] != turned[400:]
    desk = Desk(LabelFile(tmp_path / "l.jsonl"), prompts)
    assert desk.next("Ada") == 0 and desk.next("Ada", prompts[5].id) == 6


# Flags from the chat ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept_chat(models, tmp_path_factory):
    out = tmp_path_factory.mktemp("chat") / "l.jsonl"
    with serving(models, "--labels", str(out), "--as", "Ada") as running, running.client() as http:
        yield http, out


ASKED = [{"role": "user", "content": "2*3?"}]
FUNCTION = {"name": "calculator", "arguments": '{"expression": "2*3"}'}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}]}
ANSWER = [CALL, {"role": "tool", "tool_call_id": "c", "content": "6"}, {"role": "assistant", "content": "Seven."}]


def test_an_answer_that_is_flagged_in_the_chat_is_kept_and_taken_back(kept_chat):
    http, out = kept_chat
    assert http.get("/label/about").json()["by"] == "Ada"
    assert http.get("/pages/manifest.json").json()[0] == {**http.get("/pages/manifest.json").json()[0], "labels": True}
    entry = post(http, "flag", verdict="corrected", prompt=ASKED, answer=ANSWER, text="Six.", model="tiny")["entry"]
    (pair,) = preferences.read(out)
    assert [message.role for message in pair.rejected] == ["assistant", "tool", "assistant"]
    assert pair.rejected[0].tool_calls[0].arguments == {"expression": "2*3"} and pair.chosen[-1].content == "Six."
    assert pair.chosen[:-1] == pair.rejected[:-1]
    assert post(http, "back", entry=entry) == {"task": None} and out.read_text() == ""


def test_an_answer_that_is_none_is_refused(kept_chat):
    http, out = kept_chat
    for body in ({"answer": ASKED}, {"answer": [CALL]}, {"prompt": ANSWER}, {"verdict": "first"}):
        whole = {"by": "Ada", "verdict": "good", "prompt": ASKED, "answer": ANSWER, **body}
        assert http.post("/label/flag", json=whole).status_code == 400, body
    assert out.read_text() == ""
