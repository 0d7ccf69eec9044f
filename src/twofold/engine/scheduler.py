"""Who reads how much in the next step: policy in plain Python, which knows no model.

A text owes the model ids: all of its prompt at first, then at each step the one that was drawn (and its drafts).

    places     at most `slots` texts take part in a step, first come, first served. While others wait, a text that has
               had `turn` tokens since it got its place gives it up and queues behind them: round robin
    caches     at most `resident` texts have been begun and not finished; others wait for one of these to finish
    a step     texts that write get all that they owe, at once. What is left of `budget` is shared evenly among those
               that still read their prompts, so that a short prompt does not wait for a long one; they get at least
               `least` ids together, and ALONE times the budget when no one writes, since then no one is held up

So nobody starves: a text that reads goes on by at least one id in each round of a step, a text that writes by one token
in each step that it has a place in, and a place comes round after at most (waiting / slots + 1) turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scheduler"]

ALONE = 4


@dataclass
class _Text:
    id: int
    owes: int = 0
    writes: bool = False
    begun: bool = False
    served: int = 0


class Scheduler:
    def __init__(
        self, slots: int = 16, *, resident: int | None = None, budget: int = 128, least: int = 32, turn: int = 64
    ) -> None:
        self.slots, self.budget, self.least, self.turn = slots, budget, least, turn
        self.resident = 4 * slots if resident is None else max(resident, slots)
        self._texts: dict[int, _Text] = {}
        self._waiting: deque[_Text] = deque()
        self._placed: list[_Text] = []

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def running(self) -> int:
        """Texts that have a place."""
        return len(self._placed)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, id: int) -> None:
        """A new text queues up."""
        self._texts[id] = text = _Text(id)
        self._waiting.append(text)

    def remove(self, id: int) -> None:
        """It is done, or no longer wanted."""
        text = self._texts.pop(id)
        if text in self._placed:
            self._placed.remove(text)
        else:
            self._waiting.remove(text)

    def owe(self, id: int, n: int, *, writes: bool) -> None:
        """The text has n ids yet to read. One that `writes` reads all of them in one step; it was given a token."""
        text = self._texts[id]
        text.owes, text.writes = n, writes
        text.served += writes

    def begin(self) -> list[int]:
        """Fill the places; the texts that get one for the first time, for which `owe` is called next."""
        self._give_up_places()
        fresh = []
        while len(self._placed) < self.slots and (text := self._next_waiting()):
            self._waiting.remove(text)
            self._placed.append(text)
            text.served = 0
            if not text.begun:
                text.begun = True
                fresh.append(text.id)
        return fresh

    def plan(self) -> list[tuple[int, int]]:
        """Who reads how many ids in the next step, writers first; `read` tells what became of it."""
        writers = [text for text in self._placed if text.writes]
        readers = [text for text in self._placed if not text.writes]
        spent = sum(text.owes for text in writers)
        left = max(self.budget - spent, self.least) if writers else ALONE * self.budget
        return [(text.id, text.owes) for text in writers] + _even(readers, left)

    def read(self, id: int, n: int) -> None:
        """The text has read n ids and owes so many less."""
        self._texts[id].owes -= n

    def _give_up_places(self) -> None:
        free = self.slots - len(self._placed)
        asking = sum(1 for text in self._waiting if text.begun) + max(0, self.resident - self._begun())
        over = min(len(self._waiting), asking) - free
        for text in sorted(self._placed, key=lambda one: -one.served)[: max(0, over)]:
            if text.served >= self.turn:
                self._placed.remove(text)
                self._waiting.append(text)

    def _next_waiting(self) -> _Text | None:
        """The first in the queue; one that was not begun has to wait while as many as can be are."""
        full = self._begun() >= self.resident
        return next((text for text in self._waiting if text.begun or not full), None)

    def _begun(self) -> int:
        return sum(text.begun for text in self._texts.values())


def _even(readers: Iterable[_Text], left: int) -> list[tuple[int, int]]:
    """Shares of `left`, those that owe least first: what one does not need goes to the others."""
    queue = sorted(readers, key=lambda text: text.owes)
    shares = []
    for i, text in enumerate(queue):
        share = min(text.owes, -(-left // (len(queue) - i)))
        if share:
            shares.append((text.id, share))
            left -= share
    return shares
