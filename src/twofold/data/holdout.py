"""Which documents are kept away from training, decided by what they say and never by where they stand.

    held out  <=>  hash(text) / 2^64 < share

so adding documents moves none that were there before. Where chance makes that less than half the share of a source's
bytes, those with the next smallest hashes join until it is enough. A text that is more than a twentieth of its source
is cut into sections at paragraph ends first, and the sections are hashed; neighbours that stay in training are joined
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twofold.data.documents import Document

__all__ = ["hold_out", "join", "sections"]

PARTS = 20
SECTION = 20_000
_SMALLEST_SECTION = 500
_MARK = " § "


def hold_out(documents: Sequence[Document], share: float) -> set[int]:
    """Positions of the documents of one source that are held out: about `share` of them, at least one of two."""
    if len(documents) < 2 or share <= 0:
        return set()
    keys = [document.key for document in documents]
    sizes = [document.size for document in documents]
    chosen: set[int] = set()
    held = 0
    for i in sorted(range(len(keys)), key=keys.__getitem__)[:-1]:
        if keys[i] >= share * 2**64 and held >= share / 2 * sum(sizes):
            break
        chosen.add(i)
        held += sizes[i]
    return chosen


def sections(documents: Sequence[Document]) -> list[Document]:
    """The documents of one source, those that are more than a PARTS-th of it as sections.

    A section is about SECTION bytes, less when the whole source is small, and ends at a paragraph, line, sentence or
    word end, whichever there is. The sections of a document, one after the other, are the document.
    """
    part = sum(document.size for document in documents) // PARTS
    target = min(SECTION, max(_SMALLEST_SECTION, part))
    result = []
    for document in documents:
        pieces = _cut(document.text, target) if document.size > part else [document.text]
        if len(pieces) == 1:
            result.append(document)
        else:
            result += [replace(document, id=f"{document.id}{_MARK}{i:05d}", text=p) for i, p in enumerate(pieces)]
    return result


def join(documents: Sequence[Document]) -> list[Document]:
    """Undo `sections` where neighbours are still next to each other."""
    result: list[Document] = []
    last = ("", -2)
    for document in documents:
        name, mark, number = document.id.rpartition(_MARK)
        here = (name, int(number)) if mark else ("", -2)
        if mark and here == (last[0], last[1] + 1):
            result[-1] = replace(result[-1], text=result[-1].text + document.text)
        else:
            result.append(document)
        last = here
    return result


def _cut(text: str, target: int) -> list[str]:
    """Cut into parts of roughly `target` characters at the best break in the second half of each window."""
    parts, start = [], 0
    while len(text) - start > 1.5 * target:
        low, high = start + target // 2, start + target + target // 2
        for ending in ("\n\n", "\n", ". ", " "):
            end = text.rfind(ending, low, high)
            if end >= 0:
                end += len(ending)
                break
        else:
            end = start + target
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]
