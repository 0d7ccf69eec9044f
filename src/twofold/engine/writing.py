"""Tokens to text as it may be shown: whole characters only, and nothing of what may turn out to be a stop string.

A character may take several tokens, and a stop string may begin in the middle of one token and end in another. Text is
held back while it ends in something that a stop string begins with; a token, until all of its text is let go.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence

from twofold.contracts import Token

__all__ = ["Writing"]


class Writing:
    """The text of one answer. `stopped` is set once a stop string was met; nothing is pushed after that."""

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stop, self.stopped = tuple(stop), False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held, self._given = "", 0  # text not yet given out, and characters that were
        self._tokens: deque[tuple[int, int, Token]] = deque()  # where its text begins and ends, in characters

    def push(self, token: Token, raw: bytes) -> tuple[str, tuple[Token, ...]]:
        """What can be given out now that `token`, which stands for the bytes `raw`, has come."""
        start = self._given + len(self._held)
        self._held += self._decoder.decode(raw)
        unfinished = bool(self._decoder.getstate()[0])
        self._tokens.append((start, self._given + len(self._held) + unfinished, token))
        found = [at for at in (self._held.find(stop) for stop in self.stop) if at >= 0]
        if found:
            self.stopped = True
            return self._give(min(found))
        return self._give(len(self._held) - self._overhang())

    def finish(self) -> tuple[str, tuple[Token, ...]]:
        """The rest, when the answer ends without a stop string. An unfinished character is U+FFFD."""
        if self.stopped:
            return "", ()
        self._held += self._decoder.decode(b"", True)
        text, tokens = self._give(len(self._held))
        return text, (*tokens, *(token for _, _, token in self._tokens))

    def _give(self, n: int) -> tuple[str, tuple[Token, ...]]:
        text, self._held = self._held[:n], self._held[n:]
        self._given += n
        tokens = []
        while self._tokens and (
            self._tokens[0][1] <= self._given or (self.stopped and self._tokens[0][0] < self._given)
        ):
            tokens.append(self._tokens.popleft()[2])
        return text, tuple(tokens)

    def _overhang(self) -> int:
        """Characters at the end that a stop string may begin with."""
        longest = 0
        for stop in self.stop:
            for n in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:n]):
                    longest = n
                    break
        return longest
