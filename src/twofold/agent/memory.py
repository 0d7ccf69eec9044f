"""What a model still hears of a conversation that has outgrown its context: the system prompt, and the latest turns.

A turn begins where a person speaks, and is left out whole, with the calls and results that belong to its answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

__all__ = ["heard", "recent"]

Message = TypeVar("Message", bound=Mapping[str, Any])


def heard(context: int) -> int:
    """How many tokens of a context the conversation may take, so that a quarter is left for the answer."""
    return max(1, context - context // 4)


def recent(messages: Sequence[Message], length: Callable[[list[Message]], int], most: int) -> list[Message]:
    """`messages` without the oldest turns, as few as make their `length` at most `most`. The last turn always stays."""
    head = list(takewhile(lambda message: message["role"] == "system", messages))
    begins = [i for i, message in enumerate(messages) if message["role"] == "user"]
    if len(begins) < 2 or length(list(messages)) <= most:
        return list(messages)

    def fits(begin: int) -> bool:
        return length([*head, *messages[begin:]]) <= most

    return [*head, *messages[begins[bisect_left(begins, True, 1, len(begins) - 1, key=fits)] :]]
