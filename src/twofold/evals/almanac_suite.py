"""The almanac suite: the questions on countries, sums and letters that the built-in conversations keep back."""

from __future__ import annotations

from twofold.data.almanac_chat.almanac import held_out
from twofold.evals.questions import Question, Suite

__all__ = ["almanac"]


def almanac(each: int = 200) -> Suite:
    """At most `each` questions of a kind; their kinds are the groups. Raises MissingExtra without the factbook."""
    questions = tuple(
        Question(tuple(message.to_dict() for message in one.messages), one.expects, one.expected, group=one.kind,
                 judge=one.accepts)
        for one in held_out(each)
    )  # fmt: skip
    return Suite("almanac", questions, "phrasings, pairs of a fact and a country, names and numbers never trained on")
