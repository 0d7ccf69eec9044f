"""Listening: a port of our own, connections that may not idle, and an end at which nobody is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from twofold.errors import UserError
from twofold.serve.settings import Settings

__all__ = ["Connection", "bind", "run", "url"]

TRIED = 20  # ports after one that is in use
MOST_CONNECTIONS = 1024


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at `host`, `port` (0: any that is free). Raises UserError when it can't be had."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle's delay of 40 ms on
    try:
        if hasattr(signal, "SIGHUP"):  # elsewhere it would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(MOST_CONNECTIONS)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            free = next((other for other in range(port + 1, min(port + TRIED, 65535)) if _is_free(host, other)), 0)
            way_out = f"try --port {free}, which is free" if free else "try another --port (0 takes any that is free)"
            raise UserError(f"port {port} of {host} is in use, perhaps by another twofold serve; {way_out}") from None
        if error.errno == errno.EACCES:
            raise UserError(f"port {port} is for the administrator only; try --port 8080") from None
        raise UserError(f"cannot listen at {host}, port {port}: {error.strerror or error}") from None
    return listening


def _is_free(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as trying:
        trying.bind((host, port))
        return True
    return False


def url(listening: socket.socket, host: str) -> str:
    """Where a browser on this machine finds it."""
    port = listening.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


class Connection(H11Protocol):
    """One connection. It is dropped when no whole head of a request has come in time, and can be cut from within."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        inner = self.app
        self._waiting: asyncio.TimerHandle | None = None

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if self._waiting:
                self._waiting.cancel()
            scope["abort"] = self.transport.abort
            await inner(scope, receive, send)  # type: ignore[arg-type]

        self.app = app  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.loop.call_later(self.timeout_keep_alive, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._waiting.cancel()
        super().connection_lost(exc)


def run(
    app: Starlette, listening: socket.socket, settings: Settings, ready: Callable[[], None],
    closing: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM; then take no more, finish what is being answered, and return.

    A second Ctrl-C does not wait. `ready` is called when requests are answered, `closing` when no more are
    taken: what would go on for ever must end then.
    """
    config = uvicorn.Config(
        app, http=Connection, ws="none", lifespan="on", access_log=False, log_config=None, server_header=False,
        timeout_keep_alive=int(settings.idle_seconds), limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=int(settings.closing_seconds),
    )  # fmt: skip
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            super().handle_exit(sig, frame)
            closing()

    with _calm_signals():
        Server(config).run(sockets=[listening])


@contextlib.contextmanager
def _calm_signals() -> Iterator[None]:
    """uvicorn raises again, when it is done, the signals that ended it; here they have done what they were for."""
    ours = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
