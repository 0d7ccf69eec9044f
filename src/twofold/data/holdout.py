"""Which documents are kept away from training, decided by what they say and never by where they stand.

    held out  <=>  hash(text) / 2^64 < share

so adding documents moves none that were there before. A source in which no document falls under the share holds out
the one with the smallest hash. A source of a few long texts is cut into sections at paragraph ends first, and the
sections are hashed; neighbours that stay in training are joined again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twofold.data.documents import Document

__all__ = ["hold_out", "join", "sections"]

FEW = 20
SECTION = 20_000
_SMALLEST_SECTION = 500
_MARK = " § "


def hold_out(documents: Sequence[Document], share: float) -> set[int]:
    """Positions of the documents of one source that are held out: about `share` of them, at least one of two."""
    keys = [document.key for document in documents]
    chosen = {i for i, key in enumerate(keys) if key < share * 2**64}
    if len(keys) < 2 or share <= 0:
        return set()
    if not chosen:
        chosen = {min(range(len(keys)), key=keys.__getitem__)}
    if len(chosen) == len(keys):
        chosen.discard(max(chosen, key=keys.__getitem__))
    return chosen


def sections(documents: Sequence[Document]) -> list[Document]:
    """The documents of one source; when they are fewer than FEW, the long ones among them as sections.

    A section is about SECTION bytes, less when the whole source is small, and ends at a paragraph, line, sentence or
    word end, whichever there is. The sections of a document, one after the other, are the document.
    """
    if len(documents) >= FEW:
        return list(documents)
    total = sum(document.size for document in documents)
    target = min(SECTION, max(_SMALLEST_SECTION, total // FEW))
    result = []
    for document in documents:
        parts = _cut(document.text, target)
        if len(parts) == 1:
            result.append(document)
        else:
            result += [replace(document, id=f"{document.id}{_MARK}{i:05d}", text=part) for i, part in enumerate(parts)]
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
