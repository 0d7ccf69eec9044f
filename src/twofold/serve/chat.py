"""/v1/chat/completions: a conversation, and the assistant's next turn."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterable
from functools import partial
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from twofold import __version__
from twofold.agent.memory import heard, recent
from twofold.agent.tool import Tool
from twofold.engine.conversation import turn_ends
from twofold.engine.request import Piece, Request
from twofold.serve.answering import Answers, respond
from twofold.serve.asking import constraint_of, request_of, room, several, total
from twofold.serve.calling import Tools
from twofold.serve.events import DONE, event
from twofold.serve.looping import Looping, own_tools
from twofold.serve.problems import Problem
from twofold.serve.receiving import read
from twofold.serve.shelf import Served
from twofold.serve.state import state_of
from twofold.serve.turn import Turn
from twofold.serve.wire import FunctionTool
from twofold.serve.wire_chat import Chat, ChatChoice, ChunkChoice, Content, Delta

__all__ = ["chat_completions"]


async def chat_completions(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Chat, state.settings)
    served = state.shelf.find(asked.model)
    n, tops = asked.n or 1, asked.top_logprobs or 0
    own = _own(asked)
    tools = Tools.of([one for one in asked.tools or () if isinstance(one, FunctionTool)], asked.tool_choice)
    messages, begun = _messages(asked)
    loop = Looping(served, messages, own, begun, asked.overflow == "slide") if own else None
    request = await asyncio.to_thread(_first, asked, served, tools, messages, begun, loop)
    turns = [Turn(served, tools, bool(asked.logprobs), tops) for _ in range(n)]
    answers = Answers(state, served, several(asked, [request]))
    about = {"created": int(time.time()), "model": served.name, "system_fingerprint": f"twofold-{__version__}"}
    head = {"id": f"chatcmpl-{secrets.token_hex(12)}", **about}

    def pieces(answers: Answers) -> AsyncIterable[tuple[int, Piece]]:
        return loop.pieces(answers, partial(_request, asked, served, tools)) if loop else answers

    async def whole(answers: Answers) -> Any:
        async for index, piece in pieces(answers):
            turns[index].take(piece)
        choices = [_choice(index, turn) for index, turn in enumerate(turns)]
        usage = total([turn.usage for turn in turns], n)
        return {**head, "object": "chat.completion", "choices": choices, "usage": usage}

    async def events(answers: Answers) -> AsyncGenerator[bytes, None]:
        counted = asked.stream_options is not None and asked.stream_options.include_usage
        chunk = {**head, "object": "chat.completion.chunk", **({"usage": None} if counted else {})}

        def said(index: int, delta: Delta, finish: Any = None, logprobs: Any = None) -> bytes:
            choice: ChunkChoice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            return event({**chunk, "choices": [choice]})

        for index in range(n):
            yield said(index, {"role": "assistant", "content": ""})
        async for index, piece in pieces(answers):
            turn = turns[index]
            text, calls = turn.take(piece)
            logprobs = turn.fresh_logprobs()
            if text or logprobs:
                yield said(index, {"content": text}, logprobs=logprobs)
            for call in calls:
                yield said(index, {"tool_calls": [call]})
            if steps := turn.fresh_steps():
                yield said(index, {"tool_steps": steps})
            if piece.finish is not None:
                yield said(index, {}, turn.finish)
        if counted:
            yield event({**chunk, "choices": [], "usage": total([turn.usage for turn in turns], n)})
        yield DONE

    return await respond(http, state, answers, asked.stream, events, whole)


def _own(asked: Chat) -> tuple[Tool, ...]:
    """The server's own tools that are offered. Raises Problem for what they do not go with."""
    own = own_tools(asked.tools) if asked.tool_choice != "none" else ()
    for name, wrong in (("n", (asked.n or 1) > 1), ("tool_choice", asked.tool_choice not in (None, "auto")),
                        ("response_format", constraint_of(asked.response_format) is not None)):  # fmt: skip
        if own and wrong:
            raise Problem(400, f"{name} does not go with {own[0].name}, which the server calls itself; leave one out",
                          param=name)  # fmt: skip
    return own


def _first(
    asked: Chat, served: Served, tools: Tools, messages: list[dict[str, Any]], begun: str, loop: Looping | None
) -> Request:
    if asked.top_logprobs and not asked.logprobs:
        raise Problem(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    if loop is not None:
        return loop.ending(_request(asked, served, tools, loop.prompt()))
    if asked.overflow == "slide":
        messages = recent(messages, lambda some: len(tools.prompt(served, some)), heard(served.engine.context))
    return _request(asked, served, tools, [*tools.prompt(served, messages), *served.engine.tokenizer.encode(begun)])


def _request(asked: Chat, served: Served, tools: Tools, ids: list[int], written: int = 0) -> Request:
    """To go on from `ids`, after `written` tokens of the answer."""
    constraint = tools.constraint() or constraint_of(asked.response_format)
    wanted = asked.max_completion_tokens or asked.max_tokens
    return request_of(
        asked, served, ids, max(1, wanted - written) if wanted else room(served, ids),
        stop_ids=turn_ends(served.engine), constraint=constraint, candidates=asked.top_logprobs or 0,
    )  # fmt: skip


def _messages(asked: Chat) -> tuple[list[dict[str, Any]], str]:
    """The conversation, and what is said already in the assistant's open turn, where that is to be gone on from."""
    messages = [_message(said) for said in asked.messages]
    begun = messages.pop() if asked.continue_final_message else None
    if begun and (begun["role"] != "assistant" or not messages):
        raise Problem(
            400, "continue_final_message needs a last message of the role assistant, after at least one other",
            param="continue_final_message",
        )  # fmt: skip
    return messages, begun["content"] if begun else ""


def _message(said: Any) -> dict[str, Any]:
    message = said.model_dump(exclude_none=True)
    message["content"] = _plain(said.content)
    if said.role == "developer":
        message["role"] = "system"
    return message


def _plain(content: Content | None) -> str:
    """The text of a message, whose parts stand one after the other."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content)


def _choice(index: int, turn: Turn) -> ChatChoice:
    return {"index": index, "message": turn.message(), "logprobs": turn.logprobs(), "finish_reason": turn.finish}
