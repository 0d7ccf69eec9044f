"""Prompts out of files of every form, and of the built-in conversations; none that is kept for measuring."""

from __future__ import annotations

import json

import pytest

from twofold.data.almanac_chat.almanac import held_out
from twofold.data.conversations import Message
from twofold.data.prompts import Prompt, almanac, read
from twofold.errors import FileFormatError, SourceError

ASKED = Prompt((Message("user", "Why?"),))


@pytest.fixture
def file(tmp_path):
    def made(*lines):
        path = tmp_path / "prompts"
        path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines))
        return path

    return made


@pytest.mark.parametrize("record", [
    "Why?", "Why?\tBecause.", {"prompt": "Why?"}, {"prompt": [{"role": "user", "content": "Why?"}]},
    {"question": "Why?"}, {"question": "Why?", "answer": "Because."},
    {"messages": [{"role": "user", "content": "Why?"}]}, {"instruction": "Why?", "output": "Because."},
    {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]},
    {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]},
])  # fmt: skip
def test_every_form_asks_the_same_and_each_prompt_is_asked_once(file, record):
    assert read(file(record, "", record)) == [ASKED]


def test_answers_that_are_there_are_kept(file):
    (found,) = read(file({"prompt": "Why?", "answers": ["So.", [{"role": "assistant", "content": "Thus."}]]}))
    assert [answer[0].content for answer in found.answers] == ["So.", "Thus."]
    assert found.id != ASKED.id


@pytest.mark.parametrize(("record", "words"), [
    ({"prompt": [{"role": "assistant", "content": "Hm."}]}, "ends with the user's message"),
    ({"prompt": ""}, "message is empty"),
    ({"prompt": "Why?", "answers": ["a", "a"]}, "answers that differ"),
    ({"prompt": "Why?", "answers": ["a", "b", "c"]}, "there are 3"),
    ({"prompt": "Why?", "answers": "a"}, "answers are a list"),
    ({"why": 1}, "none of the keys"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(file, record, words):
    with pytest.raises(FileFormatError) as error:
        read(file({"prompt": "Sound?"}, record))
    assert words in str(error.value) and "line 2" in str(error.value)


def test_a_file_without_prompts_says_so(file):
    with pytest.raises(SourceError, match="empty"):
        read(file(""))


@pytest.mark.slow
def test_nothing_that_is_kept_for_measuring_is_asked_of_people():
    asked = almanac(300)
    assert len(asked) == 300 == len({prompt.id for prompt in asked})
    kept = {one.messages[-1].content for one in held_out(50)}
    assert not kept & {prompt.messages[-1].content for prompt in asked}
