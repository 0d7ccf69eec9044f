"""Where a text may be cut before any merge: a merge never crosses from one piece into the next.

A pre-tokenizer has the name that llama.cpp knows it by (`tokenizer.ggml.pre`). Its first pattern cuts the text into
matches, its second cuts each of those, and so on. llama.cpp's patterns leave gaps, which are pieces too; here each
pattern is completed so that its matches cover the text.

    name        digits          punctuation           pieces of "It's 1984!\\n"
    qwen2       one by one      keeps the line end    It  's  ␣  1  9  8  4  !⏎
    llama-bpe   up to three     keeps the line end    It  's  ␣  198  4  !⏎
    smollm      one by one      lets it go            It  's  ␣  1  9  8  4  !  ⏎
    gpt-2       any number      lets it go            It  's  ␣1984  !  ⏎

Digits one by one are what arithmetic wants: every number is then spelled in one way only.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

import regex

__all__ = ["CONTRACTION", "PATTERNS", "cut"]

CONTRACTION = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

PATTERNS: dict[str, tuple[str, ...]] = {
    "qwen2": (rf"{CONTRACTION}|{_WORDS}|\p{{N}}|{_REST}",),
    "llama-bpe": (rf"{CONTRACTION}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}",),
    "smollm": (r"\p{N}|\P{N}+", _GPT2),
    "gpt-2": (_GPT2,),
}


def cut(text: str, pre: str) -> list[str]:
    """The pieces of `text`, which joined are `text` again."""
    pieces = [text]
    for pattern in _compiled(pre):
        pieces = list(chain.from_iterable(map(pattern.findall, pieces)))
    return pieces


@cache
def _compiled(pre: str) -> tuple[regex.Pattern[str], ...]:
    return tuple(regex.compile(pattern) for pattern in PATTERNS[pre])
