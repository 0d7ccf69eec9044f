"""The models that are served, by name."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twofold.agent.offering import known
from twofold.engine.open import Engine
from twofold.engine.service import Service
from twofold.errors import ConfigError
from twofold.model.count import count
from twofold.serve.problems import Problem
from twofold.serve.wire_text import ModelItem
from twofold.weights.locate import PARAMETERS

__all__ = ["Load", "Served", "Shelf", "named"]


@dataclass
class Load:
    """Places that are taken: answers of this model that run or wait."""

    taken: int = 0


@dataclass(frozen=True)
class Served:
    """One open model under its name, and the service that answers with it."""

    name: str
    engine: Engine
    service: Service
    load: Load = field(default_factory=Load)
    since: int = field(default_factory=lambda: int(time.time()))

    @property
    def about(self) -> ModelItem:
        engine = self.engine
        return {
            "id": self.name, "object": "model", "created": self.since, "owned_by": "twofold",
            "context": engine.context, "vocabulary": engine.tokenizer.vocab_size,
            "parameters": count(engine.config).held, "chat": engine.chat_template is not None,
            "tools": [tool.name for tool in known(engine)], "temperature": engine.usual.temperature,
        }  # fmt: skip


class Shelf:
    """Raises ConfigError when two models have one name."""

    def __init__(self, served: Iterable[Served]) -> None:
        self._served: dict[str, Served] = {}
        for one in served:
            if one.name in self._served:
                raise ConfigError(f"two models are called {one.name!r}; give one another name, as in other=PATH")
            self._served[one.name] = one

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def find(self, name: str | None) -> Served:
        """The first one where no name is given. Raises Problem 404."""
        if name is None:
            return next(iter(self))
        if name not in self._served:
            raise Problem(
                404, f"there is no model {name!r:.80} here; there is {', '.join(self._served)}",
                param="model", code="model_not_found",
            )  # fmt: skip
        return self._served[name]

    def close(self, timeout: float) -> None:
        """All services finish what they have; together they take at most `timeout` seconds."""
        end = time.monotonic() + timeout
        for one in self:
            one.service.close(max(0, end - time.monotonic()))


def named(model: str) -> tuple[str, str]:
    """NAME=MODEL, or MODEL alone, which is called as its folder or file: the name, and what open_model takes."""
    name, equals, rest = model.partition("=")
    if equals and name and rest and not Path(model).exists():
        return name, rest
    path = Path(model)
    if path.name == PARAMETERS:
        path = path.resolve().parent
    return (path.name.removesuffix(".gguf") or path.resolve().name), model
