"""Conversations out of any text: what is asked and what is told stand next to each other in it."""

from __future__ import annotations

from twofold.data.continuations import ASKED, BEGUN, TOLD, continuations
from twofold.data.documents import Document

TEXT = "\n\n".join(" ".join(f"word{part}x{i}{'.' if i % 9 == 8 else ''}" for i in range(30 + 10 * part))
                  for part in range(12))  # fmt: skip
DOCUMENTS = [Document("a", "mine", "prose", TEXT)]


def test_a_beginning_and_what_follows_it_are_one_passage_of_the_text():
    found = list(continuations(DOCUMENTS, 100))
    assert found
    for one in found:
        asked, told = (message.content for message in one.messages)
        begun = next(asked[len(form) - 3 :] for form in sorted(ASKED, key=len, reverse=True)
                     if asked.startswith(form[:-3]))  # fmt: skip
        assert f"{begun} {told}" in TEXT
        assert BEGUN[0] <= len(begun.split()) <= BEGUN[1]
        assert TOLD[0] <= len(told.split()) <= TOLD[1]


def test_no_passage_is_used_twice_and_short_ones_are_not_used():
    asked = [one.messages[0].content.split("word")[1].split("x")[0] for one in continuations(DOCUMENTS, 100)]
    assert len(asked) == len(set(asked)) < 12


def test_an_answer_ends_with_a_sentence_where_it_can():
    for one in continuations(DOCUMENTS, 100):
        told = one.messages[1].content
        assert told.endswith(".") or len(told.split()) < TOLD[0] + 9


def test_the_same_text_and_seed_give_the_same_and_another_seed_others():
    first = list(continuations(DOCUMENTS, 5, seed=1))
    assert first == list(continuations(DOCUMENTS, 5, seed=1)) != list(continuations(DOCUMENTS, 5, seed=2))
