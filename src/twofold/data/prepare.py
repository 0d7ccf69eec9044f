"""Sources to a prepared corpus on disk, one step after the other, each of them counted.

    read -> normalise -> filter -> cut into sections -> exact duplicates -> near duplicates -> hold out -> write

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
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twofold.atomic import writing, writing_folder
from twofold.data.corpus import SPLITS, Corpus
from twofold.data.documents import Document, LeftOut
from twofold.data.duplicates import NEAR, exact_copies, grams, near_copies, overlap
from twofold.data.holdout import hold_out, join, sections
from twofold.data.normalise import normalise
from twofold.data.parallel import default_workers, ordered_map
from twofold.data.quality import fault, preset, trim
from twofold.data.settings import DataSettings
from twofold.data.sources import Source, resolve
from twofold.data.waterfall import Step, step, warnings
from twofold.errors import SourceError

__all__ = ["DataSettings", "prepare"]

_LIBRARIES = ("pyarrow", "pypdf", "rensa", "resiliparse", "zstandard")
_LEFT_OUT = 1000  # files and records that could not be read are named, up to that many
Progress = Callable[[str, int, int], None]
Texts = dict[str, list[Document]]  # by source
Grams = dict[str, list[np.ndarray]]


def prepare(sources: Sequence[str], out: str | os.PathLike[str], settings: DataSettings | None = None,
            progress: Progress | None = None, workers: int | None = None) -> Corpus:
    """Make, or reuse, the corpus of `sources` in the folder `out`. `progress` gets (what, done, total).

    Raises SourceError when a source is unknown or nothing of it is left, MissingExtra, NetworkError, DiskFull.
    """
    out, settings, workers = Path(out), settings or DataSettings(), workers or default_workers()
    tell = progress or (lambda what, done, total: None)
    found = resolve(sources, settings)
    identity = {"inputs": {source.name: source.fingerprint for source in found},
                "settings": asdict(settings), "versions": _versions()}
    try:
        corpus = Corpus.open(out)
        if all(corpus.manifest.get(name) == value for name, value in identity.items()):
            return corpus
    except SourceError:
        pass
    steps: list[Step] = []
    texts: Texts = {}
    total = len(found) + 3
    for i, source in enumerate(found):
        tell(f"reading {source.name}", i, total)
        whole = _clean(source, settings, workers, steps)
        texts[source.name] = sections(whole)
        steps.append(step(source.name, "cut into sections", texts[source.name], [], into=steps[-1].out))
    tell("finding duplicates", len(found), total)
    texts, sets = _deduplicate(texts, workers, steps)
    tell("holding out", len(found) + 1, total)
    train, val = _hold_out(texts, sets, settings.val_share, steps)
    tell("writing", len(found) + 2, total)
    with writing(out / "manifest.json") as beside, writing_folder(out / "text") as folder:
        files = {split: _write(folder / split, texts) for split, texts in zip(SPLITS, (train, val), strict=True)}
        manifest = {**identity, "content": hashlib.sha256(json.dumps(files).encode()).hexdigest(), "files": files,
                    "warnings": warnings(steps), "waterfall": [each.as_json() for each in steps]}
        beside.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (out / "manifest.json").unlink(missing_ok=True)  # it speaks of the texts that go now
    tell("ready", total, total)
    return Corpus.open(out)


def _clean(source: Source, settings: DataSettings, workers: int, steps: list[Step]) -> list[Document]:
    """Read, normalise and filter one source."""
    items = list(source.read(workers))
    read = [item for item in items if isinstance(item, Document)]
    steps.append(step(source.name, "read", read, [(item, item.reason) for item in items if isinstance(item, LeftOut)],
                      samples=_LEFT_OUT))
    _refuse_nothing(source.name, read, steps[-1])
    size = steps[-1].out.bytes
    tidied = list(ordered_map(partial(_tidy, settings=settings), read, _length, size, workers))
    tidy = [document for document, _ in tidied if document.text]
    empty = [(document, "nothing left") for document, _ in tidied if not document.text]
    steps.append(step(source.name, "normalise", tidy, empty, into=steps[-1].out))
    kept = [document for document, reason in tidied if not reason]
    steps.append(step(source.name, "filter", kept, [(document, reason) for document, reason in tidied
                                                    if reason and document.text]))
    _refuse_nothing(source.name, kept, steps[-1])
    return kept


def _tidy(documents: list[Document], settings: DataSettings) -> list[tuple[Document, str | None]]:
    """Each document with clean text, and the reason why it is not good enough, if there is one."""
    result = []
    for document in documents:
        text = normalise(document.text)
        web = settings.rules == "web" or (settings.rules == "auto" and document.kind == "web")
        tidy = replace(document, text=normalise(trim(text)) if web else text)
        result.append((tidy, fault(tidy.text, preset(document.kind, settings.rules)) if tidy.text else "nothing left"))
    return result


def _deduplicate(texts: Texts, workers: int, steps: list[Step]) -> tuple[Texts, Grams]:
    """Copies go wherever they are: the first of all sources stays. Also the grams of the documents that stay."""
    everything = _without([document for documents in texts.values() for document in documents], exact_copies,
                          "exact duplicates", list(texts), steps)
    sets = grams([document.text for document in everything], workers)
    known = {id(document): each for document, each in zip(everything, sets, strict=True)}
    everything = _without(everything, lambda _: near_copies(sets), "near duplicates", list(texts), steps)
    kept = {source: [document for document in everything if document.source == source] for source in texts}
    return kept, {source: [known[id(document)] for document in documents] for source, documents in kept.items()}


def _without(documents: list[Document], find: Callable[[list[Document]], dict[int, int]], name: str,
             sources: list[str], steps: list[Step]) -> list[Document]:
    copies = find(documents)
    kept = [document for i, document in enumerate(documents) if i not in copies]
    for source in sources:
        left = [document for document in kept if document.source == source]
        steps.append(step(source, name, left, [
            (documents[i], f"copy: of {documents[j].source}/{documents[j].id}")
            for i, j in copies.items() if documents[i].source == source]))
        _refuse_nothing(source, left, steps[-1])
    return kept


def _hold_out(texts: Texts, sets: Grams, share: float, steps: list[Step]) -> tuple[Texts, Texts]:
    """Training and held-out documents. What is left for training is like no held-out text, checked against each."""
    chosen = {source: hold_out(documents, share) for source, documents in texts.items()}
    val = {source: [texts[source][i] for i in sorted(held)] for source, held in chosen.items()}
    held = [document for documents in val.values() for document in documents]
    held_sets = [sets[source][i] for source, each in chosen.items() for i in sorted(each)]
    if share > 0 and not held:
        raise SourceError(f"{sum(d.size for ds in texts.values() for d in ds)} bytes of text are too few to hold some "
                          f"out for measuring; a thousand is the least, a million a good start")
    train: Texts = {}
    for source, documents in texts.items():
        rest = [i for i in range(len(documents)) if i not in chosen[source]]
        steps.append(step(source, "hold out", [documents[i] for i in rest], [(d, "held out") for d in val[source]]))
        alike = overlap([sets[source][i] for i in rest], held_sets)
        close = [(documents[i], f"like held-out text: {held[which].source}/{held[which].id}")
                 for i, (likeness, which) in zip(rest, alike, strict=True) if likeness >= NEAR]
        train[source] = [documents[i] for i, (likeness, _) in zip(rest, alike, strict=True) if likeness < NEAR]
        steps.append(step(source, "unlike held-out text", train[source], close))
    return {source: join(each) for source, each in train.items()}, {source: join(each) for source, each in val.items()}


def _write(folder: Path, texts: Texts) -> dict[str, Any]:
    folder.mkdir()
    files = {}
    for source, documents in texts.items():
        lines = [json.dumps({"id": d.id, "kind": d.kind, "text": d.text}, ensure_ascii=False) for d in documents]
        data = "".join(line + "\n" for line in lines).encode("utf-8")
        (folder / f"{source}.jsonl").write_bytes(data)
        files[source] = {"documents": len(documents), "bytes": sum(d.size for d in documents), "size": len(data),
                         "sha256": hashlib.sha256(data).hexdigest()}
    return files


def _refuse_nothing(source: str, kept: list[Document], last: Step) -> None:
    if not kept:
        reasons = "; ".join(f"{reason} ({tally.documents})" for reason, tally in list(last.reasons.items())[:5])
        raise SourceError(
            f"nothing of {source!r} is left after the step {last.name!r}"
            + (f": {reasons}" if reasons else "")
            + ("; --rules none keeps everything" if last.name == "filter" else "")
            + (f"; for example {last.samples[0].id}: {last.samples[0].reason}" if last.samples else "")
        )


def _length(document: Document) -> int:
    return len(document.text)


def _versions() -> dict[str, str]:
    """What the result depends on besides the input: this room's code, the Unicode tables, libraries that read."""
    code = hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    versions = {"code": code.hexdigest(), "unicode": unicodedata.unidata_version}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    return versions
