"""Texts to try neurons on: some of the almanac where it is installed, and else of Python's own help."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from twofold.data.builtin import factbook, pydoc, sotu
from twofold.data.documents import Document
from twofold.errors import MissingExtra
from twofold.model.count import count
from twofold.serve.shelf import Served

__all__ = ["texts"]

WIDTH = 64  # tokens of each text
READ = 3e11  # about so many products may be made for it: a second or some
LEAST, MOST = 4, 48  # texts


def texts(served: Served) -> tuple[str, list[list[int]]]:
    """What they are, and their first tokens, all equally many."""
    engine = served.engine
    width = min(WIDTH, engine.context)
    some = int(max(LEAST, min(MOST, READ / (count(engine.config).held * width))))
    source, documents = _documents(some)
    rows = [engine.prompt(document.text[: 16 * width])[:width] for document in documents]
    return source, [row for row in rows if len(row) == width]


def _documents(some: int) -> tuple[str, list[Document]]:
    half = (some + 1) // 2
    try:
        return "the almanac (countries and addresses)", [*_every(factbook(), half, 5), *_every(sotu(), half, 5)]
    except MissingExtra:
        return "Python's own help", _every(pydoc(), some, 1)


def _every(documents: Iterator[Document], most: int, step: int) -> list[Document]:
    return list(islice(documents, 0, most * step, step))
