"""Training gives the reference's merges in the reference's order, and so those of Hugging Face's trainer."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from twofold.errors import ConfigError
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.reference import ReferenceBPE
from twofold.tokenizer.sizes import bytes_per_token, shrink
from twofold.tokenizer.spelling import ALPHABET, unspell
from twofold.tokenizer.train import SPECIALS, train_bpe

from .examples import TEXT, texts


def merges_of_hugging_face(some: list[str], vocab_size: int, pre: str) -> list[tuple[str, str]]:
    theirs = Tokenizer(models.BPE())
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[pre]]
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs.pre_tokenizer = pre_tokenizers.Sequence([*cuts, spelling])
    theirs.train_from_iterator(some, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, initial_alphabet=list(ALPHABET), show_progress=False))  # fmt: skip
    return [tuple(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]]


@pytest.mark.slow
@pytest.mark.parametrize("pre", PATTERNS)
@given(some=st.lists(st.text("aab 1\n", max_size=60) | texts, max_size=4), extra=st.integers(0, 60))
@example(some=[TEXT, TEXT], extra=200)
@example(some=["aaaa aaaaa aaaaaaa abababab babab"] * 3, extra=60)
def test_the_merges_are_the_references(pre, some, extra):
    ours, reference = train_bpe(some, 259 + extra, pre), ReferenceBPE.train(some, 259 + extra, pre, SPECIALS)
    assert [(unspell(left), unspell(right)) for left, right in ours.merges] == reference.merges
    assert [ours.decode_bytes([i]) for i in range(ours.vocab_size)] == reference.tokens


@pytest.mark.slow
@pytest.mark.parametrize("pre", PATTERNS)
def test_the_merges_are_hugging_faces(pre):
    from pydoc_data.topics import topics

    some = [topics[name] for name in sorted(topics)[:40]]
    assert train_bpe(some, 1500, pre, ()).merges == merges_of_hugging_face(some, 1500, pre)


def test_the_vocabulary_is_the_specials_then_the_bytes_then_what_was_learned():
    learned = train_bpe(["low low low lower lowest"], 262, "gpt-2")
    assert learned.tokens[:259] == [*SPECIALS, *ALPHABET]
    assert learned.tokens[259:] == ["lo", "low", "Ġlow"]
    assert (learned.bos_id, learned.eos_id, learned.add_bos) == (0, 0, True)
    assert learned.specials == {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}


def test_a_text_without_pairs_that_repeat_gives_fewer_tokens():
    assert train_bpe(["abc"], 1000).vocab_size == 259
    assert train_bpe([], 1000).vocab_size == 259


@pytest.mark.parametrize(("vocab_size", "pre", "says"), [(258, "qwen2", "smallest is 259"), (300, "gpt2", "gpt-2")])
def test_what_cannot_be_is_refused_before_text_is_read(vocab_size, pre, says):
    def unread():
        raise AssertionError("text was read")
        yield

    with pytest.raises(ConfigError, match=says):
        train_bpe(unread(), vocab_size, pre)


@pytest.mark.parametrize("vocab_size", [259, 300, 399])
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one(vocab_size):
    assert shrink(train_bpe([TEXT], 400), vocab_size).to_json() == train_bpe([TEXT], vocab_size).to_json()


def test_a_vocabulary_cannot_shrink_below_its_bytes(tokenizer):
    with pytest.raises(ConfigError, match="259"):
        shrink(tokenizer, 258)


def test_bytes_per_token_counts_bytes_and_not_characters():
    none = train_bpe([], 259)
    assert bytes_per_token(none, ["日本", "ab"]) == 1.0
    twice = train_bpe(["日" * 10, "日" * 10], 261, "qwen2")
    assert bytes_per_token(twice, ["日", "日日"]) == 3.0
