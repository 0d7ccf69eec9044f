"""What `make` tells whoever watches. The command line draws it; tests and programs may ignore it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twofold.train.loop import Step

__all__ = ["Both", "Observer", "Silent"]


class Observer(Protocol):
    def stage(self, name: str, summary: str) -> None:
        """A chapter begins."""

    def progress(self, what: str, done: float, total: float) -> None:
        """A piece of long work moves on."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def step(self, step: Step, info: Mapping[str, Any]) -> None:
        """A training step was taken; `info` holds steps, tokens_per_second, seconds_left, and bits_per_byte and mfu, or
        `shown`: numbers by name, which stand for how well it goes where that is not told in bits."""

    def evaluated(self, step: int, bits_per_byte: Mapping[str, float]) -> None:
        """Held-out text was measured, by source."""

    def measured(self, step: int, words: str) -> None:
        """Something else that was held out was measured."""

    def sample(self, step: int, prompt: str, text: str) -> None:
        """The model wrote something."""


class Silent:
    """Sees everything, says nothing."""

    def stage(self, name: str, summary: str) -> None: ...

    def progress(self, what: str, done: float, total: float) -> None: ...

    def note(self, text: str) -> None: ...

    def step(self, step: Step, info: Mapping[str, Any]) -> None: ...

    def evaluated(self, step: int, bits_per_byte: Mapping[str, float]) -> None: ...

    def measured(self, step: int, words: str) -> None: ...

    def sample(self, step: int, prompt: str, text: str) -> None: ...


class Both:
    """Tells each of several observers, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def stage(self, name: str, summary: str) -> None:
        for observer in self.observers:
            observer.stage(name, summary)

    def progress(self, what: str, done: float, total: float) -> None:
        for observer in self.observers:
            observer.progress(what, done, total)

    def note(self, text: str) -> None:
        for observer in self.observers:
            observer.note(text)

    def step(self, step: Step, info: Mapping[str, Any]) -> None:
        for observer in self.observers:
            observer.step(step, info)

    def evaluated(self, step: int, bits_per_byte: Mapping[str, float]) -> None:
        for observer in self.observers:
            observer.evaluated(step, bits_per_byte)

    def measured(self, step: int, words: str) -> None:
        for observer in self.observers:
            observer.measured(step, words)

    def sample(self, step: int, prompt: str, text: str) -> None:
        for observer in self.observers:
            observer.sample(step, prompt, text)
