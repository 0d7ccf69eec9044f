"""Constrained output: at every token only what can still become an answer of the asked form is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Constraint"]


@dataclass(frozen=True)
class Constraint:
    """What the answer must be; made by one of the three below, checked when it is submitted."""

    kind: Literal["json_schema", "regex", "choices"]
    grammar: str

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool) -> Constraint:
        """JSON that the schema accepts; {} or True for any JSON value."""
        raise NotImplementedError

    @classmethod
    def regex(cls, pattern: str) -> Constraint:
        """A text that the pattern matches as a whole."""
        raise NotImplementedError

    @classmethod
    def choices(cls, texts: Sequence[str]) -> Constraint:
        """One of the texts."""
        raise NotImplementedError
