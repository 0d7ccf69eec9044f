"""Text is given out whole and in order, and nothing from a stop string on, wherever tokens and characters are cut."""

from __future__ import annotations

import codecs

from hypothesis import given
from hypothesis import strategies as st

from twofold.contracts import Token
from twofold.engine.writing import Writing

PARTS = [b"a", b"ab", b"b", b"ba", b"", b"aab", "é".encode(), "🎈".encode()[:2], "🎈".encode()[2:], b"\xff", b"\xe6"]
BYTES = st.lists(st.one_of(st.sampled_from(PARTS), st.binary(max_size=3)), max_size=12)
STOPS = st.lists(st.text(st.sampled_from("abé🎈"), min_size=1, max_size=4), max_size=3)


def expected(pieces: list[bytes], stops: list[str]) -> tuple[str, int]:
    """The text before the first stop string, looked for after each token, and how many tokens were needed."""
    decoder, text = codecs.getincrementaldecoder("utf-8")("replace"), ""
    for n, piece in enumerate(pieces, 1):
        text += decoder.decode(piece)
        found = [at for at in map(text.find, stops) if at >= 0]
        if found:
            return text[: min(found)], n
    return text + decoder.decode(b"", True), len(pieces)


@given(BYTES, STOPS)
def test_the_text_is_that_before_the_first_stop_string(pieces, stops):
    writing, text, tokens = Writing(stops), "", []
    whole, used = expected(pieces, stops)
    for n, piece in enumerate(pieces, 1):
        given_out, some = writing.push(Token(n, 1.0), piece)
        text += given_out
        tokens += some
        assert whole.startswith(text), "something was given out that does not belong to the answer"
        if writing.stopped:
            assert n == used
            break
    rest, some = writing.finish()
    tokens += some
    assert text + rest == whole
    assert [token.id for token in tokens] == list(range(1, len(tokens) + 1))
    if not writing.stopped:
        assert len(tokens) == len(pieces)


@given(BYTES)
def test_without_stop_strings_whole_characters_come_at_once(pieces):
    writing, sent, raw = Writing(), "", b""
    for piece in pieces:
        sent += writing.push(Token(0, 1.0), piece)[0]
        raw += piece
        held = len(raw.decode("utf-8", "replace")) - len(sent)
        assert held <= 3, "only an unfinished character is held back"
    assert sent + writing.finish()[0] == raw.decode("utf-8", "replace")


def test_the_tokens_of_a_stop_string_are_not_given_out_but_one_that_begins_before_it_is():
    writing = Writing(["\nUser:"])
    names = ["Hi", "!\n", "Us", "er", ":", " x"]
    given_out = []
    for i, name in enumerate(names):
        if writing.stopped:
            break
        given_out.append(writing.push(Token(i, 1.0), name.encode()))
    assert "".join(text for text, _ in given_out) == "Hi!"
    assert [token.id for _, tokens in given_out for token in tokens] == [0, 1]
    assert writing.finish() == ("", ())
