"""Where what a person says comes from: an editor at the terminal, or the lines of a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from twofold.errors import require

__all__ = ["editor", "piped"]

Read = Callable[[], str | None]


def piped() -> str | None:
    """The next thing said on standard input, None at its end: a line, and with it the next where it ends in a \\."""
    said = ""
    while line := sys.stdin.readline():
        said += line.rstrip("\n")
        if not said.endswith("\\"):
            return said
        said = said[:-1] + "\n"
    return said or None


def editor(history: Path, commands: Sequence[str]) -> Read:
    """Reads from the terminal: Enter sends, Alt+Enter makes a line, pasted lines stay together, arrows go back.

    What was said is kept in `history`, for this user's eyes only. Ctrl-C empties the line; on an empty one it raises
    KeyboardInterrupt. None at Ctrl-D.
    """
    require("prompt_toolkit", "chat", "chatting in a terminal")
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.shortcuts import CompleteStyle

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    kept: History = InMemoryHistory()
    with contextlib.suppress(OSError):  # a home that cannot be written to has no history
        history.parent.mkdir(parents=True, exist_ok=True)
        history.touch(mode=0o600)
        kept = FileHistory(str(history))
    session: PromptSession[str] = PromptSession(
        "> ", multiline=True, prompt_continuation="  ", history=kept, key_bindings=keys, complete_while_typing=False,
        completer=WordCompleter([f"/{name}" for name in commands], sentence=True),
        complete_style=CompleteStyle.READLINE_LIKE, reserve_space_for_menu=0,
    )  # fmt: skip

    def read() -> str | None:
        try:
            return session.prompt()
        except EOFError:
            return None

    return read
