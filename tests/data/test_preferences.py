"""Comparisons are read in the forms that people publish them in; what is wrong is told with its file and line."""

from __future__ import annotations

import json

import pytest

from twofold.data import conversation_files
from twofold.data.conversations import Conversation, Message, write
from twofold.data.preferences import Preference, preference, read
from twofold.errors import ConfigError, FileFormatError, SourceError

ASKED = {"role": "user", "content": "Capital of Benin?"}
GOOD, BAD = {"role": "assistant", "content": "Porto-Novo."}, {"role": "assistant", "content": "Cotonou."}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "map", "arguments": {"of": "Benin"}}}]}
RESULT = {"role": "tool", "content": "Porto-Novo"}
PAIR = Preference((Message("user", "Capital of Benin?"),), (Message("assistant", "Porto-Novo."),),
                  (Message("assistant", "Cotonou."),), "pairs")  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def made(*records):
        (tmp_path / "pairs").write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records))
        return tmp_path / "pairs"

    return made


@pytest.mark.parametrize("record", [
    {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
    {"prompt": ASKED["content"], "chosen": GOOD["content"], "rejected": BAD["content"]},
    {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
    {"prompt": ASKED["content"], "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
])  # fmt: skip
def test_every_form_says_the_same_comparison(file, record):
    assert list(read(file(record, record))) == [PAIR, PAIR]


def test_what_is_written_is_read(tmp_path):
    pair = Preference(PAIR.prompt, PAIR.chosen, PAIR.rejected, "me", {"by": "Ada"})
    assert write(tmp_path / "out", [pair, pair]) == 2
    assert list(read(tmp_path / "out")) == [pair, pair]


def test_an_answer_may_call_tools_on_its_way():
    made = preference({"chosen": [ASKED, CALL, RESULT, GOOD], "rejected": [ASKED, BAD]})
    assert [message.role for message in made.chosen] == ["assistant", "tool", "assistant"]
    assert len(made.prompt) == 1


def test_a_prompt_may_end_within_a_turn():
    made = preference({"chosen": [ASKED, CALL, RESULT, GOOD], "rejected": [ASKED, CALL, RESULT, BAD]})
    assert [message.role for message in made.prompt] == ["user", "assistant", "tool"]
    assert (made.chosen, made.rejected) == (PAIR.chosen, PAIR.rejected)


@pytest.mark.parametrize(("record", "words"), [
    ({"chosen": [ASKED, GOOD], "rejected": [ASKED, GOOD]}, "same answer"),
    ({"prompt": [ASKED], "chosen": [GOOD]}, "'prompt', 'chosen' and 'rejected'"),
    ([1], "but this is [1]"),
    ({"prompt": [GOOD], "chosen": [GOOD], "rejected": [BAD]}, "a prompt ends with the user's"),
    ({"prompt": [], "chosen": [GOOD], "rejected": [BAD]}, "a prompt ends with the user's"),
    ({"prompt": [ASKED], "chosen": [GOOD, ASKED, BAD], "rejected": [BAD]}, "one turn of the assistant's"),
    ({"prompt": [ASKED], "chosen": [CALL], "rejected": [BAD]}, "ends with one that calls nothing"),
    ({"prompt": [ASKED], "chosen": [CALL, GOOD], "rejected": [BAD]}, "chosen: roles out of order"),
    ({"prompt": [ASKED], "chosen": [GOOD], "rejected": ["no"]}, "'rejected' is a list of objects"),
    ({"prompt": [ASKED], "chosen": [GOOD], "rejected": " "}, "rejected: the assistant's message is empty"),
    ({"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD], "labels": [1]}, "labels are an object"),
    ({"prompt": [{"role": "king", "content": "Hm"}], "chosen": [GOOD], "rejected": [BAD]}, "'king' is no role"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(file, record, words):
    sound = {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]}
    with pytest.raises(FileFormatError) as error:
        list(read(file(sound, record)))
    assert words in str(error.value) and "pairs, line 2: " in str(error.value)
    problems = []
    assert list(read(file(sound, record, sound), problems.append)) == [PAIR, PAIR]
    assert len(problems) == 1 and "line 2" in str(problems[0])


def test_a_line_that_is_not_json_is_told(file):
    with pytest.raises(FileFormatError, match="line 1: this is not JSON"):
        list(read(file('{"prompt": ')))


def test_each_reader_takes_its_own_from_a_file_of_labels(file):
    both = file({"messages": [ASKED, GOOD]}, {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
                {"prompt": [ASKED], "answers": [[GOOD], [BAD]]})  # fmt: skip
    assert list(read(both)) == [PAIR]
    assert list(conversation_files.read(both)) == [Conversation((*PAIR.prompt, *PAIR.chosen), "pairs")]


def test_a_file_without_what_is_looked_for_says_which_command_takes_it(file):
    with pytest.raises(SourceError, match="twofold finetune"):
        list(read(file({"messages": [ASKED, GOOD]})))
    with pytest.raises(SourceError, match="twofold prefer"):
        list(conversation_files.read(file({"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]})))
    with pytest.raises(SourceError, match="empty"):
        list(read(file("")))


def test_a_comparison_in_memory_is_checked_as_one_in_a_file():
    with pytest.raises(ConfigError, match="same answer"):
        Preference(PAIR.prompt, PAIR.chosen, PAIR.chosen)
