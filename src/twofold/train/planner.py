"""The one dial: how large a model, over which vocabulary, for the best held-out bits per byte in a given time.

    tokens/s  = peak * efficiency(d_model) / FLOPs per token
    bits/byte = share * (E + A N^-alpha + B D^-beta - V log2(vocabulary / 4096)),   D the bytes of text that are seen

The law is Chinchilla's (Hoffmann et al. 2022, arXiv:2203.15556, approach 3), with a term for the vocabulary, whose
bigrams are known before the first step; benchmarks/scaling.py fits its constants. Text that is read again is worth
less each time: of R further passes, 15 (1 - exp(-R / 15)) count (Muennighoff et al. 2023, arXiv:2305.16264, section 5).
`share` scales the law to a text by how far a general compressor gets on it.

Pure arithmetic: no model, no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from twofold.errors import ConfigError
from twofold.model.config import ModelConfig
from twofold.model.count import count, flops_per_token
from twofold.train.shortlist_settings import ShortlistSettings

__all__ = [
    "BIGRAM_STEPS",
    "LARGEST_BIGRAM",
    "Budget",
    "Law",
    "Plan",
    "best_batch",
    "bigram_seconds",
    "bits_per_byte",
    "bytes_per_token",
    "efficiency",
    "plan",
    "vocabularies",
]

_WIDTHS = (128, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048)
_VOCABULARIES = (512, 1024, 2048, 4096, 8192, 16384, 32768)
_REPEATS_WORTH = 15.0
_WIDTH_PER_LAYER = 85
_BYTES_PER_ENTRY = 2000
_COMPILE_SECONDS = 30.0
BIGRAM_STEPS = 20
LARGEST_BIGRAM = 16384  # tokens, for which the table of pairs takes 1 GiB


@dataclass(frozen=True)
class Law:
    """For the mean of sotu and factbook."""

    E: float = 0.7297
    A: float = 223.9137
    alpha: float = 0.5274
    B: float = 91.7929
    beta: float = 0.3658
    V: float = 0.0149


@dataclass(frozen=True)
class Budget:
    """`peak` in FLOP/s as measured; `text_bytes` of training text."""

    seconds: float
    peak: float
    text_bytes: int
    context: int = 256
    compiled: bool = True


@dataclass(frozen=True)
class Plan:
    model: ModelConfig
    batch: int
    steps: int
    tokens_per_second: float
    bits_per_byte: float
    bigram_seconds: float

    @property
    def tokens(self) -> int:
        return self.steps * self.batch * self.model.context


def plan(budget: Budget, law: Law | None = None, **fixed: int) -> Plan:
    """The best shape for the budget; `fixed` holds choices already made: vocab_size, n_layers, d_model, batch.

    Raises ConfigError when nothing fits.
    """
    law = law or Law()
    plans = [_planned(budget, law, config, fixed.get("batch", 0)) for config in _candidates(budget, fixed)]
    if not plans:
        raise ConfigError(f"no shape fits {fixed}; leave one of these open")
    return min(plans, key=lambda candidate: candidate.bits_per_byte)


def bits_per_byte(law: Law, parameters: float, vocab_size: int, seen: float, unique: float) -> float:
    """What the law expects after `seen` bytes of `unique` ones; `parameters` are all matrices but the embedding."""
    passes = max(0.0, seen / unique - 1)
    worth = min(seen, unique) * (1 + _REPEATS_WORTH * (1 - math.exp(-passes / _REPEATS_WORTH)) if passes else 1)
    expected = law.E + law.A * parameters**-law.alpha + law.B * worth**-law.beta
    return expected - law.V * math.log2(vocab_size / 4096)


def efficiency(d_model: int, compiled: bool = True) -> float:
    """The share of the matrix-product peak that training reaches at a width (benchmarks/training.py measures it)."""
    reached = d_model / (d_model + 240.0)
    return reached if compiled else 0.6 * reached


def bytes_per_token(vocab_size: int) -> float:
    """What a byte-level BPE gets out of a token of English prose and facts, by the size of its vocabulary."""
    return 0.49 * math.log2(vocab_size) - 2.32


def _candidates(budget: Budget, fixed: dict[str, int]) -> Iterator[ModelConfig]:
    for d_model in [fixed["d_model"]] if "d_model" in fixed else _WIDTHS:
        n_layers = fixed.get("n_layers") or max(2, round(d_model / _WIDTH_PER_LAYER))
        n_heads = fixed.get("n_heads") or max(1, d_model // 64)
        for vocab_size in [fixed["vocab_size"]] if "vocab_size" in fixed else vocabularies(budget.text_bytes):
            yield ModelConfig(vocab_size, n_layers, d_model, n_heads, budget.context)


def vocabularies(text_bytes: int) -> list[int]:
    """The sizes for which the text shows each token some hundred times; the smallest for any text."""
    return [size for size in _VOCABULARIES if size * _BYTES_PER_ENTRY <= text_bytes] or [_VOCABULARIES[0]]


def _planned(budget: Budget, law: Law, config: ModelConfig, batch: int) -> Plan:
    flops = flops_per_token(config, budget.context, scored=ShortlistSettings().scored_in_all)
    rate = budget.peak * efficiency(config.d_model, budget.compiled) / flops
    begin = BIGRAM_STEPS * bigram_seconds(config, budget.peak) if config.vocab_size <= LARGEST_BIGRAM else 0.0
    waiting = max(_COMPILE_SECONDS, 2 * begin) if budget.compiled else 1.0 + begin  # beside the compiler, on half
    left = budget.seconds - waiting - 0.04 * budget.seconds
    tokens = rate * max(0.1 * budget.seconds, left)
    batch = batch or best_batch(tokens, budget.context)
    steps = max(1, round(tokens / (batch * budget.context)))
    sizes = count(config)
    multiplied = sizes.total_of_eight - sizes.eight["embedding"] + sizes.rest.get("gate", 0)
    seen = tokens * bytes_per_token(config.vocab_size)
    expected = bits_per_byte(law, multiplied, config.vocab_size, seen, budget.text_bytes)
    return Plan(config, batch, steps, rate, expected, begin)


def bigram_seconds(config: ModelConfig, peak: float) -> float:
    """One step on the table of pair counts: three products of it, and about as long again in memory."""
    return 2 * 6 * config.vocab_size**2 * config.d_model / peak


def best_batch(tokens: float, context: int) -> int:
    """Rows a step, small while tokens are few, so that there are many steps."""
    rows = 2048 / context * max(1.0, tokens / 3e6) ** 0.5
    return max(1, 2 ** round(math.log2(max(1.0, rows))))
