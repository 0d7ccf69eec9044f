"""What the actions of `twofold circuits` have in common: words as tokens, heads by name, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from twofold.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["columns", "first_token", "strongest_heads", "with_names"]


def first_token(tokenizer: BPETokenizer, word: str) -> int:
    ids = tokenizer.encode(word)
    if not ids:
        raise ConfigError("a word is needed, and an empty one is none")
    return ids[0]


def with_names(tokenizer: BPETokenizer, found: Sequence[tuple[int, float]], value: str) -> list[dict[str, Any]]:
    return [{"id": one, "token": tokenizer.decode([one]), value: number} for one, number in found]


def strongest_heads(values: Tensor, top: int) -> list[tuple[str, float]]:
    """Heads by name with the largest values, either way."""
    flat, h = values.flatten(), values.shape[1]
    order = flat.abs().topk(min(top, len(flat))).indices.tolist()
    return [(f"{at // h}.{at % h}", float(flat[at])) for at in order]


def columns(*heads: str, left: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, justify="left" if head in left else "right")
    return table
