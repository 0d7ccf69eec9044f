"""Every byte as one printable character, so that tokens can be written in JSON and in parameters files.

    b" the" -> "Ġthe"      b"\\n" -> "Ċ"      b"\\xc3\\xa9" -> "Ã©"

The 188 printable characters of Latin-1 stand for themselves; the other 68 bytes, in order, are U+0100 and up.
Radford et al. 2019 (GPT-2); llama.cpp and transformers read tokens in this spelling.
"""

from __future__ import annotations

__all__ = ["ALPHABET", "spell", "unspell"]

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_LETTER = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + i) for i, byte in enumerate(_OTHERS)}
_BYTE = {ord(letter): byte for byte, letter in _LETTER.items()}

ALPHABET = tuple(sorted(_LETTER.values()))
"""The 256 letters by code point, which is the order of the byte tokens in a vocabulary."""


def spell(raw: bytes) -> str:
    """Bytes in the byte-level alphabet, one letter a byte."""
    return raw.decode("latin-1").translate(_LETTER)


def unspell(spelling: str) -> bytes:
    """Undo `spell`. Raises ValueError for a character that is not in the alphabet."""
    try:
        return bytes([_BYTE[ord(letter)] for letter in spelling])
    except KeyError as error:
        raise ValueError(f"{spelling!r:.60} is not written in the byte-level alphabet") from error
