"""Prepared text on disk: one JSON-lines file per split and source, and a manifest that says how it came to be.

    OUT/manifest.json                  inputs, settings, versions, files, waterfall, what was left out, warnings
    OUT/text/SPLIT/SOURCE.jsonl        {"id", "kind", "text"} a line
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twofold.data.documents import Document
from twofold.errors import SourceError

__all__ = ["SPLITS", "Corpus"]

SPLITS = ("train", "val")


class Corpus:
    """What `prepare` wrote. `manifest["content"]` is a hash of every text in it."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest

    @classmethod
    def open(cls, out: str | os.PathLike[str]) -> Corpus:
        """Raises SourceError when there is no finished corpus, or when its files are not as long as it says."""
        folder = Path(out)
        try:
            corpus = cls(folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8")))
            for split in SPLITS:
                for source in corpus.sources:
                    size = corpus.path(split, source).stat().st_size
                    if size != corpus.manifest["files"][split][source]["size"]:
                        raise ValueError(f"{corpus.path(split, source)} has {size} bytes")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{folder} holds no finished corpus ({error}); make one with: "
                              f"twofold data SOURCE --out {folder}") from error
        return corpus

    @property
    def sources(self) -> list[str]:
        return list(self.manifest["files"]["train"])

    def bytes(self, split: str, source: str | None = None) -> int:
        """UTF-8 bytes of the texts."""
        files = self.manifest["files"][split]
        return sum(files[name]["bytes"] for name in ([source] if source else files))

    def documents(self, split: str, source: str | None = None) -> Iterator[Document]:
        for name in [source] if source else self.sources:
            with open(self.path(split, name), encoding="utf-8") as lines:
                for line in lines:
                    record = json.loads(line)
                    yield Document(record["id"], name, record["kind"], record["text"])

    def path(self, split: str, source: str) -> Path:
        return self.folder / "text" / split / f"{source}.jsonl"
