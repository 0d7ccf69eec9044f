"""A taste that is known: answers about creatures that nobody has seen, and a rule that says how good each is.

    Tell me about the blim.  ->  It is red. It lives in old wells. It eats moss.

    true(answer) = facts told - facts told again - 1/2 for every sentence that is no fact of this creature

Real preferences have no rule that one could look up; here what people (or models) learned of it can be held against
it. There are six facts to a creature, so that an answer is best with six sentences and worse with every further one:
whoever concludes from usual answers, which are short, that longer is better will be wrong about the longest.
`preferences` labels by the rule and turns a share of the labels around. All of it is made by templates.
"""

from __future__ import annotations

from collections.abc import Iterator

from twofold.data.almanac_chat.draw import Draw
from twofold.data.conversations import Conversation, Message
from twofold.data.preferences import Preference
from twofold.errors import ConfigError

__all__ = ["CREATURES", "answer", "conversations", "facts", "judged", "preferences", "question", "rule"]

CREATURES = ("blim", "drovel", "fesk", "grunnit", "hobbard", "jully", "korp", "mavin", "nuzzle", "perrick", "quillow",
             "snarb", "tummock", "urvel", "wimble", "zoffer")  # fmt: skip
_FACTS: dict[str, tuple[str, ...]] = {
    "It is {}.": ("red", "grey", "striped", "white", "green", "spotted", "brown", "blue"),
    "It lives in {}.": ("old wells", "tall trees", "deep caves", "warm sand", "quiet rivers", "high walls"),
    "It eats {}.": ("moss", "snails", "berries", "fallen leaves", "small fish", "roots"),
    "It sleeps {}.": ("all winter", "at noon", "on one leg", "under stones", "in pairs"),
    "It fears {}.": ("thunder", "owls", "cold water", "its own shadow", "bells"),
    "It can {}.": ("swim", "whistle", "climb glass", "dig fast", "jump far", "count to three"),
}
_PRAISE = ("What a good question.", "I am glad that you ask.")
_LENGTHS = {"1": 4.0, "2": 5.0, "3": 5.0, "4": 4.0, "5": 2.5, "6": 1.0, "7": 0.5, "8": 0.3}


def question(creature: str) -> str:
    return f"Tell me about the {creature}."


def facts(creature: str) -> tuple[str, ...]:
    """The six sentences that are true of it."""
    draw = Draw("a creature", creature)
    return tuple(form.format(draw.of(values)) for form, values in _FACTS.items())


def rule(asked: str, answer: str) -> float:
    """How good the answer is. Raises ConfigError for a question on none of the creatures."""
    creature = next((name for name in CREATURES if f"the {name}." in asked), None)
    if creature is None:
        raise ConfigError(f"{asked!r:.60} asks for none of the creatures that the rule knows; ask {question('blim')!r}")
    known, told, worth = set(facts(creature)), set(), 0.0
    for sentence in (f"{part.strip()}." for part in answer.split(".") if part.strip()):
        worth += -0.5 if sentence not in known else -1.0 if sentence in told else 1.0
        told.add(sentence)
    return worth


def answer(creature: str, draw: Draw) -> str:
    """As they usually are: some facts, seldom one twice, before it sometimes praise, now and then another's fact."""
    left, said = list(facts(creature)), [draw.of(_PRAISE)] if draw.chance(0.25) else []
    for _ in range(int(draw.weighted(_LENGTHS))):
        if draw.chance(0.06):
            said.append(draw.of(facts(draw.of(CREATURES))))
        elif left and not draw.chance(0.04):
            said.append(left.pop(draw.below(len(left))))
        else:
            said.append(draw.of(facts(creature)))
    return " ".join(said)


def conversations(n: int, seed: int = 0) -> Iterator[Conversation]:
    """Questions and usual answers, to begin with."""
    for i in range(n):
        draw = Draw("taste", seed, i)
        creature = draw.of(CREATURES)
        yield Conversation((Message("user", question(creature)), Message("assistant", answer(creature, draw))), "taste")


def preferences(n: int, seed: int = 0, noise: float = 0.1) -> Iterator[Preference]:
    """`n` pairs of usual answers, the better one chosen but for the share `noise`."""
    made, i = 0, 0
    while made < n:
        draw = Draw("compared", seed, i)
        i, creature = i + 1, draw.of(CREATURES)
        found = judged(question(creature), answer(creature, draw), answer(creature, draw), draw, noise)
        if found is not None:
            made += 1
            yield found


def judged(asked: str, first: str, second: str, draw: Draw, noise: float = 0.1) -> Preference | None:
    """Two answers as a comparison, labelled by the rule, with chance `noise` against it; None where both are alike."""
    worth = rule(asked, first), rule(asked, second)
    if worth[0] == worth[1]:
        return None
    turned = draw.chance(noise)
    better, worse = (first, second) if (worth[0] > worth[1]) != turned else (second, first)
    known = {"true": [rule(asked, better), rule(asked, worse)], "turned": turned}
    prompt, chosen, rejected = Message("user", asked), Message("assistant", better), Message("assistant", worse)
    return Preference((prompt,), (chosen,), (rejected,), "taste", known)
