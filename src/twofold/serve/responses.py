"""/v1/responses: the newer form of a conversation, told as a list of items; here every call brings all of them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from twofold.engine.conversation import turn_ends
from twofold.engine.request import Request
from twofold.serve import wire
from twofold.serve.answering import Answers, respond
from twofold.serve.asking import constraint_of, request_of, room
from twofold.serve.calling import Tools
from twofold.serve.events import event
from twofold.serve.receiving import read
from twofold.serve.shelf import Served
from twofold.serve.state import state_of
from twofold.serve.turn import Turn
from twofold.serve.wire_chat import AnsweredCall
from twofold.serve.wire_responses import (
    Answer,
    CallItem,
    CallOutput,
    FlatSchemaFormat,
    FlatTool,
    Form,
    Item,
    MessageItem,
    NamedTool,
    OutputCall,
    OutputMessage,
    OutputText,
    Part,
    Respond,
)  # fmt: skip

__all__ = ["responses"]

LOGPROBS = "message.output_text.logprobs"


async def responses(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Respond, state.settings)
    served = state.shelf.find(asked.model)
    tools = Tools.of(_tools(asked.tools), _choice(asked.tool_choice))
    request = await asyncio.to_thread(_request, asked, served, tools)
    turn = Turn(served, tools, LOGPROBS in (asked.include or ()), asked.top_logprobs or 0)
    item_id, begun = f"msg_{secrets.token_hex(12)}", _begun(asked, served, request)

    async def whole(answers: Answers) -> Answer:
        async for _, piece in answers:
            turn.take(piece)
        return _ended(begun, turn, item_id)

    async def events(answers: Answers) -> AsyncGenerator[bytes, None]:
        numbers = count()

        def tell(kind: str, **more: Any) -> bytes:
            return event({"type": f"response.{kind}", "sequence_number": next(numbers), **more}, f"response.{kind}")

        def tell_text(kind: str, **more: Any) -> bytes:
            return tell(kind, item_id=item_id, output_index=0, content_index=0, **more)

        yield tell("created", response=begun)
        yield tell("in_progress", response=begun)
        spoken = False
        async for _, piece in answers:
            text, calls = turn.take(piece)
            if not spoken and (text or (piece.finish and not turn.calls)):
                spoken = True
                yield tell("output_item.added", output_index=0, item=_message(item_id, "in_progress", []))
                yield tell_text("content_part.added", part=_text("", []))
            if text:
                fresh = turn.fresh_logprobs()
                yield tell_text("output_text.delta", delta=text, logprobs=fresh["content"] if fresh else [])
            first = len(turn.calls) - len(calls) + spoken
            for place, call in enumerate(calls, first):
                for part in _call_events(place, call, tell):
                    yield part
        ended = _ended(begun, turn, item_id)
        if spoken:
            said: Any = ended["output"][0]
            part = said["content"][0]
            yield tell_text("output_text.done", text=part["text"], logprobs=part["logprobs"])
            yield tell_text("content_part.done", part=part)
            yield tell("output_item.done", output_index=0, item=said)
        yield tell(ended["status"], response=ended)

    return await respond(http, state, Answers(state, served, [request]), asked.stream, events, whole)


def _call_events(place: int, call: AnsweredCall, tell: Any) -> list[bytes]:
    item = _call(call)
    arguments = item["arguments"]
    return [
        tell("output_item.added", output_index=place, item={**item, "arguments": "", "status": "in_progress"}),
        tell("function_call_arguments.delta", output_index=place, item_id=item["id"], delta=arguments),
        tell("function_call_arguments.done", output_index=place, item_id=item["id"], arguments=arguments,
             name=item["name"]),
        tell("output_item.done", output_index=place, item=item),
    ]  # fmt: skip


def _request(asked: Respond, served: Served, tools: Tools) -> Request:
    items = [MessageItem(role="user", content=asked.input)] if isinstance(asked.input, str) else asked.input
    said = [{"role": "system", "content": asked.instructions}] if asked.instructions else []
    said += [message for item in items if (message := _said(item))]
    ids = tools.prompt(served, said)
    form = asked.text.format if asked.text else None
    if asked.truncation == "auto" and asked.overflow is None:
        asked = asked.model_copy(update={"overflow": "slide"})
    return request_of(
        asked, served, ids, asked.max_output_tokens or room(served, ids), stop_ids=turn_ends(served.engine),
        constraint=tools.constraint() or constraint_of(_form(form)), candidates=asked.top_logprobs or 0,
    )  # fmt: skip


def _said(item: Item) -> dict[str, Any] | None:
    """An item as a message of a chat."""
    match item:
        case MessageItem():
            role = "system" if item.role == "developer" else item.role
            return {"role": role, "content": _plain(item.content)}
        case CallItem():
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            return {"role": "assistant", "content": "", "tool_calls": [call]}
        case CallOutput():
            return {"role": "tool", "content": _plain(item.output), "tool_call_id": item.call_id}
    return None


def _plain(content: str | list[Part]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _tools(tools: list[FlatTool] | None) -> list[wire.FunctionTool]:
    return [wire.FunctionTool(type="function", function=wire.Function(**one.model_dump(exclude={"type"})))
            for one in tools or ()]  # fmt: skip


def _choice(choice: Any) -> Any:
    if isinstance(choice, NamedTool):
        return wire.NamedFunction(type="function", function=wire.OnlyName(name=choice.name))
    return choice


def _form(form: Form | None) -> wire.ResponseFormat | None:
    if isinstance(form, FlatSchemaFormat):
        schema = wire.Schema.model_validate({"name": form.name, "schema": form.schema_})
        return wire.JsonSchemaFormat(type="json_schema", json_schema=schema)
    return form


def _begun(asked: Respond, served: Served, request: Request) -> Answer:
    def shown(value: Any) -> Any:
        return value.model_dump(by_alias=True, exclude_none=True) if hasattr(value, "model_dump") else value

    return {
        "id": f"resp_{secrets.token_hex(12)}", "object": "response", "created_at": int(time.time()),
        "status": "in_progress", "error": None, "incomplete_details": None, "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens, "metadata": asked.metadata or {}, "model": served.name,
        "output": [], "parallel_tool_calls": asked.parallel_tool_calls is not False, "previous_response_id": None,
        "temperature": request.sampling.temperature, "top_p": request.sampling.top_p,
        "text": {"format": shown(asked.text.format) if asked.text and asked.text.format else {"type": "text"}},
        "tool_choice": shown(asked.tool_choice) or "auto", "tools": [shown(tool) for tool in asked.tools or ()],
        "truncation": asked.truncation or "disabled", "usage": None,
    }  # fmt: skip


def _ended(begun: Answer, turn: Turn, item_id: str) -> Answer:
    cut = turn.finish == "length"
    logprobs = turn.logprobs()
    output: list[OutputMessage | OutputCall] = []
    if turn.text or not turn.calls:
        part = _text(turn.text, logprobs["content"] if logprobs else [])
        output.append(_message(item_id, "incomplete" if cut else "completed", [part]))
    output += [_call(call) for call in turn.calls]
    usage = turn.usage
    ended: Answer = {**begun, "status": "incomplete" if cut else "completed", "output": output, "usage": {
        "input_tokens": usage.prompt_tokens, "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }}  # fmt: skip
    if cut:
        ended["incomplete_details"] = {"reason": "max_output_tokens"}
    return ended


def _message(item_id: str, status: Any, content: list[OutputText]) -> OutputMessage:
    return {"type": "message", "id": item_id, "status": status, "role": "assistant", "content": content}


def _text(text: str, logprobs: list[Any]) -> OutputText:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _call(call: AnsweredCall) -> OutputCall:
    return {"type": "function_call", "id": call["id"].replace("call_", "fc_"), "call_id": call["id"],
            "name": call["function"]["name"], "arguments": call["function"]["arguments"],
            "status": "completed"}  # fmt: skip
