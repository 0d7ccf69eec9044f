"""A prepared corpus as token ids on disk, memory-mapped: one shard per split and source, and where documents begin.

    OUT/manifest.json              hashes, sizes, dtype
    OUT/shards/SPLIT/SOURCE.bin    token ids, little-endian uint16 (uint32 from 65,537 tokens on)
    OUT/shards/SPLIT/SOURCE.npy    one record (start, length, bytes) per document

Each document is [bos] + encode(text).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from twofold.atomic import writing, writing_folder
from twofold.contracts import Tokenizer
from twofold.data.corpus import SPLITS, Corpus
from twofold.data.parallel import ordered_map
from twofold.errors import SourceError

__all__ = ["DOCUMENT", "TokenStore", "tokenise"]

DOCUMENT = np.dtype([("start", "<i8"), ("length", "<i8"), ("bytes", "<i8")])
_FORMAT = 1
Progress = Callable[[str, int, int], None]


class TokenStore:
    """What `tokenise` wrote. Tokens and document records are memory maps, so opening costs nothing."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest
        self.sources: list[str] = manifest["sources"]
        self._maps: dict[tuple[str, str], np.ndarray] = {}

    @classmethod
    def open(cls, out: str | os.PathLike[str]) -> TokenStore:
        """Raises SourceError when there is no finished store, or when its files are not as long as it says."""
        folder = Path(out)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            store = cls(folder, manifest)
            for split in SPLITS:
                for source in store.sources:
                    size = store._path(split, source, ".bin").stat().st_size
                    if size != manifest["tokens"][split][source] * np.dtype(manifest["dtype"]).itemsize:
                        raise ValueError(f"{store._path(split, source, '.bin')} has {size} bytes")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{folder} holds no finished token store ({error}); tokenise the text again") from error
        return store

    def tokens(self, split: str, source: str) -> np.ndarray:
        """The ids of all documents, one after the other: 1-D memory map of `manifest["dtype"]`."""
        if (split, source) not in self._maps:
            path, dtype = self._path(split, source, ".bin"), np.dtype(self.manifest["dtype"])
            empty = not self.manifest["tokens"][split][source]
            self._maps[split, source] = np.empty(0, dtype) if empty else np.memmap(path, dtype, mode="r")
        return self._maps[split, source]

    def documents(self, split: str, source: str) -> np.ndarray:
        """One record (start, length, bytes) per document: its place in `tokens`, and its text's UTF-8 bytes."""
        return cast(np.ndarray, np.load(self._path(split, source, ".npy"), allow_pickle=False))

    def bytes(self, split: str, source: str) -> int:
        return int(self.documents(split, source)["bytes"].sum())

    def _path(self, split: str, source: str, suffix: str) -> Path:
        return self.folder / "shards" / split / (source + suffix)


def tokenise(corpus: Corpus, tokenizer: Tokenizer, out: str | os.PathLike[str], workers: int = 1,
             progress: Progress | None = None) -> TokenStore:
    """Encode every document of `corpus` into `out`; a finished store of the same text and tokenizer is reused.

    `workers` processes share the work when there is enough of it and the tokenizer can travel to them. The result does
    not depend on it. Raises DiskFull.
    """
    out = Path(out)
    identity = {"format": _FORMAT, "corpus": corpus.manifest["content"], "tokenizer": _fingerprint(tokenizer)}
    if identity["tokenizer"] is not None:
        try:
            store = TokenStore.open(out)
            if all(store.manifest.get(name) == value for name, value in identity.items()):
                return store
        except SourceError:
            pass
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 65536 else "<u4")
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    encode = partial(_encode, tokenizer=tokenizer, dtype=dtype)
    total = sum(corpus.bytes(split, source) for split in SPLITS for source in corpus.sources)
    done = 0
    with writing(out / "manifest.json") as beside, writing_folder(out / "shards") as folder:
        for split in SPLITS:
            (folder / split).mkdir()
            for source in corpus.sources:
                records: list[tuple[int, int, int]] = []
                path = folder / split / source
                start = 0
                with open(f"{path}.bin", "wb") as shard:
                    texts = (document.text for document in corpus.documents(split, source))
                    for text_bytes, ids in ordered_map(encode, texts, len, corpus.bytes(split, source), workers):
                        shard.write(ids.tobytes())
                        records.append((start, len(ids), text_bytes))
                        start += len(ids)
                        done += text_bytes
                        if progress:
                            progress("tokenise", done, total)
                np.save(f"{path}.npy", np.array(records, DOCUMENT), allow_pickle=False)
                counts[split][source] = start
        manifest = {**identity, "dtype": dtype.str, "vocab_size": tokenizer.vocab_size, "sources": corpus.sources,
                    "tokens": counts}
        beside.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        (out / "manifest.json").unlink(missing_ok=True)  # it speaks of the shards that go now
    return TokenStore.open(out)


def _encode(texts: list[str], tokenizer: Tokenizer, dtype: np.dtype) -> list[tuple[int, np.ndarray]]:
    """(UTF-8 bytes of the text, ids with bos in front) for each text."""
    batch = getattr(tokenizer, "encode_batch", None)
    encoded: Iterable[Any] = batch(texts) if batch else map(tokenizer.encode, texts)
    bos = np.array([] if tokenizer.bos_id is None else [tokenizer.bos_id], dtype)
    return [(len(text.encode("utf-8")), np.concatenate([bos, np.asarray(ids).astype(dtype)]))
            for text, ids in zip(texts, encoded, strict=True)]


def _fingerprint(tokenizer: Tokenizer) -> str | None:
    """A hash of the tokenizer's own JSON, or None, which is equal to nothing, when it has none."""
    to_json = getattr(tokenizer, "to_json", None)
    return hashlib.sha256(to_json().encode("utf-8")).hexdigest() if to_json else None
