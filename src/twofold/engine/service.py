"""The service: one open model that answers many requests at a time, from one thread of its own.

    submit(request, listener)     the listener is given Pieces, in order, the last of them with `finish`
    stream(request)               the same as an iterator; to close it is to cancel
"""

from __future__ import annotations

import codecs
import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from twofold.engine.backend import CacheKind
from twofold.engine.request import Finish, Listener, Piece, Request, Stats, Ticket, Usage
from twofold.errors import ConfigError, TwofoldError

if TYPE_CHECKING:
    from twofold.engine.open import Engine

__all__ = ["Finish", "Listener", "Piece", "Request", "Service", "Stats", "Ticket", "Usage"]


class Service:
    """Requests are answered side by side, each as if it were alone: the same seed gives the same text."""

    def __init__(self, engine: Engine, *, slots: int = 16, cache_kind: CacheKind = "float16") -> None:
        self.engine = engine
        self._inbox: queue.SimpleQueue[tuple[int, Request, Listener] | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._ids = itertools.count()
        self._stats = Stats()
        self._closing = False
        self._worker = threading.Thread(target=self._work, name="twofold-service", daemon=True)
        self._worker.start()

    def submit(self, request: Request, listener: Listener) -> Ticket:
        """Queue a request; the listener is called from the service's thread, and should be quick.

        Raises ConfigError for a request that cannot be answered, TwofoldError when the service is closed.
        """
        if self._closing:
            raise TwofoldError("the service is closed and takes no more requests")
        if len(request.prompt) > self.engine.context and request.overflow == "error":
            raise ConfigError(f"the prompt is {len(request.prompt)} tokens long and the context {self.engine.context}")
        self.engine.generate(request.prompt[-self.engine.context:], 0, request.sampling)
        i = next(self._ids)
        self._inbox.put((i, request, listener))
        return Ticket(i, lambda: self._cancelled.add(i))

    def stream(self, request: Request) -> Iterator[Piece]:
        """The pieces of the answer, as they come. Closing the iterator cancels the request."""
        pieces: queue.SimpleQueue[Piece] = queue.SimpleQueue()
        ticket = self.submit(request, pieces.put)

        def read() -> Iterator[Piece]:
            try:
                while (piece := pieces.get()).finish is None:
                    yield piece
                yield piece
            finally:
                ticket.cancel()

        return read()

    def embed(self, ids: Sequence[int]) -> np.ndarray:
        """A text as one vector of length 1, float32 [d_model]: the mean of the final stream over its positions."""
        raise NotImplementedError

    @property
    def stats(self) -> Stats:
        return self._stats

    def close(self, timeout: float | None = None) -> None:
        """Take no new requests, finish what there is, and end; what is not done after `timeout` s is cancelled."""
        self._closing = True
        self._inbox.put(None)
        self._worker.join(timeout)

    def _work(self) -> None:
        while (job := self._inbox.get()) is not None:
            i, request, listener = job
            utf8 = codecs.getincrementaldecoder("utf-8")("replace")
            begun, count = time.perf_counter(), 0
            finish: Finish = "length"
            special = set(self.engine.tokenizer.specials.values())
            try:
                for token in self.engine.generate(request.prompt, request.n, request.sampling,
                                                  candidates=request.candidates):
                    if i in self._cancelled:
                        finish = "cancelled"
                        break
                    count += 1
                    if token.id == self.engine.tokenizer.eos_id or token.id in request.stop_ids:
                        finish = "stop"
                        break
                    raw = b"" if token.id in special else self.engine.tokenizer.decode_bytes([token.id])
                    listener(Piece(utf8.decode(raw), (token,)))
                usage = Usage(len(request.prompt), 0, count, completion_seconds=time.perf_counter() - begun)
                listener(Piece(utf8.decode(b"", True), finish=finish, usage=usage))
            except Exception as error:
                listener(Piece(finish="error", error=error, usage=Usage(len(request.prompt), 0, count)))
