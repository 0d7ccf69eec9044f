"""What has no answer: countries that do not exist, and what nobody wrote down of those that do."""

from __future__ import annotations

from twofold.data.almanac_chat.countries import countries
from twofold.data.almanac_chat.draw import Draw, is_held

__all__ = ["FICTIONAL", "NOT_KNOWN", "REFUSALS", "UNKNOWN", "made_up"]

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


def made_up(draw: Draw, held: bool) -> str:
    """The name of a country that does not exist, for training or (`held`) for measuring."""
    while True:
        name = draw.of(BEGINNINGS) + draw.of(MIDDLES) + draw.of(ENDINGS)
        if is_held(HELD, "made up", name) == held and not any(name in country.name for country in countries()):
            return draw.of(AROUND).replace("{n}", name)
