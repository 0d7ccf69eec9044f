"""Where a text may be cut before any merge: a merge never crosses from one piece into the next.

Each pre-tokenizer is a list of patterns under llama.cpp's name for it (`tokenizer.ggml.pre`). The first pattern cuts
the text into its matches and what lies between them; the next pattern cuts each of those, and so on.

    name        digits          punctuation                 example "It's 1984!\\n"
    qwen2       singly          keeps the line end          It 's ␣ 1 9 8 4 !\\n
    llama-bpe   up to three     keeps the line end          It 's ␣ 198 4 !\\n
    smollm      singly          apart from the line end     It 's ␣ 1 9 8 4 ! \\n
    gpt-2       any number      apart from the line end     It 's ␣1984 ! \\n

Digits that stand alone are what lets a model learn arithmetic: every number is spelled in one way.
"""

from __future__ import annotations

__all__ = ["PATTERNS"]

_CONTRACTION = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_PUNCTUATION_AND_SPACE = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"

PATTERNS: dict[str, tuple[str, ...]] = {
    "qwen2": (_CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|" + _PUNCTUATION_AND_SPACE,),
    "llama-bpe": (_CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|" + _PUNCTUATION_AND_SPACE,),
    "smollm": (r"\p{N}", _GPT2),
    "gpt-2": (_GPT2,),
}
