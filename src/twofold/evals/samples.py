"""Samples: what a model writes after prompts that are the same for every run, so that runs can be compared by eye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twofold.contracts import Sampling
from twofold.engine.open import Engine

__all__ = ["PROMPTS", "Sample", "samples"]

PROMPTS = ("", "The", "In the year 1900,", "The capital of France is")


@dataclass(frozen=True)
class Sample:
    """`text` is what the model added to `prompt`."""

    prompt: str
    seed: int
    text: str


def samples(
    engine: Engine, prompts: Sequence[str] = PROMPTS, n: int = 64, seeds: Sequence[int] = (0,)
) -> Iterator[Sample]:
    """One sample for each prompt and seed, with the usual sampling; prompts longer than the context are skipped."""
    for prompt in prompts:
        ids = engine.prompt(prompt)
        if not 0 < len(ids) <= engine.context:
            continue
        for seed in seeds:
            tokens = engine.generate(ids, n, Sampling(seed=seed), candidates=0)
            written = [token.id for token in tokens if token.id != engine.tokenizer.eos_id]
            yield Sample(prompt, seed, engine.tokenizer.decode(written))
