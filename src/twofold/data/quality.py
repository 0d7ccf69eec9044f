"""Rules that say why a text is not worth learning from. Which ones apply depends on the kind of writing."""

from __future__ import annotations

import re
from collections.abc import Callable

from twofold.data.documents import Document

__all__ = ["PRESETS", "fault"]

Rule = Callable[[str], "str | None"]
_WORD = re.compile(r"\w+")


def too_short(text: str) -> str | None:
    words = len(_WORD.findall(text[:2000]))
    return f"too short: {words} words" if words < 5 else None


def few_letters(text: str) -> str | None:
    solid = [c for c in text[:100_000] if not c.isspace()]
    share = sum(c.isalpha() for c in solid) / max(1, len(solid))
    return f"few letters: {share:.0%}" if share < 0.3 else None


_LIGHT: tuple[Rule, ...] = (too_short, few_letters)
PRESETS: dict[str, tuple[Rule, ...]] = {"prose": _LIGHT, "docs": _LIGHT, "facts": _LIGHT, "table": (too_short,),
                                        "web": _LIGHT}


def fault(document: Document) -> str | None:
    """The first rule of the document's preset that it breaks, as "rule: value", or None."""
    for rule in PRESETS[document.kind]:
        reason = rule(document.text)
        if reason:
            return reason
    return None
