"""Server-sent events: an answer that is sent while it is written.

    data: {"object": "chat.completion.chunk", …}

    data: [DONE]

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from twofold.serve.problems import from_error
from twofold.serve.receiving import Gone, while_there

__all__ = ["DONE", "EventStream", "event"]

DONE = b"data: [DONE]\n\n"
STILL_HERE = b": still here\n\n"
QUIET_SECONDS = 15  # after which a comment tells proxies and clients that the connection is alive


def event(value: Any, name: str | None = None) -> bytes:
    """One event: a value as JSON in ASCII, since some clients take other characters (U+2028) for ends of lines."""
    data = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return (f"event: {name}\n" if name else "").encode() + b"data: " + data.encode() + b"\n\n"


class EventStream(Response):
    """Sends events until they end, the client leaves, or it has read nothing for `unread_seconds`; then calls `end`.

    A failure while events are made becomes an event of its own, as OpenAI's clients expect.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None], unread_seconds: float, end: Callable[[], None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._unread_seconds, self._end = events, unread_seconds, end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with suppress(Gone):
                await while_there(receive, self._send_all(scope, send))
        finally:
            self._end()

    async def _send_all(self, scope: Scope, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        latest = clock()

        async def put(message: Message) -> None:
            nonlocal latest
            try:
                async with asyncio.timeout(self._unread_seconds):
                    await send(message)
            except TimeoutError:
                scope.get("abort", _nothing)()
                raise Gone from None
            latest = clock()

        async def give_signs_of_life() -> None:
            while True:
                await asyncio.sleep(QUIET_SECONDS)
                if clock() - latest >= QUIET_SECONDS:
                    await put({"type": "http.response.body", "body": STILL_HERE, "more_body": True})

        await put({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        alive = asyncio.create_task(give_signs_of_life())
        try:
            async with aclosing(_told(self._events)) as events:
                async for part in events:
                    await put({"type": "http.response.body", "body": part, "more_body": True})
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
        await put({"type": "http.response.body", "body": b"", "more_body": False})


async def _told(events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        try:
            async for part in events:
                yield part
        except Exception as error:
            yield event(from_error(error).body)


def _nothing() -> None:
    pass
