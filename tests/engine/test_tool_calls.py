"""Tool calls are found where they are sound, in order, and everything else stays text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.tool_calls import ToolCall, tool_calls

PLAIN = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(PLAIN, lambda some: st.lists(some, max_size=3), max_leaves=5)
CALLS = st.lists(st.builds(ToolCall, st.text(min_size=1), st.dictionaries(st.text(), JSON, max_size=3)), max_size=3)
SAID = st.text(st.characters(exclude_characters="<"), max_size=20)


@pytest.mark.slow
@given(CALLS, SAID)
def test_what_was_written_is_read(calls, said):
    text = said + "".join(
        f"<tool_call>\n{json.dumps({'name': call.name, 'arguments': call.arguments})}\n</tool_call>\n" for call in calls
    )
    found_said, found = tool_calls(text)
    if any("</tool_call>" in json.dumps([call.name, call.arguments]) for call in calls):
        return
    assert found == calls
    assert found_said.strip() == said.strip()


@given(st.text())
def test_any_text_is_taken_and_without_a_sound_call_stays_as_it_is(text):
    for whole in (text, f"<tool_call>{text}</tool_call>", f"<tool_call>{text}"):
        said, calls = tool_calls(whole)
        assert calls or said == whole


def test_a_call_that_is_cut_off_before_its_end_mark_counts_if_it_is_sound():
    said, calls = tool_calls('Look: <tool_call>{"name": "f", "arguments": {"x": 1}}')
    assert (said, calls) == ("Look:", [ToolCall("f", {"x": 1})])
    assert tool_calls('<tool_call>{"name": "f", "argum')[1] == []


def test_what_is_not_a_call_is_text():
    for inside in ("[1]", '{"name": 3}', '{"name": "f", "arguments": "x"}', "{}", "nonsense", "[" * 100_000):
        whole = f"a <tool_call>{inside}</tool_call> b"
        assert tool_calls(whole) == (whole, [])
