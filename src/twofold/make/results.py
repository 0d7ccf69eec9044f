"""What a run leaves behind: the two files, with their lineage, and the measures of them."""

from __future__ import annotations

import datetime
import hashlib
import statistics
from pathlib import Path
from typing import Any

from twofold import __version__
from twofold.contracts import Sampling
from twofold.data.corpus import Corpus
from twofold.engine.open import open_model
from twofold.evals.bits_per_byte import evaluate_texts
from twofold.evals.samples import PROMPTS, samples
from twofold.make.observer import Observer
from twofold.make.pretrain import Trained
from twofold.make.recipe import Recipe
from twofold.model.count import count
from twofold.tokenizer.bpe import BPETokenizer
from twofold.train.journal import Journal
from twofold.train.machine import Machine
from twofold.weights.parameters import save
from twofold.weights.torch_state import from_decoder
from twofold.weights.two_files import write_run_file

__all__ = ["measured", "two_files"]


def two_files(
    recipe: Recipe, trained: Trained, tokenizer: BPETokenizer, corpus: Corpus, parameters: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write `parameters`, and run.py beside it; return their sizes and hashes, and the lineage that the first holds."""
    lineage = {
        "recipe": recipe.hash, "text": corpus.manifest["content"], "sources": list(recipe.sources),
        "code": __version__, "parents": [], "tokens": trained.tokens,
    }
    program = write_run_file(parameters.parent)
    save(parameters, recipe.model, from_decoder(trained.model), tokenizer, dtype=recipe.store, lineage=lineage)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
             for path in (parameters, program)}
    return files, lineage


def measured(
    recipe: Recipe, trained: Trained, corpus: Corpus, machine: Machine, parameters: Path, observer: Observer
) -> dict[str, Any]:
    """Open the parameters file as anyone would, in float32, and measure it on all the held-out text, by source."""
    engine = open_model(parameters, "torch", machine.device, "float32")
    evaluation = {}
    sources = [source for source in corpus.sources if corpus.bytes("val", source)]
    for done, source in enumerate(sources):
        observer.progress(f"measuring {source}", done, len(sources))
        texts = {document.id: document.text for document in corpus.documents("val", source)}
        found = evaluate_texts(engine, texts)[1]
        evaluation[source] = {
            "bits_per_byte": found.bits_per_byte, "low": found.low, "high": found.high, "bytes": found.bytes,
            "tokens": found.tokens, "documents": len(texts), "context": found.context, "baselines": found.baselines,
        }
    journal = Journal(parameters.with_name("log.jsonl"))
    steps = journal.events("step")
    return {
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "code_version": __version__,
        "minutes": recipe.minutes, "training_seconds": trained.seconds, "tokens": trained.tokens, "steps": len(steps),
        "parameters": count(recipe.model).held, "machine": machine.to_dict(), "context": recipe.train.context,
        "evaluation": evaluation,
        "samples": [{"prompt": one.prompt, "text": one.text, "seed": one.seed, "temperature": Sampling().temperature}
                    for one in samples(engine, (*PROMPTS, *_openings(corpus)))],
        "speed": {name: statistics.median(step[name] for step in steps) for name in ("tokens_per_second", "mfu")},
    }


def _openings(corpus: Corpus) -> list[str]:
    """The first words of the first held-out document of each source."""
    firsts = (next(iter(corpus.documents("val", source)), None) for source in corpus.sources)
    return [" ".join(first.text.split()[:6]) for first in firsts if first]
