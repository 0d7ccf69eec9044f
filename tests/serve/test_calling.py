"""Calls in an answer that comes in pieces: whatever the cuts, the same text and the same calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.tool_calls import ToolCall
from twofold.serve import wire
from twofold.serve.calling import Splitter, Tools
from twofold.serve.problems import Problem

WEATHER = wire.FunctionTool(type="function", function=wire.Function(name="weather"))
NAMED = wire.NamedFunction(type="function", function=wire.OnlyName(name="weather"))
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Lima"}}\n</tool_call>'


def told(pieces, choice="auto", tools=(WEATHER,)):
    splitter = Splitter(Tools.of(tools, choice))
    parts = [splitter.take(piece, last=i == len(pieces) - 1) for i, piece in enumerate(pieces)]
    return "".join(text for text, _ in parts), [call for _, calls in parts for call in calls], parts


@pytest.mark.slow
@given(st.lists(st.integers(0, len(CALL) + 8), max_size=6))
def test_however_it_is_cut_a_call_is_found_and_none_of_it_is_said(cuts):
    whole = "Let me look." + CALL
    places = [0, *sorted(cuts), len(whole)]
    text, calls, _ = told([whole[a:b] for a, b in zip(places, places[1:], strict=False)])
    assert calls == [ToolCall("weather", {"city": "Lima"})]
    assert text == "Let me look."


@pytest.mark.slow
@given(st.text(alphabet="<tol_ca>x{} ", max_size=40), st.integers(0, 40))
def test_what_is_no_call_is_said_as_it_is(whole, cut):
    text, calls, _ = told([whole[:cut], whole[cut:]])
    assert (text, calls) == (whole, [])


def test_text_before_a_call_is_said_at_once():
    _, _, parts = told(["Let me ", "look. <tool", "_call>", CALL[11:]])
    assert [text for text, _ in parts[:3]] == ["Let me ", "look. ", ""]


def test_without_tools_nothing_is_a_call():
    assert told([CALL], tools=())[:2] == (CALL, [])
    assert told([CALL], choice="none")[:2] == (CALL, [])


def test_a_call_that_must_be_is_the_whole_answer_and_one_cut_short_is_text():
    assert told(['{"name": "weather", ', '"arguments": {}}'], choice="required")[:2] == ("", [ToolCall("weather", {})])
    assert told(['{"name": "weather", ', '"argum'], choice=NAMED)[:2] == ('{"name": "weather", "argum', [])


def test_a_choice_among_tools_that_are_not_there_is_refused():
    for tools, choice in (((), "required"), ((), NAMED)):
        with pytest.raises(Problem, match="tool_choice"):
            Tools.of(tools, choice)
