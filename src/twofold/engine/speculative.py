"""Speculation: guess the next few tokens cheaply, and let the model check all of them in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twofold.engine.answer import Answer

__all__ = ["Drafter"]


class Drafter(Protocol):
    def propose(self, answers: list[tuple[Answer, int]]) -> dict[int, list[int]]:
        """Guesses of the next tokens, by the answer's id; at most as many as stands with each answer."""
        ...

    def learn(self, answer: Answer, drafted: int, right: int) -> None:
        """How many of the guesses were right."""
        ...

    def forget(self, answer: Answer) -> None:
        """The answer has ended."""
        ...
