"""The service: one open model that answers many requests at a time, from one thread of its own.

    submit(request, listener)     the listener is given Pieces, in order, the last of them with `finish`
    stream(request)               the same as an iterator; to close it is to cancel

The thread takes what has come in (requests, cancellations, texts to embed), then does one step for everybody
(batch.py), and so on; when there is nothing to do it sleeps.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np

from twofold.engine.backend import CacheKind
from twofold.engine.batch import Batch
from twofold.engine.request import Finish, Listener, Piece, Request, Stats, Ticket, Usage
from twofold.engine.sampling import check
from twofold.engine.scheduler import Scheduler
from twofold.errors import ConfigError, TwofoldError

if TYPE_CHECKING:
    from twofold.engine.open import Engine
    from twofold.engine.speculative import Drafter

__all__ = ["Finish", "Listener", "Piece", "Request", "Service", "Stats", "Ticket", "Usage"]

LONGEST_STOP = 1024  # characters
MOST_CANDIDATES = 1024


class Service:
    """Requests are answered side by side, each as if it were alone: the same seed gives the same text.

    `slots` texts at most take part in a step; more than that take turns. `prefix_bytes` are for keeping what was read.
    """

    def __init__(
        self, engine: Engine, *, slots: int = 16, cache_kind: CacheKind | None = None, prefix_bytes: int = 256 << 20,
        drafter: Drafter | None = None, scheduler: Scheduler | None = None,
    ) -> None:
        self.engine = engine
        self._batch = Batch(engine, scheduler or Scheduler(slots), cache_kind=cache_kind, prefix_bytes=prefix_bytes,
                            drafter=drafter)  # fmt: skip
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="twofold-service", daemon=True)
        self._worker.start()

    def submit(self, request: Request, listener: Listener) -> Ticket:
        """Queue a request; the listener is called from the service's thread, and should be quick.

        Raises ConfigError for a request that cannot be answered, TwofoldError when the service is closed.
        """
        self._check(request)
        matcher = request.constraint.matcher(self.engine, request.stop_ids) if request.constraint else None
        i = next(self._ids)
        self._post(lambda: self._batch.add(i, request, listener, matcher))
        return Ticket(i, lambda: self._inbox.put(lambda: self._batch.cancel(i)))

    def stream(self, request: Request) -> Iterator[Piece]:
        """The pieces of the answer, as they come. Closing the iterator cancels the request. Raises as `submit`."""
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
        """A text as one vector of length 1, float32 [d_model]: the mean of the final stream over its positions.

        Raises ConfigError for a text that is empty, too long or not of this vocabulary.
        """
        self.engine.check_prompt(ids)
        answer: Future[np.ndarray] = Future()

        def work() -> None:
            try:
                answer.set_result(self.engine.backend.states(ids).mean(0))
            except Exception as error:
                answer.set_exception(error)

        self._post(work)
        mean = answer.result()
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    @property
    def stats(self) -> Stats:
        return self._batch.stats

    def close(self, timeout: float | None = None) -> None:
        """Take no new requests, finish what there is, and end; what is not done after `timeout` s is cancelled."""
        with self._lock:
            first, self._closed = not self._closed, True
        if first:
            self._inbox.put(lambda: None)  # wakes it
        self._worker.join(timeout)
        if self._worker.is_alive():
            self._inbox.put(self._batch.cancel_all)
            self._worker.join()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self, request: Request) -> None:
        check(request.sampling)
        self.engine.check_prompt(request.prompt, slide=request.overflow == "slide" and not request.prompt_scores)
        if request.n < 0:
            raise ConfigError(f"n={request.n} tokens cannot be written")
        if not 0 <= request.candidates <= MOST_CANDIDATES:
            raise ConfigError(f"candidates={request.candidates} is not between 0 and {MOST_CANDIDATES}")
        wrong = next((stop for stop in request.stop if not 0 < len(stop) <= LONGEST_STOP), None)
        if wrong is not None:
            raise ConfigError(f"a stop string has 1 to {LONGEST_STOP} characters, not {len(wrong)}")
        size = self.engine.tokenizer.vocab_size
        odd = next((i for i, bias in request.logit_bias.items() if not 0 <= i < size or bias != bias), None)
        if odd is not None:
            raise ConfigError(f"there is no bias {request.logit_bias[odd]} for token {odd} in a vocabulary of {size}")

    def _post(self, job: Callable[[], None]) -> None:
        with self._lock:
            if self._closed:
                raise TwofoldError("the service is closed and takes no more requests")
            self._inbox.put(job)

    def _work(self) -> None:
        while True:
            while not self._inbox.empty() or not len(self._batch):
                if self._closed and self._inbox.empty() and not len(self._batch):
                    return
                self._inbox.get()()
            self._batch.step()
