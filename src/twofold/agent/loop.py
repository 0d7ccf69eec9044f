"""The loop in which a model uses tools: it writes, stops at a call, is given the result, and goes on.

    question -> the model writes … <tool_call>{…}</tool_call>  -> the tool runs -> its result is a message
             -> the model writes … and so on, until it ends its turn without a call, or has called `calls` times

The model is asked anew after each result; what it has read already is in the service's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twofold.agent.memory import heard, recent
from twofold.agent.tool import Outcome, Tool
from twofold.contracts import Sampling, Token
from twofold.engine.conversation import turn_ends
from twofold.engine.open import Engine
from twofold.engine.request import Request, Usage
from twofold.engine.service import Service
from twofold.engine.tool_calls import CLOSE, ToolCall, call_begins, tool_calls
from twofold.engine.tool_prompt import tool_prompt
from twofold.errors import ConfigError

__all__ = ["Step", "Trace", "answer", "called", "introduced", "remembered", "taught"]

ROOM = 2048  # tokens of context, below which examples would leave too little of it

Message = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One call, after what was `said` before it, and what came of it. `str` is a line for people."""

    said: str
    call: ToolCall
    outcome: Outcome

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.call.arguments.items())
        return f"{self.call.name}({given}) -> {self.outcome.text}"

    def messages(self) -> list[Message]:
        """The call and its result, as the conversation keeps them."""
        function = {"name": self.call.name, "arguments": dict(self.call.arguments)}
        return [
            {"role": "assistant", "content": self.said, "tool_calls": [{"type": "function", "function": function}]},
            {"role": "tool", "name": self.call.name, "content": self.outcome.text},
        ]


@dataclass
class Trace:
    """An answer as it comes about: its calls in order, then `text`, which is what it says in the end.

    `finish` is "stop", "length", "calls" (it wanted still more of them), or "stopped" while it is not at its end.
    `forgotten` messages at the beginning of the conversation were left out.
    """

    steps: list[Step] = field(default_factory=list)
    text: str = ""
    finish: str = "stopped"
    tokens: list[Token] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    forgotten: int = 0

    def messages(self) -> list[Message]:
        """What the answer adds to the conversation."""
        called = [message for step in self.steps for message in step.messages()]
        return [*called, {"role": "assistant", "content": self.text}]


def answer(
    service: Service, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool], *, n: int = 512,
    sampling: Sampling | None = None, calls: int = 8, show: Callable[[str], object] = lambda text: None,
    tell: Callable[[Step], object] = lambda step: None, trace: Trace | None = None, forget: bool = False,
) -> Trace:
    """Answer the last of `messages`, with at most `n` tokens a stretch and at most `calls` calls.

    `show` is given the text as it comes, without the calls; `tell` each call with its result. A `trace` that is given
    is filled as the answer comes, so that it holds what there is after KeyboardInterrupt. With `forget` the oldest
    turns are left out where the conversation takes more than three quarters of the context. Raises ConfigError for
    messages that the model does not take, or that have become longer than its context.
    """
    trace = trace if trace is not None else Trace()
    known = {tool.name: tool for tool in tools}
    kept = remembered(service.engine, messages, tools) if forget else messages
    trace.forgotten = len(messages) - len(kept)
    told, begun = introduced(service.engine, kept, tools)
    while True:
        so_far = [*begun, *(message for step in trace.steps for message in step.messages())]
        prompt = tool_prompt(service.engine, so_far, told)
        if len(prompt) > service.engine.context and sum(one["role"] == "user" for one in kept) > 1:
            raise ConfigError(f"the conversation is {len(prompt)} tokens long and the model's context is "
                              f"{service.engine.context}; begin anew, or let the model forget the oldest turns")
        said, call = _stretch(service, prompt, n, sampling or Sampling(), show, trace, bool(tools))
        if call is None or len(trace.steps) >= calls:
            trace.finish = "calls" if call else trace.finish
            return trace
        trace.text, trace.finish = "", "stopped"
        step = Step(said, call, called(known, call))
        trace.steps.append(step)
        tell(step)


def taught(engine: Engine) -> bool:
    """The model learned which tools it has: its template writes calls, and has no place to tell of tools."""
    template = engine.chat_template or ""
    return "tool_calls" in template and "tools" not in template


def introduced(
    engine: Engine, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """What the model is told of the tools, and the conversation, with examples of those that nothing taught it."""
    if taught(engine):
        return [], list(messages)
    told = [tool.described() for tool in tools]
    if "tools" in (engine.chat_template or "") or engine.context < ROOM:
        return told, list(messages)
    at = 1 if messages and messages[0]["role"] == "system" else 0
    new = [tool for tool in tools if tool.name not in (engine.tools or ())]
    return told, [*messages[:at], *(one for tool in new for one in tool.examples), *messages[at:]]


def remembered(
    engine: Engine, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]
) -> list[Mapping[str, Any]]:
    """The conversation without the oldest turns, where all of them would take too much of the context."""
    def length(some: list[Mapping[str, Any]]) -> int:
        told, begun = introduced(engine, some, tools)
        return len(tool_prompt(engine, begun, told))

    return recent(messages, length, heard(engine.context))


def _stretch(
    service: Service, prompt: Sequence[int], n: int, sampling: Sampling, show: Callable[[str], object], trace: Trace,
    calling: bool,
) -> tuple[str, ToolCall | None]:
    """What the model writes until it calls or ends; trace.text is what of it was shown."""
    request = Request(tuple(prompt), n, sampling, stop=(CLOSE,) if calling else (),
                      stop_ids=turn_ends(service.engine))  # fmt: skip
    written, trace.text = "", ""
    pieces = service.stream(request)
    try:
        for piece in pieces:
            if piece.error is not None:
                raise piece.error
            written += piece.text
            trace.tokens += piece.tokens
            sure = written[: call_begins(written)] if calling and piece.finish is None else trace.text
            fresh, trace.text = sure[len(trace.text) :], sure
            show(fresh)
            if piece.finish is not None:
                trace.finish = piece.finish
                trace.usages += [piece.usage] if piece.usage else []
    finally:
        pieces.close()  # type: ignore[attr-defined]
    said, calls = tool_calls(written) if calling else (written, [])
    if calls:
        return said, calls[0]
    fresh, trace.text = written[len(trace.text) :], written
    show(fresh)
    return written, None


def called(known: Mapping[str, Tool], call: ToolCall) -> Outcome:
    """What comes of a call, of one of the `known` tools by name; an unknown one is an error that the model is told."""
    if call.name not in known:
        return Outcome(f"error: there is no tool {call.name!r:.40}; there are {', '.join(known)}", True, 0.0)
    return known[call.name].run(call.arguments)
