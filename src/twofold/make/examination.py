"""An examination: a model opened as anyone would open it, with the tools it was taught, asked a whole suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twofold.agent.loop import answer
from twofold.agent.offering import offered
from twofold.agent.tool import Tool
from twofold.contracts import Sampling
from twofold.engine.open import BackendName, Engine, open_model
from twofold.engine.request import Request
from twofold.engine.service import Service
from twofold.evals.asking import ask, plain_prompt
from twofold.evals.questions import Suite
from twofold.evals.results import Results

__all__ = ["examine"]

_SIDE_BY_SIDE = 8


def examine(
    model: str | Path, suite: Suite, *, n: int = 128, tools: str = "auto", plain: bool = False,
    backend: BackendName = "auto", device: str = "auto", tell: Callable[[str], object] = lambda line: None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> Results:
    """Ask all questions, with at most `n` tokens an answer, the likeliest token each time.

    `tools` as offered() takes them; `plain` see ask(). Raises what opening, offering and asking raise.
    """
    engine = open_model(model, backend, device, tell=tell)
    may_call = offered(tools, engine)
    with Service(engine, slots=_SIDE_BY_SIDE) as service:
        return ask(suite, engine, _writer(engine, service, n, may_call), model=str(model), plain=plain,
                   side_by_side=_SIDE_BY_SIDE, tools=tuple(tool.name for tool in may_call), progress=progress)


def _writer(
    engine: Engine, service: Service, n: int, tools: Sequence[Tool]
) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    """Answers a conversation; a base model goes on from its text to the line's end."""
    greedy = Sampling(temperature=0)
    if engine.chat_template is not None:
        return lambda messages: answer(service, messages, tools, n=n, sampling=greedy).text

    def go_on(messages: Sequence[Mapping[str, Any]]) -> str:
        request = Request(tuple(engine.prompt(plain_prompt(messages))), n, greedy, stop=("\n",))
        pieces = list(service.stream(request))
        if pieces[-1].error is not None:
            raise pieces[-1].error
        return "".join(piece.text for piece in pieces)

    return go_on
