"""Pieces are llama.cpp's pieces."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given

from twofold.tokenizer.pretokenizers import PATTERNS, cut

from .examples import TEXT, texts

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
QWEN2 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_CPP = {  # regex_exprs in its llama-vocab.cpp, under the names of tokenizer.ggml.pre
    "qwen2": [QWEN2],
    "llama-bpe": [QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")],
    "smollm": [r"\p{N}", GPT2],
    "gpt-2": [GPT2],
}


def split_as_llama_cpp_does(text: str, patterns: list[str]) -> list[str]:
    """Each pattern in turn cuts every piece into its matches and the gaps between them."""
    pieces = [text]
    for pattern in patterns:
        before, pieces = pieces, []
        for piece in before:
            end = 0
            for match in regex.finditer(pattern, piece):
                pieces += [piece[end : match.start()], match[0]]
                end = match.end()
            pieces.append(piece[end:])
        pieces = [piece for piece in pieces if piece]
    return pieces


def test_the_names_are_llama_cpps():
    assert PATTERNS.keys() == LLAMA_CPP.keys()


@pytest.mark.slow
@pytest.mark.parametrize("pre", PATTERNS)
@given(text=texts)
@example(text=TEXT)
def test_the_pieces_are_llama_cpps_and_joined_they_are_the_text(pre, text):
    assert cut(text, pre) == split_as_llama_cpp_does(text, LLAMA_CPP[pre])
    assert "".join(cut(text, pre)) == text


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("qwen2", ["It", "'s", " ", "1", "9", "8", "4", "!\n"]),
        ("llama-bpe", ["It", "'s", " ", "198", "4", "!\n"]),
        ("smollm", ["It", "'s", " ", "1", "9", "8", "4", "!", "\n"]),
        ("gpt-2", ["It", "'s", " 1984", "!", "\n"]),
    ],
)
def test_the_table_at_the_top_of_the_module_is_true(pre, pieces):
    assert cut("It's 1984!\n", pre) == pieces
