"""The built-in conversations, and the questions that are kept for measuring.

    conversations(seed, n)    for training; the first n are the same whatever n is, and the same on every machine
    held_out()                for measuring; the same whatever seed was trained on

There are two sets of them: "almanac" knows the factbook, "everyday" talks, computes and spells.

Never in training: whole phrasings, whole pairs of a fact and a country (asked or told), names of made-up countries,
things that nobody knows, numbers, words to spell. What is kept back is decided by hashes of what it is, not by a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any

from twofold.data.almanac_chat import letters, sums
from twofold.data.almanac_chat.countries import ATTRIBUTES, Country, Fact, countries
from twofold.data.almanac_chat.draw import Draw, is_held
from twofold.data.almanac_chat.phrasings import (
    ANSWERS,
    FOLLOW_UPS,
    FRAMES,
    ITS,
    OTHERS,
    REVERSE,
    fill,
    framed,
    kept,
    phrasings,
)
from twofold.data.almanac_chat.questions import Question
from twofold.data.almanac_chat.talk import ALMANAC, PLAIN, SYSTEMS, TALK, Persona
from twofold.data.almanac_chat.unknown import FICTIONAL, NOT_KNOWN, REFUSALS, UNKNOWN, made_up, not_known
from twofold.data.conversations import Conversation, Message

__all__ = ["KINDS", "N_CONVERSATIONS", "conversations", "held_out", "pairs"]

HELD_PAIRS = 0.05
KINDS = {
    "almanac": {"facts": 0.5, "reverse": 0.03, "made up": 0.12, "unknown": 0.08, "arithmetic": 0.15, "letters": 0.06,
                "talk": 0.06},
    "everyday": {"arithmetic": 0.5, "letters": 0.25, "small talk": 0.25},
}  # fmt: skip
N_CONVERSATIONS = 40_000  # that a model is taught, where nobody says another number
ASKED = {attribute: 3.0 if attribute == "capital" else 1.0 for attribute in ATTRIBUTES}
WITH_SYSTEM = 0.08
LONG, GOES_ON = 7, 0.25  # messages from which on nothing is added
CARELESS = 0.12  # of questions: in small letters, perhaps without the sign at the end

Turn = tuple[Message, ...]


def conversations(seed: int, n: int = N_CONVERSATIONS, name: str = "almanac") -> Iterator[Conversation]:
    """`n` conversations of the set `name`, one of KINDS. Raises MissingExtra without the factbook, if it is needed."""
    kinds, persona = KINDS[name], ALMANAC if name == "almanac" else PLAIN
    for i in range(n):
        draw = Draw(name, seed, i)
        kind = draw.weighted(kinds)
        turns, labels = MAKERS[kind](draw)
        while len(turns) < LONG and draw.chance(GOES_ON):  # with something else
            turns += MAKERS[draw.weighted(kinds)](draw)[0]
        system: Turn = ()
        if draw.chance(WITH_SYSTEM):
            system = (Message("system", persona.says(draw.of(SYSTEMS))),)
        yield Conversation(system + turns, name, {"kind": kind, "made": "by templates", **labels})


def held_out(each: int = 200, kinds: Collection[str] = ()) -> list[Question]:
    """At most `each` questions of a kind (of `kinds`; none: of all), none twice.

        capital, fact              facts that are trained on, in phrasings that are not
        follow-up                  the same, after another question
        pair                       facts that are never trained on, in phrasings that are
        made-up, fictional         countries that do not exist
        unknown                    what nobody wrote down of countries that do
        arithmetic                 numbers that are not trained on
        arithmetic phrasing        … in phrasings that are not, either
        spelling, counting         words and phrasings that are not
    """
    questions: dict[tuple[str, str], Question] = {}
    for kind, make in MEASURES.items():
        if kinds and kind not in kinds:
            continue
        draw, tries, found = Draw("held out", kind), 0, 0
        while found < each and tries < 20 * each:
            question = make(draw)
            before, tries = len(questions), tries + 1
            questions.setdefault((question.kind, _said(question)), question)
            found += len(questions) - before
    return list(questions.values())


@cache
def pairs(attribute: str, held: bool) -> tuple[tuple[Country, Fact], ...]:
    """The countries with this fact, those for training or those for measuring (`held`)."""
    return tuple((one, one.facts[attribute]) for one in countries()
                 if attribute in one.facts and is_held(HELD_PAIRS, "pair", attribute, one.name) == held)  # fmt: skip


def _said(question: Question) -> str:
    return "\n".join(message.content for message in question.messages)


def _answer(draw: Draw, attribute: str, country: Country, fact: Fact) -> Message:
    template = draw.of(ANSWERS[f"{attribute} {fact.form}".strip()])
    return Message("assistant", fill(template, country.name, fact.shown))


def _ask(draw: Draw, attribute: str, name: str, held: bool = False) -> Message:
    question = fill(framed(draw.of(phrasings(attribute, held))), name)
    if not held and draw.chance(CARELESS):
        question = question.lower().rstrip("?." if draw.chance(0.5) else "")
    return Message("user", question)


def _refusal(draw: Draw, name: str) -> Message:
    return Message("assistant", fill(draw.of(REFUSALS), name))


def _facts(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    """One question, and perhaps further ones: another fact of the country, or the same of another country."""
    attribute = draw.weighted(ASKED)
    country, fact = draw.of(pairs(attribute, False))
    turn = [_ask(draw, attribute, country.name), _answer(draw, attribute, country, fact)]
    while len(turn) < 8 and draw.chance(0.4):
        chance = draw.below(10)
        if chance < 6:
            more = _further(country, attribute)
            if not more:
                break
            attribute = draw.of(more)
            asked = fill(draw.of(kept(FOLLOW_UPS, False)).replace("{x}", draw.of(ITS[attribute])), country.name)
        elif chance < 9:
            country, _ = draw.of(pairs(attribute, False))
            asked = fill(draw.of(kept(OTHERS, False)), country.name)
        else:  # a country that does not exist, and back
            name = made_up(draw, False)
            turn += [Message("user", fill(draw.of(kept(OTHERS, False)), name)), _refusal(draw, name)]
            country, _ = draw.of(pairs(attribute, False))
            asked = fill(draw.of(kept(OTHERS, False)), country.name)
        turn += [Message("user", asked), _answer(draw, attribute, country, country.facts[attribute])]
    return tuple(turn), {"attribute": attribute}


def _further(country: Country, but: str) -> list[str]:
    """What else is trained on of a country."""
    return [one for one in country.facts if one != but and not is_held(HELD_PAIRS, "pair", one, country.name)]


def _reverse(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    country, fact = draw.of([pair for pair in pairs("capital", False) if len(pair[1].values) == 1])
    asked = draw.of(kept(REVERSE, False)).replace("{v}", fact.shown)
    return (Message("user", asked), Message("assistant", f"{fact.shown} is the capital of {country.name}.")), {}


def _made_up(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    attribute, name = draw.weighted(ASKED), made_up(draw, False)
    turn = [_ask(draw, attribute, name), _refusal(draw, name)]
    if draw.chance(0.3):
        country, fact = draw.of(pairs(attribute, False))
        asked = Message("user", fill(draw.of(kept(OTHERS, False)), country.name))
        turn += [asked, _answer(draw, attribute, country, fact)]
    return tuple(turn), {}


def _not_known(draw: Draw, held: bool) -> tuple[str, str]:
    """A question without an answer, and what it asks for."""
    known = kept(NOT_KNOWN, held)
    wanted = fill(draw.of(known) if held or draw.chance(0.5) else not_known(draw), draw.of(countries()).name)
    frame = draw.of(tuple(one for one in kept(FRAMES, held) if "{is}" in one or "ell me" in one))
    wanted = wanted[0].lower() + wanted[1:]
    asked = frame.replace("{is}", "is").replace("{x}", wanted)
    return asked[0].upper() + asked[1:], wanted


def _unknown(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    asked, wanted = _not_known(draw, False)
    return (Message("user", asked), Message("assistant", draw.of(UNKNOWN).replace("{x}", wanted))), {}


def _arithmetic(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    asked = sums.draw_sum(draw, held_numbers=False, held_phrasing=False)
    turn = sums.answered(asked)
    more = sums.asked_again(draw, asked[2]) if draw.chance(0.15) else None
    return turn + (sums.answered(more) if more else ()), {}


def _letters(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    _, asked, answer, _, _ = letters.draw_spelling(draw, held=False)
    return (Message("user", asked), Message("assistant", answer)), {}


def _talk(draw: Draw) -> tuple[Turn, dict[str, Any]]:
    turn = _small_talk(draw, ALMANAC)[0]
    return (turn + _facts(draw)[0] if draw.chance(0.3) else turn), {}


def _small_talk(draw: Draw, persona: Persona = PLAIN) -> tuple[Turn, dict[str, Any]]:
    asked, answers = draw.of(TALK)
    return (Message("user", draw.of(asked)), Message("assistant", persona.says(draw.of(answers)))), {}


MAKERS: dict[str, Callable[[Draw], tuple[Turn, dict[str, Any]]]] = {
    "facts": _facts, "reverse": _reverse, "made up": _made_up, "unknown": _unknown, "arithmetic": _arithmetic,
    "letters": _letters, "talk": _talk, "small talk": _small_talk,
}  # fmt: skip


def _of_fact(kind: str, messages: Turn, attribute: str, country: Country) -> Question:
    fact = country.facts[attribute]
    labels = {"attribute": attribute, "country": country.name}
    if fact.number is not None:
        return Question(kind, messages, "number", number=fact.number, labels=labels)
    return Question(kind, messages, "text", fact.values, labels=labels)


def _measure_fact(kind: str, attributes: tuple[str, ...], held_pair: bool) -> Callable[[Draw], Question]:
    def make(draw: Draw) -> Question:
        attribute = draw.of(attributes)
        country, _ = draw.of(pairs(attribute, held_pair))
        return _of_fact(kind, (_ask(draw, attribute, country.name, not held_pair),), attribute, country)

    return make


def _measure_follow_up(draw: Draw) -> Question:
    first = draw.of(ATTRIBUTES)
    country, fact = draw.of(pairs(first, False))
    before = (_ask(draw, first, country.name, True), _answer(draw, first, country, fact))
    more = _further(country, first)
    if draw.chance(0.6) and more:
        attribute = draw.of(more)
        asked = draw.of(kept(FOLLOW_UPS, True)).replace("{x}", draw.of(ITS[attribute]))
    else:
        attribute, asked = first, draw.of(kept(OTHERS, True))
        country, _ = draw.of(pairs(attribute, False))
    return _of_fact("follow-up", (*before, Message("user", fill(asked, country.name))), attribute, country)


def _measure_made_up(kind: str, name: Callable[[Draw], str]) -> Callable[[Draw], Question]:
    def make(draw: Draw) -> Question:
        messages = (_ask(draw, draw.weighted(ASKED), name(draw), draw.chance(0.5)),)
        return Question(kind, messages, "refusal")

    return make


def _measure_unknown(draw: Draw) -> Question:
    return Question("unknown", (Message("user", _not_known(draw, True)[0]),), "refusal")


def _measure_sum(kind: str, held_phrasing: bool) -> Callable[[Draw], Question]:
    def make(draw: Draw) -> Question:
        asked, expression, result = sums.draw_sum(draw, held_numbers=True, held_phrasing=held_phrasing)
        return Question(kind, (Message("user", asked),), "result", number=float(result.removeprefix("≈ ")),
                        labels={"expression": expression, "result": result})  # fmt: skip

    return make


def _measure_letters(kind: str) -> Callable[[Draw], Question]:
    def make(draw: Draw) -> Question:
        found, asked, _, value, word = letters.draw_spelling(draw, held=True)
        while found != kind:
            found, asked, _, value, word = letters.draw_spelling(draw, held=True)
        message = (Message("user", asked),)
        if kind == "counting":
            return Question(kind, message, "result", number=float(value), labels={"word": word})
        return Question(kind, message, "text", (value,), labels={"word": word})

    return make


MEASURES: dict[str, Callable[[Draw], Question]] = {
    "capital": _measure_fact("capital", ("capital",), False),
    "fact": _measure_fact("fact", ATTRIBUTES, False),
    "follow-up": _measure_follow_up,
    "pair": _measure_fact("pair", ATTRIBUTES, True),
    "made-up": _measure_made_up("made-up", lambda draw: made_up(draw, True)),
    "fictional": _measure_made_up("fictional", lambda draw: draw.of(FICTIONAL)),
    "unknown": _measure_unknown,
    "arithmetic": _measure_sum("arithmetic", False),
    "arithmetic phrasing": _measure_sum("arithmetic phrasing", True),
    "spelling": _measure_letters("spelling"),
    "counting": _measure_letters("counting"),
}
