"""Continuous batching: at each step whoever is there reads on, some their prompts, some the token they just drew.

    begin     a text that gets a place takes the cache of the text that shares the longest start with it
    read      one step of the backend for all of them (a second one where only some need scores after every id)
    draw      each text that has read all it owes draws its next token, and tells its listener
    end       its cache is kept for texts that begin alike

Who reads how much is scheduler.py's, what is kept prefix.py's; here they meet the model. One thread at a time. Each
text has a contiguous cache of its own: a step reads it from end to end, and a shared start is copied (23 kB a token
for SmolLM2, some milliseconds for a whole chat), which pages would save at the cost of gathering at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from twofold.engine.answer import Answer
from twofold.engine.backend import Cache, CacheKind
from twofold.engine.prefix import Kept, PrefixCache, common
from twofold.engine.request import Finish, Listener, Request, Stats
from twofold.engine.scheduler import Scheduler

if TYPE_CHECKING:
    from twofold.engine.constrained import Matcher
    from twofold.engine.open import Engine
    from twofold.engine.speculative import Drafter

__all__ = ["Batch"]

WORTH_WAITING = 32  # ids of a start that another text is reading just now
SCORED = 64  # ids of a prompt, at a time, where each is scored: their scores are the largest array
BYTES = {"float16": 2, "int8": 1, "float32": 4, None: 4}  # of a number that is kept; where the kind is open, at most
COUNTS = ("finished", "cancelled", "failed", "prompt_tokens", "cached_tokens", "completion_tokens", "drafted_tokens",
          "accepted_tokens", "steps")  # fmt: skip
UNIT = 64  # positions: caches have room for a multiple of it

Reading = tuple[Answer, list[int], bool]  # a text, the ids it reads now, and whether it writes: one id, and drafts


class Batch:
    def __init__(
        self, engine: Engine, scheduler: Scheduler, *, cache_kind: CacheKind | None = None,
        prefix_bytes: int = 256 << 20, drafter: Drafter | None = None,
    ) -> None:
        self.engine, self.scheduler, self.cache_kind, self.drafter = engine, scheduler, cache_kind, drafter
        self.prefixes: PrefixCache[Cache] = PrefixCache(prefix_bytes)
        self._answers: dict[int, Answer] = {}
        self._held_up: list[Answer] = []
        self._counts = dict.fromkeys(COUNTS, 0)

    @property
    def stats(self) -> Stats:
        return Stats(running=self.scheduler.running, waiting=self.scheduler.waiting, kept_prefixes=len(self.prefixes),
                     kept_bytes=self.prefixes.n_bytes, **self._counts)  # fmt: skip

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, id: int, request: Request, listener: Listener, matcher: Matcher | None = None) -> None:
        self._answers[id] = Answer(self.engine, id, request, listener, matcher)
        self.scheduler.add(id)

    def cancel(self, id: int) -> None:
        """Does nothing when it is done already."""
        if id in self._answers:
            self._end(self._answers[id], "cancelled")

    def cancel_all(self) -> None:
        for answer in list(self._answers.values()):
            self._end(answer, "cancelled")

    def step(self) -> None:
        """One step for all that have a place. What goes wrong ends the texts that it went wrong for, and no others."""
        held_up, self._held_up = self._held_up, []
        for answer in [*(one for one in held_up if one.id in self._answers),
                       *(self._answers[id] for id in self.scheduler.begin())]:  # fmt: skip
            self._guard([answer], self._begin, answer)
        plan = [(self._answers[id], n) for id, n in self.scheduler.plan() if id in self._answers]
        drafts = self._drafts([answer for answer, _ in plan if answer.writes])
        last: list[Reading] = []
        every: list[Reading] = []
        for answer, n in plan:
            if answer.writes:
                (every if drafts else last).append((answer, answer.owed + drafts.get(answer.id, []), True))
            elif answer.request.prompt_scores:
                every.append((answer, answer.owed[: min(n, SCORED)], False))
            else:
                last.append((answer, answer.owed[:n], False))
        for readings in (last, every):
            if readings:
                self._guard([answer for answer, *_ in readings], self._read, readings, readings is every)
        self._counts["steps"] += bool(plan)

    def _begin(self, answer: Answer) -> None:
        """Find the longest start that is known, or wait for one that is being read."""
        if answer.request.n == 0 and not answer.request.prompt_scores:
            answer.begin(self._new_cache(1), 0)
            self._end(answer, "length")
            return
        prompt = answer.ids[:-1]  # the scores after the last id are needed, so that one is always read
        others = [one for one in self._answers.values() if one.cache is not None and not one.offset]
        kept, n = self.prefixes.best(prompt, (one.held for one in others))
        readers = [one.ids for one in others if not one.written]
        known_soon = max((common(ids, prompt) for ids in readers), default=0)
        if known_soon >= n + WORTH_WAITING and not answer.request.prompt_scores:
            self._held_up.append(answer)
            return
        fits = len(answer.ids) <= self.engine.context
        n = n if fits and not answer.request.prompt_scores else 0
        room = min(self.engine.context, -(-(len(answer.ids) + answer.request.n) // UNIT) * UNIT)
        if kept is not None and n == len(kept.ids) and kept.cache.room >= room and self.prefixes.take(kept):
            cache = kept.cache
        else:
            cache = self._new_cache(room)
            if kept is not None and n:
                cache.copy_from(kept.cache, n)
        answer.begin(cache, n)
        self._counts["prompt_tokens"] += len(answer.ids)
        self._counts["cached_tokens"] += n
        if not fits:
            answer.slide()
        self.scheduler.owe(answer.id, len(answer.owed), writes=False)

    def _new_cache(self, room: int) -> Cache:
        return self.engine.backend.new_cache(room, self.cache_kind)

    def _drafts(self, writers: list[Answer]) -> dict[int, list[int]]:
        """Guesses by the answer's id: what the form asks for next where there is one, else the drafter's."""
        able = [(answer, left) for answer in writers if (left := self._left(answer)) > 0]
        forced = {one.id: one.matcher.forced()[:left] for one, left in able if one.matcher is not None}
        free = [(answer, left) for answer, left in able if answer.matcher is None]
        guessed = self.drafter.propose(free) if self.drafter is not None and free else {}
        return guessed | {id: guess for id, guess in forced.items() if guess}

    def _left(self, answer: Answer) -> int:
        """How many tokens may be guessed: one is drawn after them, and all that is read finds room."""
        assert answer.cache is not None
        return min(answer.request.n - answer.written, answer.cache.room - answer.cache.length) - 1

    def _read(self, readings: list[Reading], every: bool) -> None:
        """One step of the backend, and what follows from it for each text."""
        rows = self.engine.backend.step([(answer.cache, ids) for answer, ids, _ in readings], every)
        rows = rows[:, : self.engine.tokenizer.vocab_size]  # rows of padding are no tokens
        at = 0
        for answer, ids, writes in readings:
            n = len(ids) if every else 1
            mine, at = rows[at : at + n], at + n
            if writes:
                self._guard([answer], self._write, answer, mine, ids[1:])
            else:
                self._guard([answer], self._read_on, answer, ids, mine)

    def _read_on(self, answer: Answer, ids: list[int], rows: np.ndarray) -> None:
        """Some of the prompt was read (or of what is read anew after sliding); after the last of it, writing begins."""
        assert answer.cache is not None
        if answer.request.prompt_scores:
            answer.score_prompt(rows, answer.cache.length - len(ids))
        self.scheduler.read(answer.id, len(ids))
        if answer.owed:
            return
        answer.tell_prompt()
        if answer.request.n == 0:
            self._end(answer, "length")
        else:
            self._write(answer, rows[-1:], [])

    def _write(self, answer: Answer, rows: np.ndarray, drafts: list[int]) -> None:
        """Draw as usual after each draft, for as long as the draft is what is drawn: the text is as it was without."""
        right = 0
        for row, draft in zip(rows, (*drafts, None), strict=True):
            token = answer.draw(row)
            self._counts["completion_tokens"] += 1
            finish = answer.add(token)
            right += token.id == draft
            if finish or token.id != draft:
                break
        if drafts:
            answer.count(drafted_tokens=len(drafts), accepted_tokens=right)
            self._counts["drafted_tokens"] += len(drafts)
            self._counts["accepted_tokens"] += right
            if self.drafter is not None and answer.matcher is None:
                self.drafter.learn(answer, len(drafts), right)
        assert answer.cache is not None
        answer.cache.keep(len(answer.ids) - 1 - answer.offset)
        if finish:
            self._end(answer, finish)
            return
        if answer.cache.length == self.engine.context:
            answer.slide()
        self.scheduler.owe(answer.id, len(answer.owed), writes=answer.writes)

    def _end(self, answer: Answer, finish: Finish, error: Exception | None = None) -> None:
        del self._answers[answer.id]
        self.scheduler.remove(answer.id)
        if self.drafter is not None:
            self.drafter.forget(answer)
        if answer.cache is not None and finish != "error":
            config = self.engine.config
            wide = 2 * config.n_layers * config.n_kv_heads * config.d_head * BYTES[self.cache_kind]
            held = answer.held
            if held.ids:
                self.prefixes.keep(Kept(held.ids, held.cache, wide * held.cache.room))
        self._counts[{"cancelled": "cancelled", "error": "failed"}.get(finish, "finished")] += 1
        with suppress(Exception):  # of a listener; it was the last time that it is called
            answer.tell_end(finish, error)

    def _guard(self, answers: Iterable[Answer], work: Callable[..., None], *given: Any) -> None:
        """Whatever is raised, by the model or by a listener, ends these texts and goes no further."""
        try:
            work(*given)
        except Exception as error:
            for answer in answers:
                if answer.id in self._answers:
                    self._end(answer, "error", error)
