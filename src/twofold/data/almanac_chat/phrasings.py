"""How people ask, and how the answer reads. {c} is a country, {s} its possessive, {C} its name where a sentence begins.

A question is either one of an attribute's own, or a frame around one of its names: "Do you know {x}?" around
"the capital of {c}". A whole frame, or a question of an attribute's own, is kept for measuring by the hash of its
words, so nothing that is asked there was ever asked in training, whatever name it frames.
"""

from __future__ import annotations

import re
from functools import cache

from twofold.data.almanac_chat.draw import rank

__all__ = ["ANSWERS", "FOLLOW_UPS", "FRAMES", "ITS", "NAMES", "OTHERS", "REVERSE", "Phrasing", "fill", "framed", "kept",
           "phrasings", "worn"]  # fmt: skip

HELD = 0.2  # of frames and of questions

FRAMES = (
    "What {is} {x}?", "What's {x}?", "Tell me {x}.", "Can you tell me {x}?", "Could you tell me {x}?",
    "Do you know {x}?",
    "I would like to know {x}.", "I want to know {x}.", "Please tell me {x}.", "Give me {x}.", "Please name {x}.",
    "I wonder what {x} {is}.", "Let me know {x}.", "Do you happen to know {x}?", "{x}?", "{x}, please.", "{x}",
    "Quick question: what {is} {x}?", "For a quiz: what {is} {x}?", "I forgot {x}. Can you help?", "Hi, what {is} {x}?",
    "Hello! Can you tell me {x}?", "Help me out: what {is} {x}?", "I need {x}.", "Would you tell me {x}?",
    "Look up {x}.", "May I ask what {x} {is}?", "Remind me what {x} {is}.", "What {is} {x} again?", "So what {is} {x}?",
    "I am looking for {x}.", "My homework asks for {x}.", "Can you look up {x}?", "Say what {x} {is}.",
    "Any idea what {x} {is}?", "Could you remind me of {x}?", "Write down {x}.", "Show me {x}.", "And what {is} {x}?",
    "Explain to me what {x} {is}.", "I'd love to hear {x}.", "Do tell me {x}!",
)  # fmt: skip

NAMES: dict[str, tuple[str, ...]] = {  # "+" marks several things: what are, not what is
    "capital": ("the capital of {c}", "{s} capital", "the capital city of {c}", "the name of the capital of {c}"),
    "location": ("the location of {c}", "{s} location", "the place of {c} on the map"),
    "region": ("the part of the world that {c} is in", "the region that {c} belongs to", "{s} region of the world"),
    "area": ("the area of {c}", "{s} area", "the size of {c} in square kilometres", "the total area of {c}"),
    "population": ("the population of {c}", "{s} population", "the number of people in {c}",
                   "the number of inhabitants of {c}"),
    "languages": ("+the languages of {c}", "+{s} languages", "+the languages spoken in {c}", "the language of {c}"),
    "currency": ("the currency of {c}", "{s} currency", "the money used in {c}", "the name of the currency of {c}"),
    "neighbours": ("+the neighbours of {c}", "+{s} neighbours", "+the countries that border {c}",
                   "+the neighbouring countries of {c}"),
    "government": ("the government type of {c}", "{s} form of government", "the form of government of {c}",
                   "the political system of {c}"),
    "highest point": ("the highest point of {c}", "{s} highest point", "the highest mountain of {c}",
                      "the highest point in {c}"),
    "independence": ("the date of independence of {c}", "{s} date of independence",
                     "the day on which {c} became independent"),
    "colours": ("+the national colours of {c}", "+{s} national colours", "+the colours of {c}"),
    "internet code": ("the internet country code of {c}", "{s} internet code", "the internet domain of {c}"),
    "nationality": ("the name for people from {c}", "the word for the people of {c}",
                    "the nationality of people in {c}"),
}  # fmt: skip

OWN: dict[str, tuple[str, ...]] = {
    "capital": ("Which city is the capital of {c}?", "What city is {s} capital?",
                "Which city does {c} call its capital?",
                "What do you call the capital of {c}?", "In which city does {c} have its capital?", "{c}: capital?",
                "Which city should I visit to see the capital of {c}?", "What is the capital city called in {c}?",
                "Which is the capital of {c}?", "If I travel to the capital of {c}, where do I go?"),
    "location": ("Where is {c}?", "Where is {c} located?", "Where can I find {c} on a map?", "Where does {c} lie?",
                 "In what place is {c}?", "Where would I find {c}?", "Where in the world is {c}?",
                 "Locate {c} for me."),
    "region": ("Which part of the world is {c} in?", "Which continent is {c} in?", "On which continent is {c}?",
               "To which region does {c} belong?", "What continent does {c} belong to?", "In which region is {c}?"),
    "area": ("How big is {c}?", "How large is {c}?", "How many square kilometres does {c} have?",
             "What area does {c} cover?", "How much land and water belong to {c}?", "How large a country is {c}?"),
    "population": ("How many people live in {c}?", "How many inhabitants does {c} have?", "How populous is {c}?",
                   "How many people are there in {c}?", "What number of people live in {c}?",
                   "How many persons call {c} their home?"),
    "languages": ("Which languages are spoken in {c}?", "What languages do people speak in {c}?",
                  "What do people speak in {c}?", "Which language is spoken in {c}?",
                  "What language should I learn for {c}?", "In which languages do people talk in {c}?"),
    "currency": ("Which currency is used in {c}?", "What money do people use in {c}?", "How do people pay in {c}?",
                 "What do I pay with in {c}?", "Which money does {c} have?", "What currency do I need in {c}?"),
    "neighbours": ("Which countries border {c}?", "Which countries are next to {c}?", "What countries does {c} border?",
                   "Who are the neighbours of {c}?", "Which countries touch {c}?",
                   "With whom does {c} share a border?"),
    "government": ("How is {c} governed?", "What kind of government does {c} have?", "What sort of state is {c}?",
                   "Which form of government does {c} have?", "What type of government rules {c}?"),
    "highest point": ("What is the highest mountain in {c}?", "Which mountain is the highest in {c}?",
                      "Where is the highest point of {c}?", "Which point of {c} is the highest?",
                      "How high does {c} rise, and where?", "What is the tallest peak of {c}?"),
    "independence": ("When did {c} become independent?", "Since when is {c} independent?",
                     "When did {c} gain its independence?", "On what date did {c} become independent?",
                     "In which year did {c} become independent?"),
    "colours": ("What colours stand for {c}?", "Which colours are the national colours of {c}?",
                "Which colours does {c} have?", "What are the colours that {c} is known by?"),
    "internet code": ("Which internet code does {c} have?", "How do internet addresses from {c} end?",
                      "Which domain belongs to {c}?", "What do web addresses in {c} end with?"),
    "nationality": ("What are people from {c} called?", "What do you call someone from {c}?",
                    "What do you call people from {c}?", "How are the people of {c} called?"),
}  # fmt: skip

ANSWERS: dict[str, tuple[str, ...]] = {
    "capital": ("The capital of {c} is {v}.", "{S} capital is {v}."),
    "location": ("{C} is in {v}.",),
    "region": ("{C} belongs to {v}.",),
    "area": ("{C} has an area of about {v} square kilometres.",),
    "population": ("{C} has about {v} people.",),
    "languages official": ("The official language of {c} is {v}.",),
    "languages official many": ("The official languages of {c} are {v}.",),
    "languages official some": ("The official languages of {c} include {v}.",),
    "languages main": ("The main language of {c} is {v}.",),
    "languages main many": ("The main languages of {c} are {v}.",),
    "currency": ("{C} uses {v} as its currency.",),
    "neighbours": ("{C} borders {v}.",),
    "government": ("{C} is {v}.",),
    "highest point": ("The highest point of {c} is {v}.",),
    "independence": ("{C} became independent on {v}.",),
    "colours": ("The national colours of {c} are {v}.",),
    "colours one": ("The national colour of {c} is {v}.",),
    "internet code": ("The internet country code of {c} is {v}.",),
    "nationality": ("People from {c} are called {v}.",),
}

ITS: dict[str, tuple[str, ...]] = {
    "capital": ("its capital", "the capital"), "location": ("its location",), "region": ("its region of the world",),
    "area": ("its area", "its size"), "population": ("its population", "the number of people"),
    "languages": ("its languages", "the language"), "currency": ("its currency", "the money"),
    "neighbours": ("its neighbours", "the neighbouring countries"), "government": ("its form of government",),
    "highest point": ("its highest point", "the highest mountain"), "independence": ("its date of independence",),
    "colours": ("its national colours",), "internet code": ("its internet code",),
    "nationality": ("the name for its people",),
}  # fmt: skip
FOLLOW_UPS = ("And {x}?", "What about {x}?", "Also {x}, please.", "And what about {x}?", "{x}, too?", "Then {x}?",
              "Do you know {x} as well?", "Now {x}.", "Tell me {x} as well.", "How about {x}?",
              "I also want {x}.")  # fmt: skip
OTHERS = ("And {c}?", "What about {c}?", "And for {c}?", "How about {c}?", "The same for {c}?",
          "And in the case of {c}?",
          "Now {c}, please.", "And what about {c}?", "Same question for {c}.")  # fmt: skip
REVERSE = ("{v} is the capital of which country?", "Which country has the capital {v}?",
           "Of which country is {v} the capital?",
           "Whose capital is {v}?", "{v} is the capital of what?", "Which country is governed from {v}?",
           "Name the country with the capital {v}.", "In which country is {v} the capital?")  # fmt: skip

Phrasing = tuple[str, str]  # a frame, or "{x}", and what stands in it


def worn(text: str) -> str:
    """A phrasing without what does not matter: case, signs, "please"."""
    return " ".join(re.sub(r"\bplease\b|[^a-z{} ]", " ", text.lower()).split())


@cache
def kept(choices: tuple[str, ...], held: bool, share: float = HELD) -> tuple[str, ...]:
    """Of `choices` those for measuring (`held`) or those for training. At least one is for measuring.

    The first, the most usual one, is for training. Those that differ only in signs and "please" are on the same side.
    """
    order = sorted({worn(one) for one in choices} - {worn(choices[0])}, key=lambda one: (rank("phrasing", one), one))
    measured = set(order[: max(1, round(share * len(order)))])
    return tuple(one for one in choices if (worn(one) in measured) == held)


@cache
def phrasings(attribute: str, held: bool) -> tuple[Phrasing, ...]:
    """The ways to ask for an attribute. Its own questions are repeated, so that half of all draws are of them."""
    framed_ones = [(frame, name) for frame in kept(FRAMES, held) for name in NAMES[attribute]
                   if not (name[0] == "+" and "What's" in frame)]  # fmt: skip
    own = [("{x}", one) for one in kept(OWN[attribute], held)]
    return tuple(framed_ones + own * max(1, len(framed_ones) // len(own)))


def framed(phrasing: Phrasing) -> str:
    """The question, with the places of the country left open."""
    frame, name = phrasing
    said = frame.replace("{is}", "are" if name[0] == "+" else "is").replace("{x}", name.lstrip("+"))
    return said if said[0] == "{" else said[0].upper() + said[1:]


def fill(template: str, c: str, v: str = "") -> str:
    """`template` with a country and a value in place, and a capital letter at its beginning."""
    possessive = c + ("'" if c.endswith("s") else "'s")
    said = (template.replace("{c}", c).replace("{s}", possessive).replace("{C}", c[0].upper() + c[1:])
            .replace("{S}", possessive[0].upper() + possessive[1:]).replace("{v}", v))  # fmt: skip
    return said[0].upper() + said[1:]




