"""A document is one text with a name, the source it came from and the kind of writing it is.

The kind decides which quality rules apply: web pages need many, an address to Congress needs almost none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["KINDS", "Document", "Kind", "LeftOut"]

Kind = Literal["prose", "facts", "docs", "web", "table"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Document:
    """`id` names the text inside its `source` (a path, a title); `source` is the name in reports and in --mix."""

    id: str
    source: str
    kind: Kind
    text: str

    @property
    def size(self) -> int:
        """Length in UTF-8 bytes, the unit of every size in this room."""
        return len(self.text.encode("utf-8"))

    @property
    def key(self) -> int:
        """64 bits that depend on the text alone, so that they stay when files move or others join them."""
        digest = hashlib.blake2b(self.text.encode("utf-8"), digest_size=8).digest()
        return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class LeftOut:
    """Something that a source holds but that could not become a document. `size` is in bytes as stored."""

    id: str
    source: str
    reason: str
    size: int = 0
