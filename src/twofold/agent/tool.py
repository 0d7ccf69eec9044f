"""A tool: a name, what it does, a JSON schema of its arguments, and the function behind it.

Whatever a model asks for, `Tool.run` gives an Outcome: a text of bounded size, within a bounded time. What goes wrong
is told in that text, so that the model can do better. This is what MCP calls a tool, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twofold.agent.schema import problems
from twofold.errors import ConfigError, TwofoldError

__all__ = ["Outcome", "Tool"]


@dataclass(frozen=True)
class Outcome:
    """What a call came to: `text` is what the model is told; one that failed begins with "error: "."""

    text: str
    failed: bool
    seconds: float


@dataclass(frozen=True)
class Tool:
    """`function` takes the arguments by name and returns a text, or raises TwofoldError with words for the model.

    Its result is cut after `most` characters. What takes longer than `timeout` seconds is left to itself and counts as
    failed: Python cannot end a thread, so a function must limit its own work. `examples` are messages of a
    conversation in which the tool is used well: small models that were never taught to call anything do, shown how.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., str]
    timeout: float = 5.0
    most: int = 2000
    examples: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ConfigError(f"a tool's name is letters, digits and underscores, not {self.name!r:.40}")
        if self.parameters.get("type") != "object":
            raise ConfigError(f"the arguments of {self.name} are an object; its schema says {self.parameters!r:.60}")

    def described(self) -> dict[str, Any]:
        """As models are told of it: {"name", "description", "parameters"}."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}

    def run(self, arguments: Mapping[str, Any]) -> Outcome:
        """Check the arguments, call the function, bound what comes. Never raises for what the model or tool did."""
        begun = time.perf_counter()
        wrong = next(problems(dict(arguments), self.parameters), None)
        text, failed = (f"error: {wrong}", True) if wrong else self._called(arguments)
        if len(text) > self.most:
            text = f"{text[: self.most]} … ({len(text) - self.most} more characters were cut)"
        return Outcome(text, failed, time.perf_counter() - begun)

    def _called(self, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        came: list[tuple[str, bool]] = []

        def work() -> None:
            try:
                came.append((self.function(**arguments), False))
            except TwofoldError as error:
                came.append((f"error: {error}", True))
            except Exception as error:
                came.append((f"error: {self.name} failed ({type(error).__name__})", True))

        worker = threading.Thread(target=work, name=f"twofold-tool-{self.name}", daemon=True)
        worker.start()
        worker.join(self.timeout)
        return came[0] if came else (f"error: {self.name} took longer than {self.timeout:g} seconds", True)
