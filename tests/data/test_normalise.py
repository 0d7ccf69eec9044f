from __future__ import annotations

import contextlib
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twofold.data.normalise import decode, normalise
from twofold.errors import SourceError

awkward = st.text(st.one_of(
    st.sampled_from(" \t\n\r\x0b\x0c\x00\x07\x1c\x85\u2028\u2029\u00a0\u2000\u3000\ufeff"),
    st.sampled_from("e\u0301\u1100\u1161\ud800\u212b"),
    st.characters(),
))


@given(awkward)
@example("e\x00\u0301")
@example(" \u2001\n\x0b\n")
def test_normalising_twice_is_normalising_once(text):
    assert normalise(normalise(text)) == normalise(text)


@given(awkward)
def test_what_comes_out_is_clean(text):
    clean = normalise(text)
    assert unicodedata.is_normalized("NFC", clean)
    assert clean.encode("utf-8").decode("utf-8") == clean
    assert not [c for c in clean if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not re.search(r"[ \t]\n|\n{3}|^\n|\s$", clean)


@given(awkward)
def test_letters_and_digits_survive_in_order(text):
    def solid(some):
        return [c for c in unicodedata.normalize("NFC", some) if c.isalnum()]

    plain = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs") and c != "\ufeff")
    assert solid(normalise(text)) == solid(plain)


def test_indentation_and_tables_stay():
    text = "def f():\n    return {\t1 }\n\n| a   | b |"
    assert normalise(text) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_the_encodings_that_people_have_are_found(encoding):
    text = "Größe, naïve café, “quoted” – 5 €"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04\x00\x00", bytes(range(1, 32)) * 9, b"\x89PNG\r\n\x1a\n" * 30])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(SourceError):
        decode(data)


@given(st.binary())
def test_any_bytes_are_text_or_refused(data):
    with contextlib.suppress(SourceError):
        assert isinstance(decode(data), str)
