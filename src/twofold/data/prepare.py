"""Sources to a prepared corpus on disk, one step after the other, each of them counted.

    read -> normalise -> filter -> sections -> exact duplicates -> near duplicates -> hold out -> write

The same input and settings give the same bytes, whatever the number of workers. A finished corpus whose inputs,
settings and versions are unchanged is reused. Texts are held in memory from reading to writing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from twofold.atomic import atomic_write, writing_folder
from twofold.data.corpus import SPLITS, Corpus, file_name
from twofold.data.documents import Document, LeftOut
from twofold.data.duplicates import exact_copies, near_copies
from twofold.data.holdout import hold_out, join, sections
from twofold.data.normalise import normalise
from twofold.data.quality import fault
from twofold.data.sources import Source, resolve
from twofold.data.waterfall import Step, Tally, step
from twofold.errors import ConfigError, SourceError

__all__ = ["DataSettings", "prepare"]

_FORMAT = 1
_READERS = ("rensa",)
Progress = Callable[[str, int, int], None]
Dropped = list[tuple[Document | LeftOut, str]]


@dataclass(frozen=True)
class DataSettings:
    """`val_share`: the part of each source's documents that is held out."""

    val_share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.val_share < 1:
            raise ConfigError(f"val_share={self.val_share} must be at least 0 and below 1; the usual is 0.05")


def prepare(sources: Sequence[str], out: str | os.PathLike[str], settings: DataSettings | None = None,
            progress: Progress | None = None) -> Corpus:
    """Make, or reuse, the corpus of `sources` in `out`.

    Raises SourceError when a source is unknown or nothing of it is left, MissingExtra, NetworkError, DiskFull.
    """
    out, settings = Path(out), settings or DataSettings()
    found = resolve(list(sources))
    inputs = {source.name: source.fingerprint for source in found}
    identity = {"format": _FORMAT, "inputs": inputs, "settings": asdict(settings), "versions": _versions()}
    try:
        corpus = Corpus.open(out)
        if all(corpus.manifest.get(name) == value for name, value in identity.items()):
            return corpus
    except SourceError:
        pass
    steps: list[Step] = []
    documents: dict[str, list[Document]] = {}
    for i, source in enumerate(found):
        if progress:
            progress(f"read {source.name}", i, len(found))
        documents[source.name] = _clean(source, steps)
    documents = _deduplicate(documents, steps)
    splits = {name: _split(texts, settings.val_share) for name, texts in documents.items()}
    for name, (train, val) in splits.items():
        steps.append(step(name, "hold out", train, [(d, "held out") for d in val]))
    (out / "manifest.json").unlink(missing_ok=True)
    with writing_folder(out / "text") as folder:
        files = _write(folder, splits)
    content = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    manifest = {**identity, "content": content, "files": files, "waterfall": [s.as_json() for s in steps]}
    atomic_write(out / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return Corpus.open(out)


def _clean(source: Source, steps: list[Step]) -> list[Document]:
    """Read, normalise and filter one source."""
    read: list[Document] = []
    left_out: Dropped = []
    for item in source.read():
        if isinstance(item, LeftOut):
            left_out.append((item, item.reason))
        else:
            read.append(item)
    steps.append(step(source.name, "read", read, left_out))
    into = steps[-1].out
    tidy = [replace(document, text=normalise(document.text)) for document in read]
    steps.append(step(source.name, "normalise", [d for d in tidy if d.text],
                      [(d, "nothing left") for d in tidy if not d.text], Tally(into.documents, into.bytes)))
    faults = [(document, fault(document)) for document in tidy if document.text]
    kept = [document for document, reason in faults if not reason]
    steps.append(step(source.name, "filter", kept, [(document, reason) for document, reason in faults if reason]))
    return kept


def _deduplicate(documents: dict[str, list[Document]], steps: list[Step]) -> dict[str, list[Document]]:
    """Copies go wherever they are: the first of all sources stays."""
    everything = [section for texts in documents.values() for section in sections(texts)]
    for name, find in (("exact duplicates", exact_copies),
                       ("near duplicates", lambda items: near_copies([item.text for item in items]))):
        copies = find(everything)
        kept = [document for i, document in enumerate(everything) if i not in copies]
        for source in documents:
            dropped = [(everything[i], f"copy of: {everything[j].source} {everything[j].id}")
                       for i, j in copies.items() if everything[i].source == source]
            steps.append(step(source, name, [d for d in kept if d.source == source], dropped))
        everything = kept
    return {source: [d for d in everything if d.source == source] for source in documents}


def _split(documents: list[Document], share: float) -> tuple[list[Document], list[Document]]:
    chosen = hold_out(documents, share)
    return (join([d for i, d in enumerate(documents) if i not in chosen]),
            join([d for i, d in enumerate(documents) if i in chosen]))


def _write(folder: Path, splits: dict[str, tuple[list[Document], list[Document]]]) -> dict[str, Any]:
    files: dict[str, Any] = {}
    for split, which in zip(SPLITS, (0, 1), strict=True):
        (folder / split).mkdir()
        files[split] = {}
        for source, both in splits.items():
            lines = [json.dumps({"id": d.id, "kind": d.kind, "text": d.text}, ensure_ascii=False) for d in both[which]]
            data = "".join(line + "\n" for line in lines).encode("utf-8")
            (folder / split / f"{file_name(source)}.jsonl").write_bytes(data)
            files[split][source] = {"documents": len(lines), "bytes": sum(d.size for d in both[which]),
                                    "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return files


def _versions() -> dict[str, str]:
    versions = {"unicode": unicodedata.unidata_version}
    for name in _READERS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    return versions
