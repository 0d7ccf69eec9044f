"""tokenizer.json goes out to `tokenizers` and transformers with the same ids, and comes in from anyone unharmed."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given
from tokenizers import Tokenizer

from twofold.errors import FileFormatError
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.train import train_bpe

from .examples import TEXT, texts

LETTERS = "".join(letter * 3000 for letter in "a é1日'!\n")


@pytest.fixture(scope="module")
def theirs(tokenizer):
    return Tokenizer.from_str(tokenizer.to_json())


@pytest.fixture(scope="module")
def small():
    return train_bpe([TEXT], 300)


@pytest.mark.slow
@given(text=texts)
@example(text=TEXT)
@example(text=LETTERS)
def test_tokenizers_gives_the_same_ids(tokenizer, theirs, text):
    assert theirs.encode(text, add_special_tokens=False).ids == tokenizer.encode(text, parse_special=True)
    assert theirs.encode(text).ids == [tokenizer.bos_id, *tokenizer.encode(text, parse_special=True)]


@given(text=texts)
def test_tokenizers_decodes_to_the_same_text(tokenizer, theirs, text):
    assert theirs.decode(tokenizer.encode(text), skip_special_tokens=False) == text


@pytest.mark.slow
def test_transformers_loads_it(tokenizer, tmp_path):
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), "utf-8")
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert loaded(TEXT)["input_ids"] == [tokenizer.bos_id, *tokenizer.encode(TEXT)]


def test_what_went_out_comes_in_again(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), "utf-8")
    for again in (BPETokenizer.from_json(path), BPETokenizer.from_json(tokenizer.to_json())):
        assert vars(again)["specials"] == tokenizer.specials
        assert again.to_json() == tokenizer.to_json()
        assert (again.bos_id, again.eos_id, again.add_bos) == (0, 0, True)
        assert again.encode(TEXT) == tokenizer.encode(TEXT)


def changed(tokenizer, change):
    document = json.loads(tokenizer.to_json())
    change(document)
    return json.dumps(document)


OTHER_SPELLINGS = {
    "merges as lines": lambda d: d["model"].update(merges=[" ".join(pair) for pair in d["model"]["merges"]]),
    "no type": lambda d: d["model"].pop("type"),
    "a normaliser to NFC": lambda d: d.update(normalizer={"type": "NFC"}),
    "no template": lambda d: d.update(post_processor={"type": "ByteLevel", "trim_offsets": False}),
    "tokens only among the added": lambda d: [d["model"]["vocab"].pop(token["content"]) for token in d["added_tokens"]],
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_other_ways_to_write_the_same_are_read(small, name):
    read = BPETokenizer.from_json(changed(small, OTHER_SPELLINGS[name]))
    assert (read.tokens, read.merges, read.pre) == (small.tokens, small.merges, small.pre)
    assert read.add_bos == (name != "no template")


def as_published(pattern: str) -> dict:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, bytes_]}


QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PUBLISHED = {  # what the tokenizer.json of Qwen 2, Llama 3, SmolLM 2 and GPT-2 say
    "qwen2": as_published(QWEN),
    "llama-bpe": as_published(QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")),
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]},
    "gpt-2": BYTE_LEVEL,
}


@pytest.mark.parametrize("pre", PUBLISHED)
def test_the_pre_tokenizers_of_published_models_are_known(pre):
    text = changed(train_bpe([TEXT], 300, pre), lambda d: d.update(pre_tokenizer=PUBLISHED[pre]))
    assert BPETokenizer.from_json(text).pre == pre


BROKEN = {
    "not an object": lambda d: d.update(model=[]),
    "another model": lambda d: d["model"].update(type="Unigram"),
    "byte fallback": lambda d: d["model"].update(byte_fallback=True),
    "dropout": lambda d: d["model"].update(dropout=0.1),
    "a suffix": lambda d: d["model"].update(end_of_word_suffix="</w>"),
    "whole pieces": lambda d: d["model"].update(ignore_merges=not d["model"]["ignore_merges"]),
    "another normaliser": lambda d: d.update(normalizer={"type": "Lowercase"}),
    "no pre-tokenizer": lambda d: d.update(pre_tokenizer=None),
    "another pre-tokenizer": lambda d: d.update(pre_tokenizer={"type": "Whitespace"}),
    "a space in front": lambda d: d.update(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True}),
    "another pattern": lambda d: d.update(pre_tokenizer=as_published("(a+)+b")),
    "another post-processor": lambda d: d.update(post_processor={"type": "BertProcessing"}),
    "a bos that is no token": lambda d: d["post_processor"]["single"][0]["SpecialToken"].update(id="<s>"),
    "ids with a gap": lambda d: d["model"]["vocab"].update(zzz=10**12),
    "an id twice": lambda d: d["model"]["vocab"].update(zzz=5),
    "an id that is no number": lambda d: d["model"]["vocab"].update(zzz="5"),
    "an id that is a truth": lambda d: d["model"]["vocab"].update(zzz=True),
    "a token moved": lambda d: d["added_tokens"][0].update(id=7),
    "an added token without a name": lambda d: d["added_tokens"][0].update(content=""),
    "added tokens that are none": lambda d: d.update(added_tokens=[5]),
    "no vocabulary": lambda d: d["model"].pop("vocab"),
    "no merges": lambda d: d["model"].pop("merges"),
    "a merge of three": lambda d: d["model"]["merges"].append(["a", "b", "c"]),
    "a merge of numbers": lambda d: d["model"]["merges"].append([1, 2]),
    "a merge of nothing known": lambda d: d["model"]["merges"].append(["a", "zzz"]),
    "a merge twice": lambda d: d["model"]["merges"].append(d["model"]["merges"][0]),
    "a byte gone": lambda d: d["model"]["vocab"].pop("a"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_or_unknown_is_refused_by_name(small, name):
    with pytest.raises(FileFormatError, match="^tokenizer.json: "):
        BPETokenizer.from_json(changed(small, BROKEN[name]))


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"model": 1}', "[" * 10**5, '{"a": ' + "9" * 10**4 + "}"])
def test_what_is_no_tokenizer_json_at_all_is_refused(text):
    with pytest.raises(FileFormatError):
        BPETokenizer.from_json(text)


def test_a_file_that_is_missing_a_folder_or_not_utf8_is_refused(tmp_path):
    (tmp_path / "latin.json").write_bytes(b'{"model": "\xe9"}')
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "latin.json"):
        with pytest.raises(FileFormatError, match=str(path)):
            BPETokenizer.from_json(path)


def test_a_file_that_is_cut_off_or_damaged_is_read_right_or_refused():
    good = train_bpe([TEXT], 300).to_json().encode()
    rng = random.Random(0)
    for _ in range(300):
        bad = bytearray(good[: rng.randrange(len(good))] if rng.random() < 0.3 else good)
        for _ in range(rng.randrange(1, 4)):
            if bad:
                bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
        try:
            read = BPETokenizer.from_json(bad.decode("utf-8", "replace"))
        except FileFormatError:
            continue
        assert read.decode(read.encode("the end")) in ("the end", "the nd", "th nd")
