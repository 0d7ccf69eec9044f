"""Byte-level BPE: a vocabulary, an ordered list of merges, and a rule for where text may be cut.

    text -> UTF-8 bytes -> pieces (pre-tokenizer) -> in each piece, join the pair whose merge comes first, until none is
    left -> ids

Sennrich et al. 2016, arXiv:1508.07909; over bytes: Radford et al. 2019. `reference.py` is the same in plain Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from twofold.errors import FileFormatError
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.spelling import spell, unspell

__all__ = ["BPETokenizer"]


class BPETokenizer:
    """Text to ids and back. Implements contracts.Tokenizer.

    `tokens` in id order, in the byte-level spelling (specials as they are). With all 256 bytes among them, as in every
    tokenizer trained here, every string and every byte string can be encoded; a vocabulary that lacks some (SmolLM2's
    lacks 21) loses those bytes, here as in llama.cpp. Raises FileFormatError when the parts do not belong together.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Sequence[tuple[str, str]],
        pre: str,
        specials: Mapping[str, int],
        bos_id: int | None,
        eos_id: int | None,
        add_bos: bool,
    ) -> None:
        self.tokens = list(tokens)
        self.merges = [(left, right) for left, right in merges]
        self.pre = pre
        self.specials = dict(specials)
        self.bos_id = bos_id
        self.eos_id = eos_id
        self.add_bos = add_bos
        self.vocab_size = len(self.tokens)
        self._ids = _checked(self)
        special_ids = set(self.specials.values())
        self._bytes = [
            token.encode() if i in special_ids else _bytes_of(token) for i, token in enumerate(self.tokens)
        ]
        letters = [spell(bytes([byte])) for byte in range(256)]
        self._byte_ids = [[self._ids[letter]] if letter in self._ids else [] for letter in letters]
        longest_first = sorted(self.specials, key=len, reverse=True)
        self._special_pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._engine = _engine(self)

    def encode(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Ids of `text`, without bos. A surrogate pair counts as its character, a lone surrogate as U+FFFD."""
        text = _scalars(text)
        if not parse_special or self._special_pattern is None:
            return self._engine.encode(text, add_special_tokens=False).ids
        ids: list[int] = []
        start = 0
        for match in self._special_pattern.finditer(text):
            ids += self._engine.encode(text[start : match.start()], add_special_tokens=False).ids
            ids.append(self.specials[match[0]])
            start = match.end()
        return ids + self._engine.encode(text[start:], add_special_tokens=False).ids

    def encode_batch(self, texts: Iterable[str]) -> list[np.ndarray]:
        """`encode` of each text as int32 arrays."""
        encoded = self._engine.encode_batch_fast([_scalars(text) for text in texts], add_special_tokens=False)
        return [np.array(one.ids, dtype=np.int32) for one in encoded]

    def encode_bytes(self, raw: bytes) -> list[int]:
        """Ids of any byte string: valid UTF-8 as `encode` does it, each other byte as its own token."""
        ids: list[int] = []
        for run in re.split("([\udc80-\udcff]+)", raw.decode("utf-8", "surrogateescape")):
            if "\udc80" <= run[:1] <= "\udcff":
                ids += [i for letter in run for i in self._byte_ids[ord(letter) - 0xDC00]]
            else:
                ids += self._engine.encode(run, add_special_tokens=False).ids
        return ids

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The exact bytes. Raises IndexError for an id outside the vocabulary."""
        return b"".join([self._bytes[i] for i in ids])

    def decode(self, ids: Sequence[int]) -> str:
        """The text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")


def _scalars(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _bytes_of(token: str) -> bytes:
    try:
        return unspell(token)
    except KeyError:
        return token.encode()


def _checked(tokenizer: BPETokenizer) -> dict[str, int]:
    """Token to id, after making sure that the parts belong together."""
    if tokenizer.pre not in PATTERNS:
        raise FileFormatError(f"the pre-tokenizer {tokenizer.pre!r} is not one of {', '.join(PATTERNS)}")
    ids = {token: i for i, token in enumerate(tokenizer.tokens)}
    if len(ids) != len(tokenizer.tokens):
        raise FileFormatError(f"the vocabulary repeats {len(tokenizer.tokens) - len(ids)} of its tokens")
    for left, right in tokenizer.merges:
        if left not in ids or right not in ids or left + right not in ids:
            raise FileFormatError(f"the merge {left!r} + {right!r} speaks of tokens that the vocabulary lacks")
    for name, i in tokenizer.specials.items():
        if ids.get(name) != i:
            raise FileFormatError(f"the special token {name!r} should have id {i}, but the vocabulary says {ids.get(name)}")
    for role, i in (("bos", tokenizer.bos_id), ("eos", tokenizer.eos_id)):
        if i is not None and not 0 <= i < len(tokenizer.tokens):
            raise FileFormatError(f"the {role} id {i} is outside the vocabulary of {len(tokenizer.tokens)}")
    return ids


def _engine(tokenizer: BPETokenizer) -> Tokenizer:
    engine = Tokenizer(models.BPE(tokenizer._ids, tokenizer.merges, ignore_merges=tokenizer.pre == "llama-bpe"))
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[tokenizer.pre]]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.pre_tokenizer = pre_tokenizers.Sequence([*cuts, byte_level])
    return engine
