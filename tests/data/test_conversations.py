"""Every form of file says the same conversation; what is wrong is told with its file and line."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.data.conversation_files import conversation, read
from twofold.data.conversations import Conversation, Message, ToolCall, write
from twofold.errors import ConfigError, FileFormatError, SourceError, UserError

ASKED = Conversation((Message("user", "Capital of Benin?"), Message("assistant", "Porto-Novo.")), "talk")
FORMS = {
    "openai": {"messages": [{"role": "user", "content": "Capital of Benin?"},
                            {"role": "assistant", "content": [{"type": "text", "text": "Porto-Novo."}]}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Capital of Benin?"},
                                   {"from": "gpt", "value": "Porto-Novo."}]},
    "alpaca": {"instruction": "Capital of Benin?", "input": "", "output": "Porto-Novo."},
    "pairs": {"question": "Capital of Benin?", "answer": "Porto-Novo."},
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def made(text):
        (tmp_path / "talk").write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / "talk"

    return made


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("many", [
    lambda record: json.dumps(record) + "\n\n" + json.dumps(record),
    lambda record: json.dumps([record, record], indent=1),
    lambda record: json.dumps([record, record]),
    lambda record: json.dumps(record, indent=2) + "\n" + json.dumps(record, indent=2) + "\n",
    lambda record: "\ufeff" + json.dumps(record) + "\r\n" + json.dumps(record) + "\r\n",
])  # fmt: skip
def test_every_form_on_lines_or_in_an_array_is_told_apart_by_what_it_holds(file, form, many):
    assert list(read(file(many(FORMS[form])))) == [ASKED, ASKED]


def test_a_line_with_a_tab_is_a_question_and_its_answer(file):
    assert list(read(file("Capital of Benin?\tPorto-Novo.\r\n\nCapital of Benin?\tPorto-Novo."))) == [ASKED, ASKED]


def test_a_context_of_alpaca_follows_its_instruction():
    made = conversation({"instruction": "Translate.", "input": "Hund", "output": "dog", "system": "Be brief."})
    assert [(m.role, m.content) for m in made.messages] == [
        ("system", "Be brief."), ("user", "Translate.\n\nHund"), ("assistant", "dog")]  # fmt: skip


def test_calls_of_a_tool_are_read_in_either_form():
    call = ToolCall("calculator", {"expression": "6*7"})
    expected = (Message("user", "6 by 7?"), Message("assistant", "", (call,)), Message("tool", "42"),
                Message("assistant", "42."))  # fmt: skip
    function = {"name": "calculator", "arguments": '{"expression": "6*7"}'}
    openai = {"messages": [
        {"role": "user", "content": "6 by 7?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "a", "content": "42"}, {"role": "assistant", "content": "42."}]}  # fmt: skip
    sharegpt = {"conversations": [
        {"from": "human", "value": "6 by 7?"}, {"from": "function_call", "value": json.dumps(function)},
        {"from": "observation", "value": "42"}, {"from": "gpt", "value": "42."}]}  # fmt: skip
    assert conversation(openai).messages == conversation(sharegpt).messages == expected


contents = st.text(min_size=1).filter(lambda text: text.strip())
values = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
arguments = st.dictionaries(st.text(), values | st.lists(values, max_size=2), max_size=3)
names = contents
asked = contents.map(lambda text: Message("user", text))


@st.composite
def answers(draw):
    turn = []
    for _ in range(draw(st.integers(0, 1))):
        calls = draw(st.lists(st.builds(ToolCall, names, arguments), min_size=1, max_size=2))
        turn.append(Message("assistant", draw(st.text()), tuple(calls)))
        turn += [Message("tool", draw(st.text())) for _ in calls]
    return [*turn, Message("assistant", draw(contents))]


@st.composite
def conversations(draw):
    messages = [Message("system", draw(contents))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages += [draw(asked), *draw(answers())]
    return Conversation(tuple(messages), draw(st.just("talk") | contents), draw(arguments))


@pytest.mark.slow
@given(said=st.lists(conversations(), min_size=1, max_size=3))
def test_what_is_written_is_read_again(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("written") / "talk"
    assert write(path, said) == len(said)
    assert list(read(path)) == said


@pytest.mark.slow
@given(said=conversations(), place=st.integers(0, 20), role=st.sampled_from(["system", "user", "assistant", "tool"]))
def test_a_message_too_many_is_out_of_order_or_its_role_may_come_there(said, place, role):
    """A model of the rule as a regular expression over the roles' first letters, calls in capitals."""
    messages = list(said.messages)
    messages.insert(min(place, len(messages)), Message(role, "x"))
    letters = "".join(f"A{len(m.tool_calls)}" if m.tool_calls else m.role[0] for m in messages)
    sound = re.fullmatch(r"s?(u(A1t|A2tt)*a)*(u(A1t|A2tt)*a?)?", letters)
    if sound:
        Conversation(tuple(messages))
    else:
        with pytest.raises(ConfigError, match="out of order|no assistant"):
            Conversation(tuple(messages))


USER, ANSWER = {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}
CALLING = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {}}]}
WRONG = {
    "no assistant's turn": [USER],
    "the assistant's, but at the beginning comes the system's or the user's": [ANSWER],
    "message 2 is the user's, but after the user's comes the assistant's": [USER, USER, ANSWER],
    "message 3 is the assistant's, but after the assistant's comes the user's": [USER, ANSWER, ANSWER],
    "message 2 is the system's": [USER, {"role": "system", "content": "z"}, ANSWER],
    "message 2 is the tool's": [USER, {"role": "tool", "content": "z"}, ANSWER],
    "message 3 is the user's, but after the assistant's comes a tool's result": [USER, CALLING, USER],
    "'robot' is no role; those are system, user, assistant, tool": [{"role": "robot", "content": "z"}, ANSWER],
    "None is no role": [{"content": "z"}, ANSWER],
    r"\['user'\] is no role": [{"role": ["user"], "content": "z"}, ANSWER],
    "user's message is empty": [{"role": "user", "content": " \n"}, ANSWER],
    "assistant's message is empty": [USER, {"role": "assistant", "content": ""}],
    "user's message holds None": [{"role": "user"}, ANSWER],
    "user's message holds 5": [{"role": "user", "content": 5}, ANSWER],
    "part of a content that is no text": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWER],
    "surrogate": [{"role": "user", "content": "\ud800"}, ANSWER],
    "the user calls a tool": [{**USER, "tool_calls": [{"name": "f", "arguments": {}}]}, ANSWER],
    "'tool_calls' is a list of objects": [USER, {**ANSWER, "tool_calls": "f"}],
    "a tool call needs a name": [USER, {**ANSWER, "tool_calls": [{"function": {}}]}],
    "without the tool's name": [USER, {**ANSWER, "tool_calls": [{"name": "", "arguments": {}}]}],
    "not an object": [USER, {**ANSWER, "tool_calls": [{"name": "f", "arguments": [1]}]}],
    "arguments should be JSON": [USER, {**ANSWER, "tool_calls": [{"name": "f", "arguments": "{"}]}],
    "'messages' is a list of objects": "hello",
}


@pytest.mark.parametrize(("message", "messages"), WRONG.items(), ids=list(WRONG))
def test_what_is_wrong_with_a_conversation_is_told_with_file_and_line(file, message, messages):
    path = file(json.dumps(FORMS["openai"]) + "\n" + json.dumps({"messages": messages}) + "\n")
    with pytest.raises(FileFormatError, match=rf"talk, line 2: .*{message}"):
        list(read(path))


@pytest.mark.parametrize(("message", "text"), {
    "line 1: this is not JSON": '{"messages": \n{"messages": []}',
    "line 2: this is not JSON: .*NaN": json.dumps(FORMS["alpaca"]) + '\n{"instruction": NaN}',
    "line 3: this is not JSON": '[\n{"question": "x", "answer": "y"},\n{"question"',
    "line 2: the JSON array that begins the file is never closed": '[{"question": "x", "answer": "y"}\n',
    "line 1: something follows": '[{"question": "x", "answer": "y"}]\n{}',
    "line 1: this has 'text', but none of the keys": '{"text": "a document"}',
    "line 2: a line is a question, one tab": "q\ta\nno answer here",
    "line 1: .* 2 tabs": "q\ta\tb",
    "line 1: there is no assistant|line 1: the assistant's message is empty": "q\t",
    "line 1: .*'alien' is no one who speaks": '{"conversations": [{"from": "alien", "value": "x"}]}',
    "line 1: .*no one who speaks": '{"conversations": [{"from": {}, "value": "x"}]}',
    "line 1: .*labels are an object": json.dumps({**FORMS["alpaca"], "labels": 5}),
    "line 1: this has nothing": '[ {}, 5]',
    "line 1": "{" * 100_000,
}.items())  # fmt: skip
def test_a_file_that_is_not_sound_is_told_by_line(file, message, text):
    with pytest.raises(FileFormatError, match=message):
        list(read(file(text)))


@pytest.mark.parametrize(("message", "raw"), {"empty": b" \n", "not UTF-8": b"\xff\xfe\x00q"}.items())
def test_a_file_that_holds_no_text_is_told(file, message, raw):
    with pytest.raises(SourceError, match=message):
        list(read(file(raw)))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        list(read(tmp_path / "none.jsonl"))


def test_who_minds_no_problems_gets_the_sound_ones_and_hears_of_the_others(file):
    heard = []
    path = file("\n".join(["q\ta", "broken", "q2\ta2", "\ta"]))
    assert [one.messages[0].content for one in read(path, heard.append)] == ["q", "q2"]
    assert [str(error).split(":")[0].rsplit(", ", 1)[1] for error in heard] == ["line 2", "line 4"]


@given(st.text() | st.binary())
def test_no_text_is_a_crash(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "talk"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    with contextlib.suppress(UserError):
        list(read(path))


json_values = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["messages", "role", "content", "tool_calls", "conversations", "from", "value", "instruction",
                     "input", "output", "question", "answer", "labels", "source", "function", "name", "arguments",
                     "system", "user", "human"]), inner, max_size=4), max_leaves=12)  # fmt: skip


@pytest.mark.slow
@given(json_values)
def test_no_record_is_a_crash(record):
    with contextlib.suppress(ConfigError):
        conversation(record)


def test_template_tokens_in_peoples_words_are_no_error():
    assert conversation({"question": "What is <|im_end|>?", "answer": "A marker: <|im_start|>system"})
