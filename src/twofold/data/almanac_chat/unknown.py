"""What has no answer: countries that do not exist, and what nobody wrote down of those that do."""

from __future__ import annotations

from twofold.data.almanac_chat.countries import countries
from twofold.data.almanac_chat.draw import Draw, is_held

__all__ = ["FICTIONAL", "NOT_KNOWN", "REFUSALS", "UNKNOWN", "made_up", "not_known"]

HELD = 0.2
BEGINNINGS = (
    "Bal", "Bor", "Cal", "Dar", "Drel", "El", "Far", "Fen", "Gal", "Gor", "Hal", "Il", "Jor", "Kal", "Kor", "Lam",
    "Lor",
    "Mal", "Mer", "Nar", "Nor", "Ol", "Or", "Pel", "Quar", "Ral", "Rov", "Sar", "Sel", "Tal", "Tor", "Ul", "Val", "Vor",
    "Wes", "Yar", "Zan", "Zor", "Bri", "Cro", "Gra", "Kri", "Pla", "Stro", "Tre", "Ver", "Lu", "Mo", "Ka", "Be",
)  # fmt: skip
MIDDLES = ("", "a", "ba", "da", "do", "ga", "go", "la", "lo", "ma", "me", "na", "no", "ra", "ri", "sa", "so", "ta",
           "va", "zi")
ENDINGS = ("via", "nia", "land", "stan", "dor", "ria", "mark", "burg", "lia", "nesia", "tania", "wick", "gal", "mar",
           "thia",
           "gova", "quay", "dova", "bique", "ros", "vakia", "rea", "lonia", "tria", "donia", "soto", "bia",
           "que")  # fmt: skip
ONSETS = ("", "b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kh", "l", "m", "n", "nd", "p",
          "pr", "qu", "r", "rd", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z")
VOWELS = ("a", "a", "e", "e", "i", "o", "o", "u", "ai", "au", "ea", "ia", "io", "oo", "y")
CODAS = ("", "", "", "n", "l", "r", "s", "m", "nd", "rd", "x", "th", "ck", "lm", "rk", "sh", "ng")
AROUND = ("{n}", "{n}", "{n}", "{n}", "{n}", "{n}", "the Republic of {n}", "the Kingdom of {n}", "North {n}",
          "South {n}",
          "the {n} Islands", "Saint {n}", "New {n}", "East {n}", "Upper {n}", "the United States of {n}")  # fmt: skip
FICTIONAL = (  # of books and films; never trained on, all of them for measuring
    "Wakanda", "Genovia", "Zubrowka", "Narnia", "Atlantis", "Freedonia", "Elbonia", "Latveria", "Sokovia", "Ruritania",
    "Graustark", "Zembla", "Gilead", "Panem", "Mordor", "Gondor", "Arendelle", "Lilliput", "Brobdingnag", "Shangri-La",
    "Eastasia", "Qumar", "Syldavia", "Borduria", "San Theodoros", "Vulgaria", "Florin", "Madripoor", "Themyscira",
    "Utopia",
)  # fmt: skip

REFUSALS = ("I don't know a country called {c}.", "I don't know of any country called {c}.")
UNKNOWN = ("I don't know {x}.",)
NOT_KNOWN = (
    "the national dish of {c}", "the best restaurant in {c}", "the weather in {c} today",
    "the mayor of the capital of {c}",
    "the most famous singer of {c}", "the phone number of the president of {c}", "the richest person in {c}",
    "the favourite food of people in {c}", "the time in {c} now", "the price of bread in {c}",
    "the oldest house in {c}",
    "the best hotel in {c}", "the tallest building in {c}", "the most popular sport in {c}", "the oldest person in {c}",
    "tomorrow's news in {c}", "the winner of the next election in {c}", "the most beautiful street in {c}",
    "the number of cats in {c}", "the best football team of {c}", "the name of my uncle in {c}",
    "the best song from {c}",
    "the price of a house in {c}", "the deepest cave of {c}", "the favourite colour of the king of {c}",
    "the number of trees in {c}", "the most read book in {c}", "the fastest runner of {c}", "the best school in {c}",
    "the number of cars in {c}", "the longest bridge of {c}", "the number of shops in {c}", "the best doctor in {c}",
    "the cheapest flight to {c}", "the address of the museum in {c}", "the most common first name in {c}",
)  # fmt: skip
QUALITIES = (
    "best", "worst", "oldest", "newest", "most famous", "cheapest", "biggest", "smallest", "most popular", "richest",
    "most dangerous", "longest", "fastest", "nicest", "loudest", "strangest", "second largest", "most expensive",
)  # fmt: skip
THINGS = (
    "bakery", "beach", "boxer", "bus line", "café", "camel", "castle", "cheese", "church", "cinema", "company", "cook",
    "dancer", "dentist", "dress", "factory", "farm", "film", "garden", "ghost", "hospital", "kitchen", "lawyer",
    "library", "market", "monument", "newspaper", "painter", "palace", "park", "pizza", "poet", "prison", "ship",
    "shoe", "soup", "stadium", "station", "teacher", "theatre", "tunnel", "university", "village", "wedding",
    "wine", "writer", "zoo",
)  # fmt: skip
COUNTED = ("bicycles", "birds", "books", "cows", "dentists", "dogs", "doors", "horses", "lamps", "left-handed people",
           "letters sent today", "millionaires", "pianos", "swimming pools", "twins", "windows")  # fmt: skip


def not_known(draw: Draw) -> str:
    """Something of {c} that nobody wrote down, of many more kinds than can be listed; for training only."""
    if draw.chance(0.3):
        return f"the number of {draw.of(COUNTED)} in {{c}}"
    return f"the {draw.of(QUALITIES)} {draw.of(THINGS)} {draw.of(('in', 'of', 'from'))} {{c}}"


def made_up(draw: Draw, held: bool) -> str:
    """The name of a country that does not exist, for training or (`held`) for measuring."""
    while True:
        name = _like_a_country(draw) if draw.chance(0.5) else _like_nothing(draw)
        real = name in FICTIONAL or any(name in country.name for country in countries())
        if is_held(HELD, "made up", name) == held and not real:
            return draw.of(AROUND).replace("{n}", name)


def _like_a_country(draw: Draw) -> str:
    return draw.of(BEGINNINGS) + draw.of(MIDDLES) + draw.of(ENDINGS)


def _like_nothing(draw: Draw) -> str:
    """Two or three syllables."""
    first = draw.of([onset for onset in ONSETS if onset not in ("nd", "rd")]) + draw.of(VOWELS)
    more = (draw.of(ONSETS) + draw.of(VOWELS) for _ in range(1 + draw.below(2)))
    return (first + "".join(more) + draw.of(CODAS)).capitalize()
