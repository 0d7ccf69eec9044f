"""The one dial: how large a model, over which vocabulary, for the best held-out bits per byte in a given time.

    tokens/s  = peak * efficiency(d_model) / FLOPs per token
    bits/byte = share * (E + A N^-alpha + B D^-beta),   D the bytes of text that are seen

The law is Chinchilla's (Hoffmann et al. 2022, arXiv:2203.15556, approach 3), fitted to short runs of this very code
(benchmarks/scaling.py prints the fit). Text that is read again is worth less each time: of R further passes,
15 (1 - exp(-R / 15)) count (Muennighoff et al. 2023, arXiv:2305.16264, section 5). `share` scales the law to a text
by how far a general compressor gets on it. Pure arithmetic: no model, no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from twofold.errors import ConfigError
from twofold.model.config import ModelConfig
from twofold.model.count import count, flops_per_token
from twofold.train.optimiser_settings import OptimiserSettings

__all__ = ["Budget", "Law", "Plan", "best_batch", "bits_per_byte", "bytes_per_token", "efficiency", "plan"]

_WIDTHS = (64, 128, 192, 256, 320, 384, 512, 640, 768, 1024, 1280, 1536, 2048)
_VOCABULARIES = (1024, 2048, 4096, 8192, 16384, 32768)
_REPEATS_WORTH = 15.0


@dataclass(frozen=True)
class Law:
    E: float = 0.30
    A: float = 20.0
    alpha: float = 0.25
    B: float = 250.0
    beta: float = 0.33


@dataclass(frozen=True)
class Budget:
    """`peak` in FLOP/s as measured; `text_bytes` of training text; `fixed` seconds go to compiling and measuring."""

    seconds: float
    peak: float
    text_bytes: int
    context: int = 256
    fixed: float = 25.0
    compiled: bool = True


@dataclass(frozen=True)
class Plan:
    model: ModelConfig
    batch: int
    steps: int
    tokens_per_second: float
    bits_per_byte: float
    optimiser: OptimiserSettings = OptimiserSettings()
    reasons: tuple[str, ...] = ()

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


def bits_per_byte(law: Law, parameters: float, seen: float, unique: float) -> float:
    """What the law expects of `parameters` (matrices, without embedding) after `seen` bytes of `unique` ones."""
    passes = max(0.0, seen / unique - 1)
    worth = min(seen, unique) * (1 + _REPEATS_WORTH * (1 - math.exp(-passes / _REPEATS_WORTH)) if passes else 1)
    return law.E + law.A * parameters**-law.alpha + law.B * worth**-law.beta


def efficiency(d_model: int, compiled: bool = True) -> float:
    """The share of the matrix-product peak that training reaches at a width (benchmarks/training.py measures it)."""
    reached = d_model / (d_model + 260.0)
    return reached if compiled else 0.6 * reached


def bytes_per_token(vocab_size: int) -> float:
    """What a byte-level BPE gets out of a token of English prose and facts, by the size of its vocabulary."""
    return 0.31 * math.log2(vocab_size) - 0.18


def _candidates(budget: Budget, fixed: dict[str, int]) -> Iterator[ModelConfig]:
    for d_model in [fixed["d_model"]] if "d_model" in fixed else _WIDTHS:
        depths = [fixed["n_layers"]] if "n_layers" in fixed else sorted({max(2, d_model // r) for r in (32, 42, 64, 96)})
        for n_layers in depths:
            for vocab_size in [fixed["vocab_size"]] if "vocab_size" in fixed else _VOCABULARIES:
                n_heads = fixed.get("n_heads") or max(1, d_model // 64)
                yield ModelConfig(vocab_size, n_layers, d_model, n_heads, budget.context)


def _planned(budget: Budget, law: Law, config: ModelConfig, batch: int) -> Plan:
    rate = budget.peak * efficiency(config.d_model, budget.compiled) / flops_per_token(config, budget.context)
    tokens = rate * max(0.25 * budget.seconds, budget.seconds - budget.fixed)
    batch = batch or best_batch(tokens, budget.context)
    steps = max(1, round(tokens / (batch * budget.context)))
    sizes = count(config)
    inner = sizes.total_of_eight - 2 * sizes.eight["embedding"] + sizes.rest.get("gate", 0)
    expected = bits_per_byte(law, inner, tokens * bytes_per_token(config.vocab_size), budget.text_bytes)
    return Plan(config, batch, steps, rate, expected)


def best_batch(tokens: float, context: int) -> int:
    """Rows a step: the batch grows with the square root of the tokens, from measured runs of 0.3 to 5 million."""
    rows = 4096 / context * (tokens / 1.5e6) ** 0.5
    return max(1, 2 ** round(math.log2(max(1.0, rows))))
