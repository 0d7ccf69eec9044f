"""From a service's own thread to the server's event loop: answers as they are written, several at a time.

    answers = Answers(state, served, requests)
    await answers.begin()                     what is wrong with a request is said here
    async for index, piece in answers: …      pieces of all answers, as they come; each answer's in their order
    answers.close()                           at any time; what is not finished gives its place to another
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.engine.request import Piece, Request, Ticket
from twofold.serve.events import EventStream
from twofold.serve.problems import Problem, from_error
from twofold.serve.receiving import while_there
from twofold.serve.shelf import Served
from twofold.serve.state import State

__all__ = ["Answers", "respond"]

RETRY_SECONDS = 2


class Answers:
    """As many of the requests as the model has slots are with the service at a time; so one call's many leave room.

    Raises Problem: 429 where too many wait already, and what `from_error` makes of a request that cannot be answered
    or fails; 504 when the time is over.
    """

    def __init__(self, state: State, served: Served, requests: Sequence[Request]) -> None:
        self._state, self._served, self._left = state, served, deque(enumerate(requests))
        self._open, self._closed = len(requests), False
        self._places = min(len(requests), state.settings.slots)
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._latest: dict[int, float] = {}
        self._pieces: asyncio.Queue[tuple[int, Piece]] = asyncio.Queue()
        self._tickets: dict[int, Ticket] = {}

    async def begin(self) -> None:
        """Submit the first of them, in a thread, since a grammar may take a while to make ready."""
        settings = self._state.settings
        if self._served.load.taken + self._places > settings.slots + settings.waiting:
            self._closed = True
            raise Problem(
                429, f"{self._served.load.taken} answers are being written or waited for; ask again in a moment",
                code="too_many_waiting", headers={"Retry-After": str(RETRY_SECONDS)},
            )  # fmt: skip
        self._served.load.taken += self._places
        try:
            await asyncio.to_thread(self._submit, self._places)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception):
                raise from_error(error) from error
            raise

    async def again(self, index: int, request: Request) -> None:
        """One more request, in the place of one that has ended; its pieces have the same index. Raises Problem."""
        self._left.append((index, request))
        self._open += 1
        try:
            await asyncio.to_thread(self._submit, 1)
        except Exception as error:
            raise from_error(error) from error

    def _submit(self, n: int) -> None:
        while n and self._left and not self._closed:
            index, request = self._left.popleft()
            self._tickets[index] = self._served.service.submit(request, partial(self._hear, index))
            n -= 1
        if self._closed:
            self._cancel()

    def _hear(self, index: int, piece: Piece) -> None:
        """Called in the service's thread."""
        try:
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, (index, piece))
        except RuntimeError:  # the loop is closed: nobody waits for this any more
            self._closed = True

    async def __aiter__(self) -> AsyncIterator[tuple[int, Piece]]:
        seconds = self._state.settings.answer_seconds
        while self._open:
            try:
                async with asyncio.timeout_at(self._begun + seconds):
                    index, piece = await self._pieces.get()
            except TimeoutError:
                raise Problem(504, f"the answer was not finished within {seconds:.0f} s; ask for fewer tokens, "
                              "or start the server with a longer --timeout", code="timeout") from None  # fmt: skip
            if piece.error is not None:
                raise from_error(piece.error) from piece.error
            if piece.finish == "cancelled":
                raise Problem(503, "the answer was stopped, since the server is closing", code="closing")
            self._measure(index, piece)
            if piece.finish is not None:
                self._open -= 1
                self._tickets.pop(index, None)
                if self._left:
                    await asyncio.to_thread(self._submit, 1)
            yield index, piece

    def _measure(self, index: int, piece: Piece) -> None:
        now, meter, name = self._loop.time(), self._state.meter, self._served.name
        if not piece.tokens:
            return
        if index not in self._latest:
            meter.first_token(name, now - self._begun)
        else:
            meter.next_token(name, (now - self._latest[index]) / len(piece.tokens))
        self._latest[index] = now

    def close(self) -> None:
        if not self._closed:
            self._served.load.taken -= self._places
        self._closed = True
        self._cancel()

    def _cancel(self) -> None:
        self._left.clear()
        for ticket in list(self._tickets.values()):
            ticket.cancel()


async def respond(
    http: HTTPRequest,
    state: State,
    answers: Answers,
    stream: bool | None,
    events: Callable[[Answers], AsyncGenerator[bytes, None]],
    whole: Callable[[Answers], Coroutine[Any, Any, Any]],
) -> Response:
    """The answers as a stream of events, or all at once; whichever way it ends, their places are free again."""
    await answers.begin()
    if stream:
        return EventStream(events(answers), state.settings.unread_seconds, answers.close)
    try:
        return JSONResponse(await while_there(http.receive, whole(answers)))
    finally:
        answers.close()
