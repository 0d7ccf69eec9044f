"""An answer in which the server calls its own tools: the model stops at a call, is given the result, and goes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from twofold.agent.calculator import calculator
from twofold.engine.open import open_model
from twofold.engine.request import Piece, Request, Usage
from twofold.engine.tool_calls import CLOSE
from twofold.serve.calling import Tools
from twofold.serve.looping import MOST_CALLS, Looping, own_tools
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served
from twofold.serve.turn import Turn
from twofold.serve.wire import BuiltinTool, Function, FunctionTool
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer

ASK = [{"role": "user", "content": "What is 12 * 34?"}]
CALL = '<tool_call>{"name": "calculator", "arguments": {"expression": "12 * 34"}}'


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    config = replace(config_of("llama"), context=4096)
    path = tmp_path_factory.mktemp("looping") / "p.gguf"
    save(path, config, random_state(config), small_tokenizer(), dtype="F32", chat_template=TEMPLATE, lineage={})
    return Served("tiny", open_model(path, "numpy"), None)


class Script:
    """Answers as they come from a model that writes the next of `lines`, a few characters at a time."""

    def __init__(self, *lines):
        self.lines, self.asked, self.left = list(lines), [], 1

    async def again(self, index, request):
        self.asked.append(request)
        self.left += 1

    async def __aiter__(self):
        while self.left:
            self.left -= 1
            line = self.lines.pop(0)
            for at in range(0, len(line), 4):
                yield 0, Piece(line[at : at + 4])
            yield 0, Piece(finish="stop", usage=Usage(10, completion_tokens=5, completion_seconds=0.5))


def run(served, *lines, begun=""):
    loop, script, turn = Looping(served, ASK, [calculator], begun), Script(*lines), Turn(served, Tools())
    told = []

    async def all_of_it():
        async for _, piece in loop.pieces(script, lambda ids, written: Request(tuple(ids), 100 - written)):
            text, _ = turn.take(piece)
            told.extend([text] if text else [])
            told.extend(turn.fresh_steps())

    loop.prompt()
    asyncio.run(all_of_it())
    return turn, told, script, lambda i: served.engine.tokenizer.decode(script.asked[i].prompt)


def test_what_is_said_comes_without_the_calls_and_the_calls_with_their_results(served):
    turn, told, script, read = run(served, f"Let me see. {CALL}", "It is 408.")
    steps = [one for one in told if not isinstance(one, str)]
    assert [(one["name"], one["arguments"], one["result"], one["failed"]) for one in steps] == [
        ("calculator", {"expression": "12 * 34"}, "408", False)]  # fmt: skip
    at = told.index(steps[0])
    assert "".join(told[:at]).strip() == "Let me see." and "".join(told[at + 1 :]) == "It is 408."
    assert turn.message() == {"role": "assistant", "content": "It is 408.", "refusal": None, "tool_steps": steps}
    assert "<|im_start|>tool\n408<|im_end|>\n<|im_start|>assistant\n" in read(0) and "Let me see." in read(0)
    assert script.asked[0].n == 95 and script.asked[0].stop == (CLOSE,)
    assert (turn.usage.completion_tokens, turn.usage.completion_seconds) == (10, 1.0)


def test_an_answer_that_was_begun_goes_on_with_what_was_said_before_the_call(served):
    _, _, _, read = run(served, f"so {CALL}", "408.", begun="Well, ")
    assert "<|im_start|>assistant\nWell, so" in read(0)


def test_an_error_is_told_to_the_model(served):
    turn, _, _, read = run(served, CALL.replace("12 * 34", "9**9**9"), "I cannot.")
    assert turn.steps[0]["failed"] and turn.steps[0]["result"] in read(0)
    turn, _, _, _ = run(served, CALL.replace("calculator", "shell"), "I cannot.")
    assert "there is no tool 'shell'" in turn.steps[0]["result"]


def test_a_model_that_calls_without_end_is_stopped(served):
    turn, _, _, _ = run(served, *[CALL] * 20)
    assert len(turn.steps) == MOST_CALLS and turn.finish == "length"


def test_what_is_no_call_is_said(served):
    turn, _, _, _ = run(served, "a < b <tool_call>not json")
    assert turn.text == "a < b <tool_call>not json" and turn.finish == "stop"


def test_only_tools_of_the_servers_own_and_only_those_that_are_named():
    assert own_tools(None) == () == own_tools([FunctionTool(type="function", function=Function(name="calculator"))])
    assert own_tools([BuiltinTool(type="calculator")] * 2) == (calculator,)
    with pytest.raises(Problem, match="one kind at"):
        own_tools([BuiltinTool(type="calculator"), FunctionTool(type="function", function=Function(name="f"))])


# Over HTTP -------------------------------------------------------------------------------------------------------


def chat(http, **body):
    asked = {"messages": ASK, "max_tokens": 12, "seed": 3, **body}
    return http.post("/v1/chat/completions", json=asked)


def test_a_model_that_was_taught_reads_the_same_prompt_and_says_the_same(http):
    plain, offered = chat(http).json(), chat(http, tools=[{"type": "calculator"}]).json()
    assert plain["choices"][0]["message"] == offered["choices"][0]["message"]
    streamed = chat(http, tools=[{"type": "calculator"}], stream=True, logprobs=True).text
    events = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in events)
    assert text == plain["choices"][0]["message"]["content"] and streamed.endswith("data: [DONE]\n\n")


def test_models_say_which_tools_they_were_taught(http):
    found = http.get("/v1/models").json()["data"]
    assert [one["tools"] for one in found] == [["calculator"], ["calculator"]]
    assert [one["temperature"] for one in found] == [0.8, 0.8]  # nothing says that they were finetuned here


@pytest.mark.parametrize(("body", "words"), [
    ({"tools": [{"type": "shell"}]}, "'function', 'calculator'"),
    ({"tools": [{"type": "calculator"}], "n": 2}, "n does not go with calculator"),
    ({"tools": [{"type": "calculator"}], "tool_choice": "required"}, "tool_choice does not go with"),
    ({"tools": [{"type": "calculator"}], "response_format": {"type": "json_object"}}, "response_format does not go"),
    ({"tools": [{"type": "calculator"}, {"type": "function", "function": {"name": "f"}}]}, "one kind at a time"),
])  # fmt: skip
def test_what_does_not_go_with_them_is_refused(http, body, words):
    answer = chat(http, **body)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]
