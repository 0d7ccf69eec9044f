"""An examination: a model opened as anyone would open it, with the tools it was taught, asked a whole suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twofold.agent.loop import answer
from twofold.agent.offering import offered
from twofold.agent.tool import Tool
from twofold.contracts import Sampling
from twofold.data.almanac_chat.questions import refuses
from twofold.engine.open import BackendName, Engine, open_model
from twofold.engine.request import Request
from twofold.engine.service import Service
from twofold.evals.almanac_suite import almanac
from twofold.evals.asking import ask, plain_prompt
from twofold.evals.questions import Suite
from twofold.evals.results import Judged, Results, compare, verdict
from twofold.intervals import wilson
from twofold.make.observer import Observer

__all__ = ["asked_both", "examine", "suite_for"]

_SIDE_BY_SIDE = 8
_EVERYDAY = ("arithmetic", "arithmetic phrasing", "spelling", "counting")
_KNOWN = ("capital", "fact")  # questions that have an answer, so that refusing them is a mistake


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


def suite_for(data: Sequence[str]) -> Suite | None:
    """The questions that were kept back from the conversations of this name, where there are any."""
    if "almanac" in data:
        return almanac()
    return almanac(kinds=_EVERYDAY) if "everyday" in data else None


def asked_both(suite: Suite, before: Path, after: Path, observer: Observer) -> dict[str, Any]:
    """A model and what became of it, asked the same: right answers by kind, with intervals, and paired differences.

    `refused` are those of the questions with an answer to which the second one said that it does not know.
    """
    base, taught = (examine(path, suite, progress=partial(observer.progress, f"asking {path.name}"))
                    for path in (before, after))  # fmt: skip
    known = [one for one in taught.judged if one.question.group in _KNOWN]
    refused = sum(refuses(one.answer) for one in known)
    changes = compare(base, taught)
    return {
        "suite": suite.name, "about": suite.about, "seconds": base.seconds + taught.seconds,
        "tools": list(taught.tools),
        "groups": {name: {"base": vars(base.groups()[name]), "assistant": vars(one),
                          "difference": vars(changes[name]), "verdict": verdict(changes[name])}
                   for name, one in taught.groups().items()},
        "refused": {"n": len(known), "refused": refused, **_interval(refused, len(known))} if known else None,
        "samples": [{"ask": one.question.text, "group": one.question.group, "expected": one.question.expected,
                     "base": other.answer, "assistant": one.answer, "right": one.right}
                    for other, one in _few(base.judged, taught.judged)],
    }  # fmt: skip


def _interval(right: int, n: int) -> dict[str, float]:
    low, high = wilson(right, n)
    return {"low": low, "high": high}


def _few(base: Sequence[Judged], taught: Sequence[Judged], each: int = 4) -> list[tuple[Judged, Judged]]:
    """The first questions of each kind: chosen before anyone saw an answer."""
    seen: Counter[str] = Counter()
    few = []
    for pair in zip(base, taught, strict=True):
        seen[pair[0].question.group] += 1
        if seen[pair[0].question.group] <= each:
            few.append(pair)
    return few


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
