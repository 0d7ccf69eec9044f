"""One function over many items on several processes, with the results in order, so that nobody can tell how many."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import TypeVar

__all__ = ["default_workers", "ordered_map"]

T = TypeVar("T")
R = TypeVar("R")

WORTH_PROCESSES = 64 << 20
_CHUNK = 1 << 20


def default_workers() -> int:
    """One per processor, at most eight: beyond that the one process that writes is what others wait for."""
    return min(8, os.cpu_count() or 1)


def ordered_map(function: Callable[[list[T]], list[R]], items: Iterable[T], weigh: Callable[[T], int], total: int,
                workers: int) -> Iterator[R]:
    """`function` on lists of items that weigh about a megabyte together; its results, one after the other.

    Work of less than WORTH_PROCESSES bytes in `total`, and a function that cannot be pickled, stay in this process,
    and a worker starts no workers.
    Processes are spawned, never forked, so it is the same on every system and safe beside threads.
    """
    chunks = _chunks(items, weigh)
    if workers < 2 or total < WORTH_PROCESSES or parent_process() or not _travels(function):
        for chunk in chunks:
            yield from function(chunk)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        pending: list[tuple[list[T], Future[list[R]] | None]] = []

        def submit(n: int) -> None:
            for chunk in islice(chunks, n):
                try:
                    pending.append((chunk, pool.submit(function, chunk)))
                except BrokenProcessPool:
                    pending.append((chunk, None))

        submit(2 * workers)
        while pending:
            chunk, future = pending.pop(0)
            try:
                done = future.result() if future else function(chunk)
            except BrokenProcessPool:  # a worker was killed, or could not start: do its part here
                done = function(chunk)
            yield from done
            submit(1)


def _chunks(items: Iterable[T], weigh: Callable[[T], int]) -> Iterator[list[T]]:
    chunk: list[T] = []
    weight = 0
    for item in items:
        chunk.append(item)
        weight += weigh(item)
        if weight >= _CHUNK:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _travels(function: Callable[[list[T]], list[R]]) -> bool:
    try:
        return bool(pickle.dumps(function))
    except (pickle.PicklingError, TypeError, AttributeError):
        return False
