"""Bits per byte: how many bits a model needs for each byte of a text, were it used to compress it.

    bpb = nats / (ln 2 · bytes)

Unlike perplexity per token it does not depend on how the tokenizer cuts, so any two models can be compared on the same
bytes. Every text is a document of its own: its first token is predicted from bos, each of its tokens and bytes is
counted once, and the context is stated, since more of it helps. The interval is a bootstrap (Efron 1979): documents
are drawn anew, with replacement, 1000 times; where there are few of them, blocks of text instead (Künsch 1989).
"""

from __future__ import annotations

import lzma
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twofold.engine.open import Engine
from twofold.errors import SourceError

__all__ = ["Measured", "baselines", "bits_per_byte", "bootstrap", "evaluate_texts"]

MANY = 20  # documents; with fewer, the interval is taken over blocks
BLOCK = 128  # tokens
LEAST = 5  # units, for an interval to say anything
RESAMPLES = 1000


@dataclass(frozen=True)
class Measured:
    """`low` and `high` are the 95 % interval of `bits_per_byte`, nan where there is too little text for one.

    `resampled` says what the interval is taken over, and `units` how many of them there were.
    """

    bits_per_byte: float
    low: float
    high: float
    nats: float
    bytes: int
    tokens: int
    context: int
    stride: int
    resampled: str
    units: int
    baselines: dict[str, float]

    @property
    def perplexity(self) -> float:
        """exp(nats / tokens): per token, so comparable only between models that share a tokenizer."""
        mean = self.nats / self.tokens
        return math.exp(mean) if mean < 700 else math.inf


def bits_per_byte(nats: float, n_bytes: int) -> float:
    return nats / (math.log(2) * n_bytes)


def bootstrap(nats: np.ndarray, n_bytes: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of sum(nats) / (ln 2 · sum(bytes)) when the units are drawn anew; nan for fewer than five units."""
    n = len(nats)
    if n < LEAST:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    draws: list[float] = []
    while len(draws) < RESAMPLES:
        size = min(RESAMPLES, 1 + 1_000_000 // n)
        times = random.multinomial(n, np.full(n, 1 / n), size)  # how often each unit is drawn
        draws += ((times @ nats) / (times @ n_bytes)).tolist()
    low, high = np.percentile(np.array(draws[:RESAMPLES]) / math.log(2), (2.5, 97.5))
    return float(low), float(high)


def baselines(text: bytes) -> dict[str, float]:
    """Bits per byte without any model: of `xz -9` on this text alone, and of byte frequencies counted on this text."""
    size = min(max(4096, len(text)), 1 << 26)  # a dictionary longer than the text takes time and does nothing
    xz = lzma.compress(text, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": size}])
    counts = np.bincount(np.frombuffer(text, np.uint8), minlength=256)
    p = counts[counts > 0] / len(text)
    return {"xz": 8 * len(xz) / len(text), "bytes": float(-(p * np.log2(p)).sum())}


def evaluate_texts(
    engine: Engine, texts: Mapping[str, str], *, context: int | None = None, stride: int | None = None
) -> tuple[dict[str, Measured], Measured]:
    """Measure each text by name, and all together. `context` is the model's, and `stride` the context, if not given.

    The bytes are those that the tokens stand for: all of the text, unless the vocabulary lacks some of the 256 bytes.
    Raises SourceError for a text with nothing in it.
    """
    context = context or engine.context
    stride = stride or context
    documents = []
    for name, text in texts.items():
        documents.append(np.array([_first(engine), *engine.tokenizer.encode(text)]))
        if len(documents[-1]) == 1:
            raise SourceError(f"there is no text in {name}; give a file that holds some")
    size_of = np.array([len(engine.tokenizer.decode_bytes([i])) for i in range(engine.tokenizer.vocab_size)])
    sizes = [size_of[document[1:]] for document in documents]
    nats = engine.score_documents(documents, context=context, stride=stride)
    raw = {name: text.encode("utf-8", "replace") for name, text in texts.items()}
    each = {
        name: _measure([n], [size], context, stride, baselines(raw[name]))
        for name, n, size in zip(texts, nats, sizes, strict=True)
    }
    return each, _measure(nats, sizes, context, stride, baselines(b"".join(raw.values())))


def _first(engine: Engine) -> int:
    """What the first token is predicted from: bos, else eos, else the first token of the vocabulary."""
    tokenizer = engine.tokenizer
    return next((i for i in (tokenizer.bos_id, tokenizer.eos_id) if i is not None), 0)


def _measure(
    nats: Sequence[np.ndarray], sizes: Sequence[np.ndarray], context: int, stride: int, without: dict[str, float]
) -> Measured:
    """From the nats and the bytes of each token of each document."""
    documents = len(nats) >= MANY
    step = max(map(len, nats)) if documents else BLOCK
    parts = [
        (n[at : at + step], size[at : at + step])
        for n, size in zip(nats, sizes, strict=True)
        for at in range(0, len(n), step)
    ]
    resampled = "documents" if documents else f"blocks of {BLOCK} tokens"
    unit_nats = np.array([n.sum() for n, _ in parts])
    unit_bytes = np.array([size.sum() for _, size in parts])
    low, high = bootstrap(unit_nats, unit_bytes)
    total, n_bytes = float(unit_nats.sum()), int(unit_bytes.sum())
    tokens = sum(map(len, nats))
    value = bits_per_byte(total, n_bytes)
    return Measured(value, low, high, total, n_bytes, tokens, context, stride, resampled, len(parts), without)
