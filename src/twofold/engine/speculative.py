"""Speculation: guess the next few tokens cheaply, and let the model check all of the guesses in one step.

A guess counts where it is what the model draws there itself, from the same scores with the same number of the seed's
generator. So the text is not only distributed as before (Leviathan et al. 2023, arXiv:2211.17192, whose rule accepts a
guess x from q with min(1, p(x) / q(x)) and else draws from what p has left): with a seed it is the same text, token by
token. For guesses that are not drawn (look-up) the two rules accept equally often, p(x). A draft model guesses by
drawing from its own q with the model's next numbers, each the place in the cumulated chances, likeliest first: where q
is p, every guess is right; elsewhere it is right nearly as often as Leviathan's bound, sum of min(p, q), allows.

    Lookup        what followed when the last few tokens came before in this text (Saxena 2023, prompt look-up)
    DraftModel    a smaller model of the same vocabulary
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twofold.engine.backend import Cache
from twofold.engine.prefix import common
from twofold.engine.sampling import RECENT
from twofold.errors import ConfigError

if TYPE_CHECKING:
    from twofold.engine.answer import Answer
    from twofold.engine.open import Engine

__all__ = ["DraftModel", "Drafter", "Lookup"]

REST, MOST_REST = 4, 64  # tokens without a guess


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


class _Courage:
    """How many tokens to guess at a time: twice as many after all were right, else one more than were.

    Where a lone guess was wrong, nothing is guessed for a while, and each time for twice as long, so that guesses which
    are never right cost next to nothing.
    """

    def __init__(self, start: int, most: int) -> None:
        self.start, self.most = start, most
        self._n: dict[int, int] = {}
        self._rest: dict[int, tuple[int, int]] = {}  # how many tokens it lasted, and the count at which it is over

    def of(self, answer: Answer) -> int:
        over = self._rest.get(answer.id, (0, 0))[1]
        return self._n.get(answer.id, self.start) if answer.written >= over else 0

    def learn(self, answer: Answer, drafted: int, right: int) -> None:
        self._n[answer.id] = min(self.most, 2 * drafted) if right == drafted else right + 1
        if drafted == 1 and not right:
            rest = min(2 * self._rest.get(answer.id, (REST // 2, 0))[0], MOST_REST)
            self._rest[answer.id] = rest, answer.written + rest
        elif right:
            self._rest.pop(answer.id, None)

    def forget(self, answer: Answer) -> None:
        self._n.pop(answer.id, None)
        self._rest.pop(answer.id, None)


class Lookup:
    """The last `longest` tokens down to `shortest` of a text are looked up in it; nothing is guessed where none is."""

    def __init__(self, most: int = 8, longest: int = 4, shortest: int = 2) -> None:
        self.lengths = range(longest, shortest - 1, -1)
        self._courage = _Courage(4, most)
        self._after: dict[int, dict[tuple[int, ...], int]] = {}  # by answer: where the latest such tokens ended
        self._seen: dict[int, int] = {}

    def propose(self, answers: list[tuple[Answer, int]]) -> dict[int, list[int]]:
        guesses = {answer.id: self._follow(answer, min(left, self._courage.of(answer))) for answer, left in answers}
        return {id: guess for id, guess in guesses.items() if guess}

    def learn(self, answer: Answer, drafted: int, right: int) -> None:
        self._courage.learn(answer, drafted, right)

    def forget(self, answer: Answer) -> None:
        self._courage.forget(answer)
        self._after.pop(answer.id, None)
        self._seen.pop(answer.id, None)

    def _follow(self, answer: Answer, n: int) -> list[int]:
        ids, after = answer.ids, self._after.setdefault(answer.id, {})
        for end in range(self._seen.get(answer.id, 1), len(ids)):  # all that have something after them
            after.update((tuple(ids[end - length : end]), end) for length in self.lengths if length <= end)
        self._seen[answer.id] = len(ids)
        for length in self.lengths:
            at = after.get(tuple(ids[-length:]))
            if at is not None:
                return ids[at : at + n]
        return []


class DraftModel:
    """Raises ConfigError for a draft of another vocabulary."""

    def __init__(self, draft: Engine, model: Engine, most: int = 6) -> None:
        sizes = draft.tokenizer.vocab_size, model.tokenizer.vocab_size
        if sizes[0] != sizes[1] or any(draft.tokenizer.decode_bytes([i]) != model.tokenizer.decode_bytes([i])
                                       for i in range(sizes[0])):  # fmt: skip
            raise ConfigError(f"a draft has the model's vocabulary; here are two, of {sizes[0]} and {sizes[1]} tokens")
        self.draft = draft
        self._courage = _Courage(2, most)
        self._read: dict[int, tuple[Cache, list[int]]] = {}  # by answer: what the draft has read

    def propose(self, answers: list[tuple[Answer, int]]) -> dict[int, list[int]]:
        """All drafts go on together, one token a step."""
        guesses: dict[int, list[int]] = {}
        able = [(answer, min(left, self._courage.of(answer), self._room(answer))) for answer, left in answers]
        going = [(answer, n) for answer, n in able if n > 0]
        while going:
            reads = [self._next(answer, guesses.setdefault(answer.id, [])) for answer, _ in going]
            rows = self.draft.backend.step(reads)[:, : self.draft.tokenizer.vocab_size]
            for (answer, _), row in zip(going, rows, strict=True):
                guess = guesses[answer.id]
                recent = [*answer.ids[-RECENT:], *guess] if answer.request.sampling.repeat != 1 else ()
                number = answer.numbers(len(guess) + 1)[-1]
                guess.append(self.draft.backend.draw(row, answer.request.sampling, number, recent)[0])
            going = [(answer, n) for answer, n in going if len(guesses[answer.id]) < n]
        return guesses

    def learn(self, answer: Answer, drafted: int, right: int) -> None:
        self._courage.learn(answer, drafted, right)

    def forget(self, answer: Answer) -> None:
        self._courage.forget(answer)
        self._read.pop(answer.id, None)

    def _room(self, answer: Answer) -> int:
        return self.draft.context - (len(answer.ids) - answer.offset)

    def _next(self, answer: Answer, guess: list[int]) -> tuple[Cache, list[int]]:
        """What the draft has yet to read of the text and its own guesses."""
        if answer.id not in self._read:
            self._read[answer.id] = self.draft.backend.new_cache(self.draft.context), []
        cache, known = self._read[answer.id]
        ids = [*answer.ids[answer.offset :], *guess]
        cache.keep(min(common(known, ids), len(ids) - 1))
        owed = ids[cache.length :]
        self._read[answer.id] = cache, ids
        return cache, owed
