"""Bytes to clean text: find the encoding, then make one spelling of what can be spelled in many ways.

    decode       byte order mark, else UTF-8, else Windows-1252; bytes that are no text give SourceError
    normalise    NFC, "\\n" as the only line end, no control characters, no blanks at line ends, at most one empty line
                 in a row. Indentation and tabs stay. normalise(normalise(x)) == normalise(x).
"""

from __future__ import annotations

import codecs
import re
import unicodedata

from twofold.errors import SourceError

__all__ = ["decode", "normalise"]

_MARKS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")
_LINE_BLANKS = re.compile(r"[ \t]+$", re.MULTILINE)
_EMPTY_LINES = re.compile(r"\n{3,}")
_MOST_CONTROLS = 0.005


def decode(data: bytes) -> str:
    """Text of `data`. Raises SourceError with the reason when it is empty or binary."""
    if not data:
        raise SourceError("empty")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark):].decode(encoding, errors="replace")
    if b"\0" in data:
        raise SourceError("binary: it holds zero bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    controls = len(_CONTROLS.findall(text)) + text.count("\ufffd")
    if controls > _MOST_CONTROLS * len(text):
        raise SourceError(f"binary: {controls / len(text):.0%} of its characters are no text")
    return text


def normalise(text: str) -> str:
    text = _LINE_ENDS.sub("\n", text)
    text = _CONTROLS.sub("", _SURROGATES.sub("\ufffd", _SPACES.sub(" ", text)))
    text = unicodedata.normalize("NFC", text)
    text = _EMPTY_LINES.sub("\n\n", _LINE_BLANKS.sub("", text))
    return text.strip("\n").rstrip()
