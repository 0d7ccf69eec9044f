"""Reading a request within bounds of size and time, and minding that the client may leave before it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Receive

from twofold.serve.problems import Problem, from_validation
from twofold.serve.settings import Settings
from twofold.units import size

__all__ = ["Gone", "read", "while_there"]

Asked = TypeVar("Asked", bound=BaseModel)
Result = TypeVar("Result")
PATIENCE = 8  # so many times the limit of a body is read and thrown away, for the client to come to hear of it


class Gone(Exception):
    """The client has left; nobody waits for an answer."""


async def read(request: Request, kind: type[Asked], settings: Settings) -> Asked:
    """The body of a request as `kind`. Raises Problem 400, 408, 413 or 415."""
    sent = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if sent != "application/json" and not sent.endswith("+json"):
        raise Problem(415, f"the body is {sent or 'of no type'}; send JSON, with Content-Type: application/json")
    try:
        async with asyncio.timeout(settings.body_seconds):
            body = await _body(request, settings.body_bytes)
    except TimeoutError:
        raise Problem(
            408, f"the request was not complete after {settings.body_seconds:.0f} s", headers={"Connection": "close"}
        ) from None
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error, kind) from None


async def _body(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    length = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Gone
        length += len(chunk := message.get("body", b""))
        if length <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
        if not message.get("more_body") or length > PATIENCE * limit:
            break
    if length > limit:
        raise Problem(
            413, f"the request is larger than {size(limit)}, the most that this server reads; send less at a time",
            headers={"Connection": "close"},
        )  # fmt: skip
    return b"".join(chunks)


async def while_there(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is stopped if the client leaves; then Gone is raised."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
