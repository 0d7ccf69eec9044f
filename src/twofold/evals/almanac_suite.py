"""The almanac suite: the questions on countries, sums and letters that the built-in conversations keep back."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.data.almanac_chat.almanac import held_out
from twofold.evals.questions import Question, Suite

__all__ = ["almanac"]


def almanac(each: int = 200, kinds: Sequence[str] = ()) -> Suite:
    """At most `each` questions of a kind (of `kinds`; none: of all), which are the groups.

    Raises MissingExtra without the factbook, where it is needed.
    """
    questions = tuple(
        Question(tuple(message.to_dict() for message in one.messages), one.expects, one.expected, group=one.kind,
                 judge=one.accepts)
        for one in held_out(each, kinds)
    )  # fmt: skip
    return Suite("almanac", questions, "phrasings, pairs of a fact and a country, names and numbers never trained on")
