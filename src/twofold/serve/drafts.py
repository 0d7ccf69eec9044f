"""Two answers of a model to one prompt, for people to compare: drawn with seeds that depend on the prompt alone.

So everybody who is asked about a prompt, now or in another run, sees the same two answers of the same model.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from twofold.agent.loop import answer
from twofold.agent.tool import Tool
from twofold.contracts import Sampling
from twofold.data.conversation_files import messages
from twofold.data.labels import digest
from twofold.data.preferences import Messages
from twofold.data.prompts import MOST_ANSWERS, Prompt
from twofold.errors import ConfigError
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served

__all__ = ["Drafts"]

TRIES = 6  # a model that is sure says the same each time
KEPT = 1000


class Drafts:
    """`of` a prompt: the answers that it brings, or those that the model gives it, of at most `n` tokens each."""

    def __init__(self, served: Served, tools: Sequence[Tool], sampling: Sampling, n: int) -> None:
        self.served, self._tools, self._sampling, self._n = served, tools, sampling, n
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Messages, ...]] = OrderedDict()
        self._writing: dict[str, threading.Lock] = {}
        self._cut: set[str] = set()

    def of(self, prompt: Prompt) -> tuple[Messages, ...]:
        """Two that differ; fewer where the model had no more to say. In any thread.

        Raises ConfigError for a prompt that the model cannot read, Problem when the server closes meanwhile.
        """
        with self._lock:
            alone = self._writing.setdefault(prompt.id, threading.Lock())
        with alone:
            found = self._kept.get(prompt.id)
            if found is None:
                found = self._kept[prompt.id] = self._written(prompt)
                if len(self._kept) > KEPT:
                    self._writing.pop(self._kept.popitem(last=False)[0], None)
            return found

    def is_cut(self, answer: Messages) -> bool:
        """Whether the model had not ended it when it reached the most tokens that it may have."""
        return digest(answer) in self._cut

    def _written(self, prompt: Prompt) -> tuple[Messages, ...]:
        said = [message.to_dict() for message in prompt.messages]
        found: dict[str, Messages] = {}
        for i in range(TRIES):
            seed = int.from_bytes(hashlib.sha256(f"{prompt.id} {self._sampling.seed} {i}".encode()).digest()[:6], "big")
            trace = answer(self.served.service, said, self._tools, n=self._n,
                           sampling=replace(self._sampling, seed=seed))  # fmt: skip
            if trace.finish == "cancelled":
                raise Problem(503, "the answer was stopped, since the server is closing", code="closing")
            try:
                written = tuple(messages({"messages": trace.messages()}))
            except ConfigError:  # it said nothing
                continue
            found[digest(written)] = written
            if trace.finish != "stop":
                self._cut.add(digest(written))
            if len(found) == MOST_ANSWERS:
                break
        return tuple(found.values())
