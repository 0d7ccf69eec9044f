"""run.py's tokenizer, which has no `regex` package, cuts and joins as those that have it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pydoc_data.topics import topics

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.run import run
from twofold.tokenizer.pretokenizers import PATTERNS, cut
from twofold.tokenizer.train import train_bpe
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state

# Python's tables may be older than the regex package's: characters that both know
KNOWN = st.characters(exclude_categories=("Cn", "Cs"))
ODD = "'sStTreEvVmMlLdD  \t\n\r\x0b\x1c\x85\xa0\u200b\u3000_-.,!0123½Ⅷ٣٤ſAé日"
TEXT = st.text(KNOWN | st.sampled_from(ODD))
CUTS = {pre: run.patterns(patterns) for pre, patterns in run.CUTS.items()}


def cut_here(text: str, pre: str) -> list[str]:
    pieces = [text]
    for pattern in CUTS[pre]:
        pieces = [part for piece in pieces for part in pattern.split(piece) if part]
    return pieces


@pytest.fixture(scope="module", params=[*PATTERNS])
def pair(request, tmp_path_factory):
    """A tokenizer learned from Python's documentation, and run.py's reading of the file that holds it."""
    theirs = train_bpe(list(topics.values())[:30], 900, request.param)
    config = replace(config_of("llama"), vocab_size=theirs.vocab_size)
    path = tmp_path_factory.mktemp("tokenizer") / "p.gguf"
    save(path, config, random_state(config), theirs, dtype="F32")
    return theirs, run.Tokenizer(run.GGUF(str(path)))


CLASSES = {"L": r"\p{L}", "N": r"\p{N}", "S": r"\s", "X": r"\S", "P": r"[^\s\p{L}\p{N}]", "Q": r"[^\r\n\p{L}\p{N}]"}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
def test_classes_hold_the_characters_that_unicode_says(name):
    (ours,) = run.patterns([f"<{name}>"])
    known = "".join(c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs"))
    assert ours.sub("", known) == regex.sub(CLASSES[name], "", known)


@pytest.mark.slow
@pytest.mark.parametrize("pre", PATTERNS)
@settings(max_examples=150)
@given(text=TEXT)
def test_text_is_cut_as_the_regex_package_cuts_it(pre, text):
    assert cut_here(text, pre) == cut(text, pre)


@pytest.mark.slow
@settings(max_examples=100)
@given(text=TEXT)
def test_text_becomes_the_ids_that_the_tokenizers_package_gives(pair, text):
    theirs, ours = pair
    assert ours.encode(text) == theirs.encode(text)


def test_prose_becomes_the_ids_that_the_tokenizers_package_gives(pair):
    theirs, ours = pair
    text = "\n\n".join(list(topics.values())[40:44])
    assert ours.encode(text) == theirs.encode(text)


@given(text=st.text())
def test_decode_undoes_encode(pair, text):
    _, ours = pair
    assert ours.decode(ours.encode(text)) == text.encode()


def test_the_name_of_a_special_token_is_text_like_any_other_and_specials_print_nothing(pair):
    theirs, ours = pair
    assert ours.encode("<|endoftext|>") == theirs.encode("<|endoftext|>") != [theirs.eos_id]
    assert ours.decode([theirs.eos_id]) == b""
    assert ours.first == [theirs.bos_id]
    assert theirs.eos_id in ours.last
