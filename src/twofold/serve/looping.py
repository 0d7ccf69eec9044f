"""An answer in which the server itself calls tools: only its own, only those that the request names.

    pieces of the engine's  ->  text and tokens, as always;  Ran, for each call;  text …;  the last piece

The model stops at its call; the tool runs, bounded as `agent.tool` bounds it; its result joins the conversation, and
the same answer goes on, in the place at the model that it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twofold.agent.loop import Step, called, introduced, remembered
from twofold.agent.offering import TOOLS
from twofold.agent.tool import Tool
from twofold.engine.request import Piece, Request, Usage
from twofold.engine.tool_calls import CLOSE
from twofold.engine.tool_prompt import tool_prompt
from twofold.serve.answering import Answers
from twofold.serve.calling import Splitter, Tools
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served
from twofold.serve.wire import BuiltinTool, Function, FunctionTool

__all__ = ["MOST_CALLS", "Looping", "Ran", "own_tools"]

MOST_CALLS = 8  # of one answer


@dataclass(frozen=True)
class Ran(Piece):
    """A call that was made, and what came of it."""

    step: Step | None = None


def own_tools(tools: Sequence[FunctionTool | BuiltinTool] | None) -> tuple[Tool, ...]:
    """The server's own among those that a request offers. Raises Problem where the client's are among them too."""
    names = dict.fromkeys(tool.type for tool in tools or () if isinstance(tool, BuiltinTool))
    if names and any(isinstance(tool, FunctionTool) for tool in tools or ()):
        raise Problem(400, f"{', '.join(names)} is called by the server and functions by the client; offer one kind at "
                      "a time", param="tools")  # fmt: skip
    return tuple(TOOLS[name] for name in names)


@dataclass
class Looping:
    """`messages` is the conversation, of which `begun` is what the assistant has said already in its open turn.

    With `forget` the oldest turns are left out where there is no room for them.
    """

    served: Served
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Tool]
    begun: str = ""
    forget: bool = False

    def __post_init__(self) -> None:
        engine = self.served.engine
        kept = remembered(engine, self.messages, self.tools) if self.forget else self.messages
        self._told, self._before = introduced(engine, kept, self.tools)
        self._steps: list[Step] = []

    def prompt(self) -> list[int]:
        """The ids to go on from. Raises ConfigError."""
        so_far = [*self._before, *(message for step in self._steps for message in step.messages())]
        ids = tool_prompt(self.served.engine, so_far, self._told)
        return ids if self._steps else [*ids, *self.served.engine.tokenizer.encode(self.begun)]

    def ending(self, request: Request) -> Request:
        """One that ends at a call, so that nothing which the model makes up about the result is written."""
        return replace(request, stop=(*request.stop, CLOSE))

    async def pieces(
        self, answers: Answers, request: Callable[[list[int], int], Request]
    ) -> AsyncIterator[tuple[int, Piece]]:
        """What is said of `answers`, without the calls. `request` is made for the ids of a prompt, to go on from.

        It is told how many tokens are written already. `answers` are of one request that was made in the same way.
        """
        known = {tool.name: tool for tool in self.tools}
        offered = Tools(tuple(Function(**tool.described()) for tool in self.tools))
        splitter, said, usages = Splitter(offered), self.begun, list[Usage]()
        async for index, piece in answers:
            text, calls = splitter.take(piece.text, last=piece.finish is not None)
            said += text
            usages += [piece.usage] if piece.usage else []
            if not calls:
                yield index, replace(piece, text=text, usage=_all(usages) if piece.usage else None)
                continue
            if len(self._steps) == MOST_CALLS:
                yield index, replace(piece, text=text, finish="length", usage=_all(usages))
                continue
            yield index, replace(piece, text=text, finish=None, usage=None)
            step = Step(said, calls[0], await asyncio.to_thread(called, known, calls[0]))
            self._steps.append(step)
            yield index, Ran(step=step)
            splitter, said = Splitter(offered), ""
            written = sum(usage.completion_tokens for usage in usages)
            await answers.again(index, self.ending(request(await asyncio.to_thread(self.prompt), written)))


def _all(usages: Sequence[Usage]) -> Usage:
    """The last prompt, which holds all before it, and what was written in all stretches."""
    return replace(
        usages[-1],
        completion_tokens=sum(one.completion_tokens for one in usages),
        cached_tokens=usages[0].cached_tokens,
        waited_seconds=sum(one.waited_seconds for one in usages),
        prompt_seconds=sum(one.prompt_seconds for one in usages),
        completion_seconds=sum(one.completion_seconds for one in usages),
    )
