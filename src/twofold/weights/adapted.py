"""A model with an adapter in its weights, as a parameters file that opens like any other."""

from __future__ import annotations

from pathlib import Path

from twofold.weights import adapters
from twofold.weights.locate import downloads
from twofold.weights.parameters import load, save

__all__ = ["adapted"]


def adapted(path: Path, adapter: Path) -> Path:
    """The file of `path` with `adapter` (a file, or the folder of the run that learned it) in it.

    It is made once, and kept among what was downloaded, by the hashes of the two. Raises FileFormatError for what is
    no adapter, ConfigError for one of another model.
    """
    adapter = adapter / adapters.ADAPTER if adapter.is_dir() else adapter
    learned, base = adapters.load(adapter), adapters.fingerprint(path)
    kept = downloads() / "merged" / f"{base[:16]}-{adapters.fingerprint(adapter)[:16]}.gguf"
    if not kept.exists():
        found = adapters.merged(load(path), learned, base)
        save(kept, found.config, found.state, found.tokenizer, dtype="BF16",
             chat_template=found.chat_template, lineage=found.lineage)  # fmt: skip
    return kept
