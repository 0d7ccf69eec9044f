"""/label/…: what the page for labels asks, and the chat page where an answer is flagged.

A verdict is on the disk before it is answered.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.data.conversation_files import messages
from twofold.data.labels import Verdict
from twofold.data.preferences import Messages
from twofold.serve.desk import Desk
from twofold.serve.problems import Problem
from twofold.serve.receiving import read
from twofold.serve.state import state_of
from twofold.serve.wire_label import (
    Flag,
    Give,
    Kept,
    LabelDesk,
    Labeller,
    LabelSheet,
    Next,
    NextSheet,
    TakeBack,
    TakenBack,
)

__all__ = ["about", "counts", "flag", "give", "sheet", "take_back"]


async def about(http: HTTPRequest) -> Response:
    desk = _desk(http)
    answer: LabelDesk = {
        "file": Path(desk.file.path).name, "by": desk.by, "prompts": len(desk.prompts),
        "model": desk.drafts.served.name if desk.drafts else None, "instructions": desk.instructions,
    }  # fmt: skip
    return JSONResponse(answer)


async def sheet(http: HTTPRequest) -> Response:
    asked = await read(http, Next, state_of(http).settings)
    desk = _desk(http)
    number = desk.next(asked.by, asked.after)
    found: LabelSheet | None = None
    if number is not None:
        one = await asyncio.to_thread(desk.sheet, asked.by, number)
        found = {
            "task": one.prompt.id, "number": number, "trouble": one.trouble, "cut": list(one.cut),
            "prompt": [message.to_dict() for message in one.prompt.messages],
            "answers": [[message.to_dict() for message in answer] for answer in one.answers],
        }  # fmt: skip
    answer: NextSheet = {"sheet": found, "done": len(desk.done(asked.by)), "of": len(desk.prompts)}
    return JSONResponse(answer)


async def give(http: HTTPRequest) -> Response:
    asked = await read(http, Give, state_of(http).settings)
    more = {} if asked.seconds is None else {"seconds": round(asked.seconds, 1)}
    entry = await asyncio.to_thread(_desk(http).give, asked.by, asked.task, asked.verdict, of=asked.answer,
                                    text=asked.text, **more)  # fmt: skip
    return JSONResponse(Kept(entry=entry))


async def take_back(http: HTTPRequest) -> Response:
    asked = await read(http, TakeBack, state_of(http).settings)
    desk = _desk(http)
    if asked.entry is None:
        return JSONResponse(TakenBack(task=await asyncio.to_thread(desk.take_back, asked.by)))
    if asked.entry in desk.file.entries(asked.by):
        await asyncio.to_thread(desk.file.take_back, asked.entry)
    return JSONResponse(TakenBack(task=None))


async def flag(http: HTTPRequest) -> Response:
    asked = await read(http, Flag, state_of(http).settings)
    desk, more = _desk(http), {} if asked.model is None else {"model": asked.model}
    verdict = Verdict(asked.verdict, _messages(asked.prompt), (_messages(asked.answer),), asked.by, desk.now(),
                      asked.text, more)  # fmt: skip
    return JSONResponse(Kept(entry=await asyncio.to_thread(desk.file.add, verdict)))


async def counts(http: HTTPRequest) -> Response:
    """What a labeller has said, by verdict."""
    asked = await read(http, Labeller, state_of(http).settings)
    found: dict[str, int] = {}
    for labels in _desk(http).file.entries(asked.by).values():
        found[str(labels.get("verdict"))] = found.get(str(labels.get("verdict")), 0) + 1
    return JSONResponse(found)


def _desk(http: HTTPRequest) -> Desk:
    desk = state_of(http).desk
    if desk is None:
        raise Problem(404, "this server keeps no labels; start it with --labels FILE")
    return desk


def _messages(said: list[Any]) -> Messages:
    return tuple(messages({"messages": [one.model_dump(exclude_none=True) for one in said]}))
