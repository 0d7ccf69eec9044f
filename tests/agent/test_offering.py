"""Which tools are offered to which model, and how it is introduced to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twofold.agent.calculator import calculator
from twofold.agent.loop import answer
from twofold.agent.offering import offered
from twofold.arithmetic import evaluate
from twofold.engine.open import open_model
from twofold.errors import ConfigError
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer
from .test_loop import ASK, Script

PLAIN = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
         "<|im_start|>assistant\n")  # fmt: skip
WITH_A_PLACE = "{% if tools %}TOOLS {{ tools | tojson }}{% endif %}" + PLAIN


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    config = replace(config_of("llama"), context=4096)
    path = tmp_path_factory.mktemp("offering") / "p.gguf"
    save(path, config, random_state(config), small_tokenizer(), dtype="F32", chat_template=TEMPLATE, lineage={})
    return open_model(path, "numpy")


@pytest.mark.parametrize(("names", "template", "tools"), [
    ("auto", TEMPLATE, 1), ("auto", PLAIN, 0), ("auto", WITH_A_PLACE, 0), ("auto", None, 0), ("none", TEMPLATE, 0),
    ("calculator", PLAIN, 1), (" calculator,calculator ", PLAIN, 1), ("none", None, 0),
])  # fmt: skip
def test_tools_are_those_asked_for_or_those_that_were_taught(engine, names, template, tools):
    assert offered(names, replace(engine, chat_template=template)) == (calculator,) * tools


@pytest.mark.parametrize(("names", "template", "words"), [
    ("oracle", TEMPLATE, "there are: calculator"), ("calculator", None, "no chat template"),
])
def test_tools_that_cannot_be_offered_are_named(engine, names, template, words):
    with pytest.raises(ConfigError, match=words):
        offered(names, replace(engine, chat_template=template))


@pytest.mark.parametrize(("lineage", "template", "tools"), [
    ({"tools": ["calculator"]}, PLAIN, 1), ({"tools": ["calculator", "telescope"]}, WITH_A_PLACE, 1),
    ({"tools": []}, TEMPLATE, 0), ({"tools": ["calculator"]}, None, 0),
    ({}, TEMPLATE, 1), ({"tools": "calculator"}, PLAIN, 0), ({"tools": [{"a": 1}]}, TEMPLATE, 0),
])  # fmt: skip
def test_what_a_model_was_taught_stands_in_its_file(tmp_path, lineage, template, tools):
    config = config_of("llama")
    save(tmp_path / "p.gguf", config, random_state(config), small_tokenizer(), dtype="F32", chat_template=template,
         lineage=lineage)  # fmt: skip
    engine = open_model(tmp_path / "p.gguf", "numpy")
    assert offered("auto", engine) == (calculator,) * tools
    assert engine.usual.temperature == (0.8 if engine.tools is None else 0)  # it is small, and guesses only when asked


def test_a_tool_that_was_taught_brings_no_examples(engine):
    read = first_prompt(engine, PLAIN, tools=("calculator",))
    assert read.count("<|im_start|>user") == 1 and "You may call functions" in read


def first_prompt(engine, template, messages=ASK, **more):
    service = Script(replace(engine, chat_template=template, **more), "done")
    answer(service, messages, [calculator])
    return service.read[0]


def test_a_model_that_was_taught_is_told_nothing(engine):
    assert "calculator" not in first_prompt(engine, TEMPLATE)


def test_a_template_with_a_place_for_tools_is_given_them(engine):
    read = first_prompt(engine, WITH_A_PLACE)
    assert read.startswith("TOOLS [") and read.count("<|im_start|>user") == 1


def test_any_other_is_told_and_shown_examples_after_the_system_message(engine):
    read = first_prompt(engine, PLAIN, [{"role": "system", "content": "Be kind."}, *ASK])
    assert read.startswith("<|im_start|>system\nBe kind.\n\nYou may call functions")
    examples = [one for one in calculator.examples if one["role"] == "user"]
    assert read.count("<|im_start|>user") == len(examples) + 1
    assert read.endswith("What is 12 * 34?<|im_end|>\n<|im_start|>assistant")


def test_examples_take_no_room_that_is_not_there(engine):
    small = replace(engine.config, context=1024)
    assert first_prompt(engine, PLAIN, config=small).count("<|im_start|>user") == 1


def test_the_examples_are_true():
    calls = [one for one in calculator.examples if one.get("tool_calls")]
    results = [one["content"] for one in calculator.examples if one["role"] == "tool"]
    said = [one["content"] for one in calculator.examples if "The result is" in one["content"]]
    for call, result, text in zip(calls, results, said, strict=True):
        assert str(evaluate(call["tool_calls"][0]["function"]["arguments"]["expression"])) == result
        assert text == f"The result is {result}."
