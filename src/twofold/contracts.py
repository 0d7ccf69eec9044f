"""What one room may ask of another without knowing its class: a few Protocols and the values they pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Candidate", "Generate", "Sampling", "Token", "Tokenizer"]


@runtime_checkable
class Tokenizer(Protocol):
    """Text to token ids and back. `decode_bytes` is exact for every id; `decode` replaces invalid UTF-8."""

    vocab_size: int
    specials: dict[str, int]
    bos_id: int | None
    eos_id: int | None

    def encode(self, text: str, *, parse_special: bool = False) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def decode_bytes(self, ids: Sequence[int]) -> bytes: ...


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. Order: repetition penalty, top-k, top-p, min-p, then temperature (0 is greedy).

    With `repeat` above 1 a token among the latest 64 (of prompt and answer) has its score divided by it where that is
    positive, and multiplied by it where it is negative.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    id: int
    probability: float


@dataclass(frozen=True)
class Token:
    """One generated token. `candidates` are the likeliest next tokens, most probable first, before sampling filters."""

    id: int
    probability: float
    candidates: tuple[Candidate, ...] = ()


class Generate(Protocol):
    """Anything that continues a prompt of token ids, one Token at a time, at most `n` of them."""

    def __call__(self, prompt: Sequence[int], n: int, sampling: Sampling) -> Iterator[Token]: ...
