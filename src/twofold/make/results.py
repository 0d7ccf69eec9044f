"""What a run leaves behind: the two files, with their lineage, and the measures of them."""

from __future__ import annotations

import datetime
import hashlib
import statistics
from pathlib import Path
from typing import Any

from twofold import __version__
from twofold.data.corpus import Corpus
from twofold.make.observer import Observer
from twofold.make.pretrain import Trained
from twofold.make.recipe import Recipe
from twofold.model.count import count
from twofold.tokenizer.bpe import BPETokenizer
from twofold.train.journal import Journal
from twofold.train.machine import Machine
from twofold.weights.locate import PARAMETERS
from twofold.weights.parameters import save
from twofold.weights.torch_state import from_decoder
from twofold.weights.two_files import write_run_file

__all__ = ["measured", "two_files"]


def two_files(
    recipe: Recipe, trained: Trained, tokenizer: BPETokenizer, corpus: Corpus, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write parameters.gguf and run.py; return their sizes and hashes, and the lineage that the first one holds."""
    lineage = {
        "recipe": recipe.hash, "text": corpus.manifest["content"], "sources": list(recipe.sources),
        "code": __version__, "parents": [], "tokens": trained.tokens,
    }
    parameters, program = folder / PARAMETERS, write_run_file(folder)
    save(parameters, recipe.model, from_decoder(trained.model), tokenizer, dtype=recipe.store, lineage=lineage)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
             for path in (parameters, program)}
    return files, lineage
