"""The tokenizer as keys of a parameters file, under the names that llama.cpp looks for, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twofold.errors import FileFormatError
from twofold.tokenizer.bpe import BPETokenizer
from twofold.weights.gguf import typed

__all__ = ["from_metadata", "to_metadata"]

MOST_SPECIALS = 1 << 14  # the largest vocabularies in use have some thousands
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's kinds of token


def to_metadata(tokenizer: BPETokenizer, vocab_size: int) -> dict[str, Any]:
    """Rows of the embedding beyond the vocabulary get the name [PADi] and the kind UNUSED, as llama.cpp wants."""
    kinds = np.full(vocab_size, NORMAL, np.int32)
    kinds[len(tokenizer.tokens) :] = UNUSED
    kinds[list(tokenizer.specials.values())] = CONTROL
    keys: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": tokenizer.pre,
        "tokenizer.ggml.tokens": tokenizer.tokens + [_pad(i) for i in range(len(tokenizer.tokens), vocab_size)],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [f"{left} {right}" for left, right in tokenizer.merges],
        "tokenizer.ggml.add_bos_token": tokenizer.add_bos,
        "tokenizer.ggml.add_space_prefix": False,
    }
    ids = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id}
    return keys | {f"tokenizer.ggml.{role}_token_id": i for role, i in ids.items() if i is not None}


def from_metadata(metadata: Mapping[str, Any], vocab_size: int, where: str) -> BPETokenizer:
    """Raises FileFormatError when there is no byte-level BPE that fits the model."""
    model = typed(metadata, "tokenizer.ggml.model", str, None, where)
    if model != "gpt2":
        raise FileFormatError(f"{where}: the tokenizer is {model!r:.60}; only byte-level BPE ('gpt2') can be read")
    tokens = _strings(metadata, "tokens", where)
    if len(tokens) > vocab_size:
        raise FileFormatError(f"{where} has {len(tokens)} tokens for an embedding of {vocab_size} rows")
    kinds = metadata.get("tokenizer.ggml.token_type", np.full(len(tokens), NORMAL))
    if not isinstance(kinds, np.ndarray) or kinds.dtype.kind not in "iu" or len(kinds) != len(tokens):
        raise FileFormatError(f"{where}: tokenizer.ggml.token_type is not one whole number for each of the tokens")
    while tokens and kinds[len(tokens) - 1] == UNUSED and tokens[-1] == _pad(len(tokens) - 1):
        tokens.pop()
    special = np.isin(kinds[: len(tokens)], (CONTROL, USER_DEFINED))
    if np.count_nonzero(special) > MOST_SPECIALS:
        raise FileFormatError(f"{where} has {np.count_nonzero(special)} special tokens; no model has {MOST_SPECIALS}")
    merges = []
    for merge in _strings(metadata, "merges", where):
        left, space, right = merge.partition(" ")
        if not space or " " in right:
            raise FileFormatError(f"{where}: the merge {merge!r:.60} is not two tokens with a space between them")
        merges.append((left, right))
    pre = typed(metadata, "tokenizer.ggml.pre", str, None, where)
    if pre is None:
        raise FileFormatError(f"{where} has no tokenizer.ggml.pre, which says where a text may be cut; convert it anew")
    bos = typed(metadata, "tokenizer.ggml.bos_token_id", int, None, where)
    eos = typed(metadata, "tokenizer.ggml.eos_token_id", int, None, where)
    add_bos = typed(metadata, "tokenizer.ggml.add_bos_token", bool, False, where)
    specials = {tokens[i]: i for i in np.flatnonzero(special).tolist()}
    try:
        return BPETokenizer(tokens, merges, pre, specials, bos, eos, add_bos)
    except FileFormatError as error:
        raise FileFormatError(f"{where}: {error}") from error


def _pad(i: int) -> str:
    return f"[PAD{i}]"


def _strings(metadata: Mapping[str, Any], name: str, where: str) -> list[str]:
    value = typed(metadata, f"tokenizer.ggml.{name}", list, None, where)
    if value is None:
        raise FileFormatError(f"{where} has no tokenizer.ggml.{name}")
    return list(value)
