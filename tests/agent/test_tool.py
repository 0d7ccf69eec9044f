"""A tool gives a bounded text in a bounded time, whatever it is asked and whatever it does."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.agent.calculator import calculator
from twofold.agent.schema import problems
from twofold.agent.tool import Tool
from twofold.errors import ConfigError, UserError

NOTHING = {"type": "object", "properties": {}}


def tool(function, **more):
    return Tool("it", "does it", NOTHING, function, **more)


def test_the_calculator_computes_and_says_what_it_cannot():
    assert calculator.run({"expression": "48213 * 377"}).text == str(48213 * 377)
    failed = calculator.run({"expression": "9**9**9"})
    assert failed.failed and failed.text.startswith("error: ") and "digits" in failed.text
    assert calculator.run({"expression": "(" * 1_000_000}).failed


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=9) | st.just("expression"), st.none() | st.text() | st.integers() | st.lists(
    st.integers(), max_size=3), max_size=3))  # fmt: skip
def test_whatever_a_model_gives_the_calculator_it_is_told_something(arguments):
    outcome = calculator.run(arguments)
    assert outcome.text and outcome.failed == outcome.text.startswith("error: ")


@pytest.mark.parametrize(("value", "words"), [
    ({}, "lacks 'a'"), ({"a": 1}, "type string"), ({"a": "x", "b": "2"}, "type integer"),
    ({"a": "x", "b": True}, "integer"), ({"a": "x", "c": 1}, "has no 'c'"), ({"a": "y" * 9}, "9 characters"),
    ({"a": "x", "d": "no"}, "one of 'on', 'off'"),
    ({"a": "x", "e": [1, "2"]}, "e[1]"), ([], "type object"),
])  # fmt: skip
def test_arguments_that_do_not_fit_the_schema_are_named(value, words):
    jsonschema = pytest.importorskip("jsonschema_rs")
    schema = {
        "type": "object", "required": ["a"], "additionalProperties": False,
        "properties": {"a": {"type": "string", "maxLength": 8}, "b": {"type": "integer"}, "d": {"enum": ["on", "off"]},
                       "e": {"type": "array", "items": {"type": "number"}}},
    }  # fmt: skip
    assert words in next(problems(value, schema))
    assert not jsonschema.is_valid(schema, value)
    fitting = {"a": "x", "b": 2, "d": "on", "e": [1, 2.5]}
    assert list(problems(fitting, schema)) == [] and jsonschema.is_valid(schema, fitting)


def test_a_result_that_is_too_long_is_cut_and_says_so():
    assert tool(lambda: "x" * 5000, most=10).run({}).text == "x" * 10 + " … (4990 more characters were cut)"


def test_a_tool_that_hangs_is_left_behind():
    forever = threading.Event()
    outcome = tool(forever.wait, timeout=0.05).run({})
    forever.set()
    assert outcome.failed and "longer than 0.05 seconds" in outcome.text


def test_words_of_our_errors_reach_the_model_and_the_insides_of_others_do_not():
    def ours():
        raise UserError("no such city")

    def other():
        raise RuntimeError("password hunter2")

    assert tool(ours).run({}).text == "error: no such city"
    assert tool(other).run({}).text == "error: it failed (RuntimeError)"


@pytest.mark.parametrize(("name", "schema"), [("a b", NOTHING), ("a", {"type": "string"}), ("a", {})])
def test_a_tool_that_cannot_be_is_refused_at_birth(name, schema):
    with pytest.raises(ConfigError):
        Tool(name, "", schema, str)
