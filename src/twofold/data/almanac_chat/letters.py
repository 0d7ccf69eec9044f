"""Spelling, and counting letters: what a model that reads tokens does not see, and learns by spelling first."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from twofold.data.almanac_chat.countries import countries
from twofold.data.almanac_chat.draw import Draw, is_held
from twofold.data.almanac_chat.phrasings import kept
from twofold.data.builtin import clean, factbook_records

__all__ = ["Spelling", "draw_spelling", "words"]

HELD = 0.15
LONGEST = 12
SPELL = ("How do you spell {w}?", "Spell {w}.", "Please spell {w}.", "Can you spell {w}?", "Spell the word {w}.",
         "What are the letters of {w}?", "How is {w} spelled?", "Spell {w} for me.", "{w}, letter by letter, please.",
         "Which letters make up {w}?")  # fmt: skip
LENGTH = ("How many letters are in {w}?", "How many letters does {w} have?", "Count the letters of {w}.",
          "How long is the word {w}?", "What is the number of letters in {w}?", "How many letters has the word {w}?",
          "Count the letters in the word {w}.")  # fmt: skip
COUNT = ("How many times does {l} appear in {w}?", "How often is the letter {l} in {w}?",
         "Count the letter {l} in {w}.",
         "How many {l}s are in {w}?", "How many of the letter {l} does {w} have?", "How many {l}'s are there in {w}?",
         "How often does {w} have the letter {l}?")  # fmt: skip

Spelling = tuple[str, str, str, str, str]  # kind, question, answer, what a right answer holds, the word


def draw_spelling(draw: Draw, *, held: bool) -> Spelling:
    """A question on a word for training, or one on a word for measuring in a phrasing for measuring."""
    word = draw.of(words(held))
    kind = draw.weighted({"spelling": 2, "counting": 3})
    spelled = "-".join(word)
    if kind == "spelling":
        return kind, draw.of(kept(SPELL, held)).replace("{w}", word), f"{spelled}.", spelled, word
    if draw.chance(0.5):
        return (kind, draw.of(kept(LENGTH, held)).replace("{w}", word), f"{spelled}: that is {len(word)} letters.",
                str(len(word)), word)  # fmt: skip
    letter = draw.of(word.lower()) if draw.chance(0.8) else draw.of("aeionrst")
    n = word.lower().count(letter)
    times = f"{n} time" + "s" * (n != 1)
    question = draw.of(kept(COUNT, held)).replace("{w}", word).replace("{l}", letter)
    return kind, question, f"{spelled}: the letter {letter} is there {times}.", str(n), word


@cache
def words(held: bool) -> tuple[str, ...]:
    """Names of countries in one word, and words that the factbook uses often."""
    backgrounds = (record.get("Introduction", {}).get("Background", {}) for _, record in factbook_records())
    texts = (clean(one.get("text", "")) for one in backgrounds)
    often = Counter(word for text in texts for word in re.findall(r"(?<![\w'-])[a-z]{3,}(?![\w'-])", text))
    common = {word for word, n in often.items() if n >= 4}
    names = {country.name for country in countries() if country.name.isascii() and country.name.isalpha()}
    short = (word for word in common | names if len(word) <= LONGEST)
    return tuple(sorted(word for word in short if is_held(HELD, "word", word) == held))
