"""The template and the function say the same, and nobody speaks for another."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.tokenizer.chat import TEMPLATE, encode, render
from twofold.tokenizer.train import train_bpe

from .examples import TEXT, texts

conversations = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": texts}), max_size=5
)


def test_a_conversation_looks_as_chatml_does():
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    assert render(messages) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
    assert render(messages[:1], answer=True) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@given(messages=conversations, answer=st.booleans())
def test_the_template_renders_what_the_function_renders(messages, answer):
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE)  # as transformers does
    assert template.render(messages=messages, add_generation_prompt=answer) == render(messages, answer=answer)


@pytest.mark.slow
def test_transformers_applies_the_template(tmp_path):
    from transformers import PreTrainedTokenizerFast

    tokenizer = train_bpe([TEXT], 300)

    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), "utf-8")
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "It's 1984!"}]
    ids = loaded.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == encode(tokenizer, messages, answer=True)


@given(messages=conversations, answer=st.booleans())
def test_encoding_a_conversation_decodes_to_its_text(tokenizer, messages, answer):
    assert tokenizer.decode(encode(tokenizer, messages, answer=answer)) == render(messages, answer=answer)


@given(messages=conversations)
def test_a_marker_inside_a_message_is_only_text(tokenizer, messages):
    ids = encode(tokenizer, messages)
    assert ids.count(tokenizer.specials["<|im_start|>"]) == len(messages)
    assert ids.count(tokenizer.specials["<|im_end|>"]) == len(messages)


def test_a_tokenizer_without_the_markers_cannot_chat():
    with pytest.raises(ConfigError, match="ChatML"):
        encode(train_bpe([TEXT], 300, specials=()), [{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("message", [{}, {"role": "user"}, {"content": "x"}, {"role": "user", "content": 5}])
def test_a_message_that_lacks_a_part_is_refused(message):
    with pytest.raises(ConfigError, match="role and a content"):
        render([message])
