"""A question whose answer is known, and whether a text answers it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from twofold.data.conversations import Message

__all__ = ["Question", "refuses"]

UNITS = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
NUMBER = re.compile(r"(-?\d[\d,]*(?:\.\d+)?)(?:\s*(thousand|million|billion))?")
REFUSAL = re.compile(
    r"\b(don ?t|do not|does not|doesn ?t|can ?t|cannot|couldn ?t) (know|exist|find|have (any )?(information|facts))\b"
    r"|\b(not aware of|never heard of|no such country|no information|not a (real |recognized |known )?country|fictional"
    r"|fictitious|unknown to me|not familiar with)\b"
)


@dataclass(frozen=True)
class Question:
    """`messages` end with the user's. `kind` groups questions in a report; `labels` say more (attribute, country, …).

    A text is right, by `expects`:
        "text"      it holds all of `values`, as words, whatever their case, their accents and an s at their end;
                    one that begins with a point, such as .fr, as it is
        "number"    one of its numbers is within `tolerance` (a share) of `number`
        "result"    its last number is `number`, to the digits that are written there
        "refusal"   it says that it does not know
    """

    kind: str
    messages: tuple[Message, ...]
    expects: Literal["text", "number", "result", "refusal"]
    values: tuple[str, ...] = ()
    number: float = 0.0
    tolerance: float = 0.02
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """What a right answer holds, for people."""
        return {"text": ", ".join(self.values), "refusal": "I don't know"}.get(self.expects, f"{self.number:.12g}")

    def accepts(self, answer: str) -> bool:
        if self.expects == "refusal":
            return refuses(answer)
        if self.expects == "text":
            said = f" {_words(answer)} "
            return all(value in answer.lower() if value[:1] == "." else re.search(rf" {_words(value)}s? ", said)
                       for value in self.values)  # fmt: skip
        numbers = _numbers(answer)
        if self.expects == "result":
            return bool(numbers) and abs(numbers[-1] - self.number) <= 1e-9 * abs(self.number)
        return any(abs(one - self.number) <= self.tolerance * abs(self.number) for one in numbers)


def refuses(answer: str) -> bool:
    """Whether a text says that it does not know, or that there is no such thing."""
    return bool(REFUSAL.search(_words(answer)))


def _words(text: str) -> str:
    """Letters and digits only, in small letters without accents: "Don't!" is "don t"."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o"))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
    return " ".join(re.findall(r"[^\W_]+", kept))


def _numbers(text: str) -> list[float]:
    return [float(digits.replace(",", "")) * UNITS.get(unit, 1) for digits, unit in NUMBER.findall(text)]
