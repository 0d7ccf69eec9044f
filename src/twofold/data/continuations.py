"""Conversations out of any text: the user begins a passage, and the assistant goes on with it as the text does.

    user        Go on: The harvest of that year was poor, and
    assistant   the mill stood still from October. Nobody spoke of it …

So an assistant keeps to the text that its owner gave, though nobody wrote conversations about that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from twofold.data.almanac_chat.draw import Draw, rank
from twofold.data.conversations import Conversation, Message
from twofold.data.documents import Document

__all__ = ["continuations"]

ASKED = ("Go on: {x}", "Continue: {x}", "{x}", "Go on with this text: {x}", "What comes next? {x}", "Write on: {x}",
         "Please continue this: {x}", "How does this go on? {x}")  # fmt: skip
BEGUN, TOLD = (6, 24), (20, 60)  # words of the beginning and of what follows
END = re.compile(r"[.!?][\"')\]]?$")


def continuations(documents: Iterable[Document], n: int, seed: int = 0) -> Iterator[Conversation]:
    """At most `n`, from passages drawn evenly over the text; one of each passage."""
    passages = [words for one in documents for part in re.split(r"\n\s*\n", one.text)
                if len(words := part.split()) >= BEGUN[1] + TOLD[0]]  # fmt: skip
    for number in sorted(range(len(passages)), key=lambda number: rank("continuation", seed, number))[:n]:
        draw, words = Draw("continuation", seed, number), passages[number]
        at = draw.below(len(words) - BEGUN[1] - TOLD[0] + 1)
        split = at + BEGUN[0] + draw.below(BEGUN[1] - BEGUN[0] + 1)
        told = _whole(words[split : split + TOLD[1]])
        asked = draw.of(ASKED).replace("{x}", " ".join(words[at:split]))
        yield Conversation((Message("user", asked), Message("assistant", told)), "text", {"kind": "continuation"})


def _whole(words: list[str]) -> str:
    """Up to the last sentence's end, where there is one after enough of them."""
    ends = [i + 1 for i, word in enumerate(words) if END.search(word) and i + 1 >= TOLD[0]]
    return " ".join(words[: ends[-1]] if ends else words)
