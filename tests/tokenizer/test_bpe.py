"""The laws of encoding, and equality with the reference, which is short enough to be believed."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twofold.contracts import Tokenizer
from twofold.errors import ConfigError, FileFormatError
from twofold.tokenizer import bpe, merging
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.merging import FEW, Merges
from twofold.tokenizer.pretokenizers import cut
from twofold.tokenizer.reference import ReferenceBPE
from twofold.tokenizer.spelling import ALPHABET, spell, unspell
from twofold.tokenizer.train import SPECIALS, train_bpe

from .examples import TEXT, texts

SURROGATE_PAIR = "\ud83d\ude42"


def reference_of(tokenizer: BPETokenizer) -> ReferenceBPE:
    merges = [(unspell(left), unspell(right)) for left, right in tokenizer.merges]
    return ReferenceBPE(merges, tokenizer.pre, SPECIALS)


def afresh(tokenizer: BPETokenizer) -> BPETokenizer:
    """The same with nothing remembered."""
    parts = (tokenizer.tokens, tokenizer.merges, tokenizer.pre, tokenizer.specials)
    return BPETokenizer(*parts, tokenizer.bos_id, tokenizer.eos_id, tokenizer.add_bos)


def bytes_only(merges=(), pre="gpt-2", tokens=ALPHABET, specials=None, bos_id=None, eos_id=None, add_bos=False):
    return BPETokenizer(tokens, merges, pre, specials or {}, bos_id, eos_id, add_bos)


@given(raw=st.binary())
def test_unspell_undoes_spell_and_a_byte_is_one_letter(raw):
    assert unspell(spell(raw)) == raw
    assert len(spell(raw)) == len(raw)


@pytest.mark.parametrize(("raw", "spelling"), [(b" the", "Ġthe"), (b"\n", "Ċ"), ("é".encode(), "Ã©"), (b"\x00", "Ā")])
def test_the_spelling_is_gpt2s(raw, spelling):
    assert spell(raw) == spelling


def test_it_is_a_tokenizer_as_the_contract_says(tokenizer):
    assert isinstance(tokenizer, Tokenizer)


@pytest.mark.slow
@given(text=texts | st.text())
@example(text=TEXT)
def test_decode_undoes_encode_for_every_string(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.slow
@given(raw=st.binary() | texts.map(str.encode) | st.builds(lambda text, raw: text.encode() + raw, texts, st.binary()))
@example(raw=bytes(range(256)))
@example(raw=b"\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80")
def test_decode_bytes_undoes_encode_bytes_for_every_byte_string(tokenizer, raw):
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(raw)) == raw


@pytest.mark.slow
@given(text=texts)
def test_text_and_its_bytes_encode_alike(tokenizer, text):
    assert tokenizer.encode_bytes(text.encode()) == tokenizer.encode(text)


@given(text=st.text(st.characters(), max_size=20))
@example(text=SURROGATE_PAIR)
@example(text="a\ud800b")
def test_encode_is_total_even_over_what_is_not_text(tokenizer, text):
    """Pairs of surrogates are the character that they spell in UTF-16; lone ones become U+FFFD."""
    meant = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert tokenizer.decode(tokenizer.encode(text)) == meant


@pytest.mark.slow
@given(text=texts)
@example(text=TEXT)
def test_the_ids_are_the_references(tokenizer, text):
    assert tokenizer.encode(text) == reference_of(tokenizer).encode(text)


@pytest.mark.slow
@given(some=st.lists(texts, max_size=5))
def test_a_batch_is_its_texts_one_by_one(tokenizer, some):
    batch = afresh(tokenizer).encode_batch(iter(some))
    assert [ids.tolist() for ids in batch] == [tokenizer.encode(text) for text in some]
    assert all(ids.dtype == np.int32 for ids in batch)


def test_a_batch_larger_than_what_is_merged_together_loses_nothing(tokenizer, monkeypatch):
    monkeypatch.setattr(bpe, "BATCH", 10)
    monkeypatch.setattr(bpe, "REMEMBERED", 50)
    monkeypatch.setattr(merging, "MANY", 30)
    monkeypatch.setattr(merging, "FEW", 0)
    lines = TEXT.splitlines(keepends=True)
    assert [ids.tolist() for ids in tokenizer.encode_batch(lines)] == [tokenizer.encode(line) for line in lines]


@pytest.mark.slow
@given(text=texts)
def test_the_name_of_a_special_token_is_only_text_unless_asked(tokenizer, text):
    special = set(tokenizer.specials.values())
    assert not special & set(tokenizer.encode(text + "<|im_start|>" + text))


@pytest.mark.slow
@given(parts=st.lists(st.sampled_from(SPECIALS) | st.text("ab <|\n'", max_size=5), max_size=10))
def test_asked_for_the_special_tokens_are_the_cuts_between_texts(tokenizer, parts):
    text = "".join(parts)
    ids, rest = [], text
    while rest:
        at, name = min((rest.find(name), name) for name in [*SPECIALS, ""] if name in rest and name) if any(
            name in rest for name in SPECIALS) else (len(rest), "")  # fmt: skip
        ids += tokenizer.encode(rest[:at]) + ([tokenizer.specials[name]] if name else [])
        rest = rest[at + len(name) :]
    assert tokenizer.encode(text, parse_special=True) == ids
    assert tokenizer.decode(ids) == text


def test_the_longer_of_two_special_tokens_wins():
    names = {"<a>": 256, "<a><b>": 257}
    tokenizer = bytes_only(tokens=[*ALPHABET, *names], specials=names)
    assert tokenizer.encode("<a><b><a>", parse_special=True) == [257, 256]


@pytest.mark.parametrize("wrong", [[-1], [0, 500], np.array([500])])
def test_an_id_outside_the_vocabulary_is_refused(tokenizer, wrong):
    with pytest.raises(ConfigError, match=f"{wrong[-1]} is outside the vocabulary of {tokenizer.vocab_size}"):
        tokenizer.decode_bytes(wrong)


def test_it_travels_to_another_process(tokenizer):
    received = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301
    assert received.to_json() == tokenizer.to_json()
    assert received.encode(TEXT) == tokenizer.encode(TEXT)


merge_lists = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=4, unique=True).flatmap(
    lambda first: st.lists(
        st.tuples(*[st.sampled_from(["a", "b", "c", *(left + right for left, right in first)])] * 2), max_size=8
    ).map(lambda then: list(dict.fromkeys([*then, *first])))
)


@pytest.mark.slow
@given(merges=merge_lists, words=st.lists(st.text("abc", min_size=1, max_size=30), max_size=8))
def test_merges_in_any_order_give_what_the_reference_gives(merges, words):
    """Also where a merge uses what only a later one makes, as in vocabularies converted from other formats."""
    pairs = [(left.encode(), right.encode()) for left, right in merges]
    reference = ReferenceBPE(pairs, "gpt-2")
    expected = [[reference.ids[token] for token in reference.encode_piece(word.encode())] for word in words]
    engine = Merges(reference.ids, pairs, len(reference.tokens))
    assert engine.apply([word.encode() for word in words]) == expected


@pytest.mark.slow
@given(words=st.lists(st.text("aab", min_size=1, max_size=40), min_size=1, max_size=20))
def test_all_places_at_once_gives_what_one_after_the_other_gives(words):
    learned = train_bpe(["aaaaabaaabababbbbaaaaaaaaab " * 9], 300, "gpt-2", ())
    pairs = [(unspell(left), unspell(right)) for left, right in learned.merges]
    engine = Merges({unspell(token): i for i, token in enumerate(learned.tokens)}, pairs, learned.vocab_size)
    few = [word.encode() for word in words]
    many = few * (FEW // sum(map(len, few)) + 1)
    assert engine.apply(many)[: len(few)] == [engine.apply([word])[0] for word in few]


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["a", *(pytest.param(more, marks=pytest.mark.slow) for more in " \n日1")])
def test_a_megabyte_of_one_letter_comes_back_and_nothing_in_it_could_still_be_merged(letter):
    tokenizer = train_bpe([TEXT] * 2, 400, "qwen2")
    text = letter * (1_000_000 // len(letter.encode()))
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    if len(cut(text[:100], tokenizer.pre)) == 1:
        neighbours = {(tokenizer.tokens[left], tokenizer.tokens[right]) for left, right in set(pairwise(ids))}
        assert not neighbours & set(tokenizer.merges)


def test_bytes_that_a_vocabulary_from_elsewhere_lacks_are_left_out():
    lacking = bytes_only(tokens=[letter for letter in ALPHABET if letter != "x"] + ["ab"], merges=[("a", "b")])
    assert lacking.decode(lacking.encode("axb ab xx")) == "ab ab "
    assert len(lacking.encode("axb")) == 2, "no merge reaches over the gap"
    assert lacking.decode_bytes(lacking.encode_bytes(b"\xffx\xff")) == b"\xff\xff"


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"pre": "klingon"}, "klingon"),
        ({"tokens": [*ALPHABET, "a"]}, "repeats 1"),
        ({"tokens": ["<a>"]}, "none of the 256 bytes"),
        ({"merges": [("a", "b")]}, "'ab'"),
        ({"merges": [("a", "b")] * 2, "tokens": [*ALPHABET, "ab"]}, "twice"),
        ({"merges": [("a", "日")], "tokens": [*ALPHABET, "日", "a日"]}, "not an ordinary token"),
        ({"merges": [("a", "b")], "tokens": [*ALPHABET, "ab"], "specials": {"ab": 256}}, "not an ordinary token"),
        ({"specials": {"<a>": 3}}, "<a>"),
        ({"specials": {"": 3}}, "special"),
        ({"bos_id": 256}, "bos id 256"),
        ({"eos_id": -1}, "eos id -1"),
        ({"add_bos": True}, "bos"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(parts, says):
    with pytest.raises(FileFormatError, match=says):
        bytes_only(**parts)
