"""A line on standard error for each request: when, what, how it went, how long it took; and the count for /metrics."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twofold.serve.metrics import Meter
from twofold.units import duration

__all__ = ["Log"]

LEFT = 499  # what nginx writes for a client that left before its answer began


class Log:
    """Paths that are not `known` are counted as one, so that a stranger can't fill the meter with names."""

    def __init__(self, app: ASGIApp, meter: Meter, known: Collection[str], *, quiet: bool, as_json: bool) -> None:
        self.app, self.meter, self.known, self.quiet, self.as_json = app, meter, known, quiet, as_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, clock = LEFT, asyncio.get_running_loop().time

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = clock()
        self.meter.open_requests += 1
        try:
            await self.app(scope, receive, sending)
        finally:
            self.meter.open_requests -= 1
            path = scope["path"]
            self.meter.requests[path if path in self.known else "other", status] += 1
            if not self.quiet:
                self._write(scope["method"], path, status, clock() - begun)

    def _write(self, method: str, path: str, status: int, seconds: float) -> None:
        if self.as_json:
            line = json.dumps({"time": round(time.time(), 3), "method": method, "path": path, "status": status,
                               "seconds": round(seconds, 4)})  # fmt: skip
        else:
            shown = path if path.isascii() and path.isprintable() else ascii(path)
            line = f"{time.strftime('%H:%M:%S')}  {status}  {duration(seconds):>9}  {method} {shown:.200}"
        print(line, file=sys.stderr, flush=True)
