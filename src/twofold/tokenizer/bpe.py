"""Byte-level BPE: a vocabulary, an ordered list of merges, and a rule for where a text may be cut.

    text -> pieces (pre-tokenizer) -> UTF-8 bytes -> merges -> ids

Sennrich et al. 2016, arXiv:1508.07909; over bytes: Radford et al. 2019. `reference.py` is the same in plain Python.
Words come back again and again, so each is merged once and remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from twofold.errors import ConfigError, FileFormatError
from twofold.tokenizer import tokenizer_json
from twofold.tokenizer.merging import Merges, shares
from twofold.tokenizer.pretokenizers import PATTERNS, cut
from twofold.tokenizer.spelling import ALPHABET, unspell

__all__ = ["BPETokenizer"]

BATCH = 1 << 22  # characters of text whose new words are merged together
REMEMBERED = 1 << 22  # bytes of words after which the memory starts afresh (some 100 MB of Python objects)

_LONE_BYTES = re.compile("([\udc80-\udcff]+)")


class BPETokenizer:
    """Text to ids and back. Implements contracts.Tokenizer.

    `tokens` in id order, in the byte-level spelling (specials as they are). `pre` is llama.cpp's name of the
    pre-tokenizer; `llama-bpe` takes a whole piece that is a token as it is, whatever the merges say, as llama.cpp does.

    A vocabulary trained here holds all 256 bytes, so every string and every byte string encodes, and decoding gives it
    back. A vocabulary from elsewhere may lack bytes (SmolLM2's lacks 21); those are left out, as llama.cpp does.

    Raises FileFormatError when the parts do not belong together.
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
        self.tokens, self.merges, self.specials = list(tokens), list(merges), dict(specials)
        self.pre, self.bos_id, self.eos_id, self.add_bos = pre, bos_id, eos_id, add_bos
        self.vocab_size = len(self.tokens)
        special = set(self.specials.values())
        unspelled = ((token, _unspelled(token)) for i, token in enumerate(self.tokens) if i not in special)
        ordinary = {token: raw for token, raw in unspelled if raw is not None}
        _check(self, ordinary)
        self._bytes = [ordinary.get(token) or token.encode() for token in self.tokens]
        ids = {ordinary[token]: i for i, token in enumerate(self.tokens) if token in ordinary}
        pairs = [(ordinary[left], ordinary[right]) for left, right in self.merges]
        self._byte_ids = [ids.get(bytes([byte])) for byte in range(256)]
        self._merges = Merges(ids, pairs, unknown=self.vocab_size)
        self._whole = ids if pre == "llama-bpe" else {}
        longest_first = sorted(self.specials, key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if longest_first else None
        self._known: dict[str, list[int]] = {}
        self._known_bytes = 0

    @classmethod
    def from_json(cls, source: str | Path) -> BPETokenizer:
        """From a Hugging Face tokenizer.json: a Path is a file, a str the JSON itself. Raises FileFormatError."""
        try:
            return cls(**tokenizer_json.parse(source))
        except FileFormatError as error:
            where = str(source) if isinstance(source, Path) else "tokenizer.json"
            raise FileFormatError(f"{where}: {error}") from error

    def to_json(self) -> str:
        """A Hugging Face tokenizer.json, which `tokenizers` and transformers load and which gives the same ids."""
        return tokenizer_json.render(
            self.tokens, self.merges, self.pre, self.specials, self.bos_id if self.add_bos else None
        )

    def encode(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of `text`, without bos. The name of a special token in the text is only text, unless `parse_special`.

        A surrogate pair counts as its character, a lone surrogate, which is not text, as U+FFFD.
        """
        parts = self._special.split(text) if parse_special and self._special else [text]
        encoded = self._encode([_scalars(part) for part in parts[::2]])
        for part, name in zip(range(len(encoded)), parts[1::2], strict=False):
            encoded[part].append(self.specials[name])
        return list(chain.from_iterable(encoded))

    def encode_batch(self, texts: Iterable[str]) -> list[np.ndarray]:
        """`encode` of each text, as int32 arrays."""
        batches = shares(map(_scalars, texts), BATCH)
        return [np.array(ids, dtype=np.int32) for batch in batches for ids in self._encode(batch)]

    def encode_bytes(self, raw: bytes) -> list[int]:
        """The ids of any byte string: its UTF-8 as `encode` does it, each other byte as the token of that byte."""
        parts = _LONE_BYTES.split(raw.decode("utf-8", "surrogateescape"))
        encoded = self._encode(parts[::2])
        for part, lone in zip(range(len(encoded)), parts[1::2], strict=False):
            ids = (self._byte_ids[ord(letter) - 0xDC00] for letter in lone)
            encoded[part] += [i for i in ids if i is not None]
        return list(chain.from_iterable(encoded))

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The exact bytes. Raises ConfigError for an id outside the vocabulary."""
        wrong = next((i for i in ids if not 0 <= i < self.vocab_size), None)
        if wrong is not None:
            raise ConfigError(f"token id {wrong} is outside the vocabulary of {self.vocab_size}")
        return b"".join([self._bytes[i] for i in ids])

    def decode(self, ids: Sequence[int]) -> str:
        """The text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        if self._known_bytes > REMEMBERED:
            self._known, self._known_bytes = {}, 0
        known = self._known  # a thread that encodes meanwhile may start another
        pieces = [cut(text, self.pre) for text in texts]
        new = list(set().union(*pieces).difference(known))
        if new:
            words = [piece.encode() for piece in new]
            self._known_bytes += sum(map(len, words))
            known.update(zip(new, self._words(words), strict=True))
        return [list(chain.from_iterable(map(known.__getitem__, some))) for some in pieces]

    def _words(self, words: list[bytes]) -> list[list[int]]:
        whole = [self._whole.get(word) for word in words]
        merged = iter(self._merges.apply([word for word, i in zip(words, whole, strict=True) if i is None]))
        ids = [next(merged) if i is None else [i] for i in whole]
        if None in self._byte_ids:
            return [[i for i in word if i != self.vocab_size] for word in ids]
        return ids

    def __reduce__(self) -> tuple[object, ...]:
        """To another process goes the vocabulary, not the memory."""
        specials = tuple(self.specials.items())
        roles = (self.bos_id, self.eos_id, self.add_bos)
        return (_received, (tuple(self.tokens), tuple(self.merges), self.pre, specials, *roles))


@lru_cache(maxsize=2)
def _received(
    tokens: tuple[str, ...], merges: tuple[tuple[str, str], ...], pre: str, specials: tuple[tuple[str, int], ...],
    *roles: Any,
) -> BPETokenizer:
    """A worker that is handed the same tokenizer with every task keeps one, and what it remembers."""
    return BPETokenizer(tokens, merges, pre, dict(specials), *roles)


def _scalars(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _unspelled(token: str) -> bytes | None:
    try:
        return unspell(token)
    except ValueError:
        return None


def _check(tokenizer: BPETokenizer, ordinary: Mapping[str, bytes]) -> None:
    tokens, size = tokenizer.tokens, tokenizer.vocab_size
    if tokenizer.pre not in PATTERNS:
        raise FileFormatError(
            f"the pre-tokenizer {tokenizer.pre!r:.40} is not one that can be used here: {', '.join(PATTERNS)}"
        )
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) != size:
        raise FileFormatError(f"the vocabulary repeats {size - len(ids)} of its tokens")
    if not any(letter in ids for letter in ALPHABET):
        raise FileFormatError("the vocabulary holds none of the 256 bytes, so it is not a byte-level one")
    if len(set(tokenizer.merges)) != len(tokenizer.merges):
        raise FileFormatError("the same merge is listed twice")
    for left, right in tokenizer.merges:
        for token in (left, right, left + right):
            if token not in ordinary:
                raise FileFormatError(
                    f"the merge {left!r:.40} + {right!r:.40} needs {token!r:.40}, "
                    "which is not an ordinary token of the vocabulary"
                )
    for name, i in tokenizer.specials.items():
        if not name or ids.get(name) != i:
            raise FileFormatError(f"the special token {name!r:.40} has id {ids.get(name)} in the vocabulary, not {i}")
    for role, role_id in (("bos", tokenizer.bos_id), ("eos", tokenizer.eos_id)):
        if role_id is not None and not 0 <= role_id < size:
            raise FileFormatError(f"the {role} id {role_id} is outside the vocabulary of {size}")
    if tokenizer.add_bos and tokenizer.bos_id is None:
        raise FileFormatError("texts should begin with a bos token, but there is none")
