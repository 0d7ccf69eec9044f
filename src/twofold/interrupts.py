"""Ctrl-C in the middle of long work: it ends between two steps, so that what is kept is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "interrupt_as_event"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after what was done so far was saved."""


@contextmanager
def interrupt_as_event() -> Iterator[threading.Event]:
    """Ctrl-C sets the event, to be seen between two steps; a second Ctrl-C interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        event.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
