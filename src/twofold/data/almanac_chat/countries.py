"""What the factbook says of each country, as values that a sentence can hold and an answer can be held to.

Its values carry notes, markup and years ("15,186,090 (2025 est.)"); here they are short. Numbers of people and of
square kilometres keep three figures, which is what a small model can learn and a person remembers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from twofold.data.builtin import clean, factbook_records

__all__ = ["ATTRIBUTES", "Country", "Fact", "countries", "listed"]

MOST_NAMED = 5  # neighbours or languages in one answer
NOT_COUNTRIES = ("European Union", "World")
RENAMED = {
    "The Dominican": "Dominican Republic", "DRC": "Democratic Republic of the Congo",
    "Congo (Brazzaville)": "Republic of the Congo", "Holy See (Vatican City)": "Vatican City",
    "Gaza, Gaza Strip": "Gaza Strip", "Cocos (Keeling) Islands": "Cocos Islands",
}  # fmt: skip
WITH_ARTICLE = re.compile(
    r".* (Islands|Republic|Strip|Bank|Territory|Lands)|(United|Republic of|Democratic Republic|Federated|Isle of) .*"
    r"|Netherlands|Philippines|Maldives|Comoros"
)
MONEY_ELSEWHERE = {"United States": "US dollars (USD)"}  # rates are per US dollar, so its own entry names none


@dataclass(frozen=True)
class Fact:
    """`shown` stands in the answer, in the sentence of this `form`; a right one has all `values`, or the `number`."""

    shown: str
    values: tuple[str, ...]
    form: str = ""
    number: float | None = None


@dataclass(frozen=True)
class Country:
    """`name` as it stands inside a sentence, with its article."""

    name: str
    facts: Mapping[str, Fact]


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """Countries and territories where people live, in the factbook's order, each with the facts that could be read.

    Raises MissingExtra without the factbook.
    """
    found = []
    for title, record in factbook_records():
        if title in NOT_COUNTRIES or title.count(",") > 2:
            continue
        name = RENAMED.get(title) or re.sub(r"^The ", "the ", re.sub(r"\s*\(.*", "", title))
        facts = {one: fact for one, read in READERS.items() if (fact := read(record, name)) is not None}
        if "population" in facts or "capital" in facts:
            found.append(Country(f"the {name}" if WITH_ARTICLE.fullmatch(name) else name, facts))
    return tuple(found)


def listed(values: tuple[str, ...] | list[str]) -> str:
    """A, B and C."""
    return " and ".join(filter(None, [", ".join(values[:-1]), values[-1]]))


def _text(record: Mapping[str, Any], *path: str) -> str:
    """The value at a path, cleaned, up to its first note or line end; "" where there is none."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    value = value.get("text", "") if isinstance(value, Mapping) else value
    text = clean(value) if isinstance(value, str) else ""
    text = re.sub(r"^metropolitan France\s*[:-]\s*", "", text)
    return re.split(r"\n|;? ?\bnote( \d)?\s*[-:]", text)[0].strip(" ;,")


def _bare(text: str) -> str:
    """Without what stands in brackets."""
    while re.search(r"\([^()]*\)", text):
        text = re.sub(r"\s*\([^()]*\)", "", text)
    return text.strip(" ;,")


def _split(text: str, signs: str) -> list[str]:
    """The parts between signs that stand in no brackets."""
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter in signs and depth <= 0:
            parts.append(text[last:at])
            last = at + 1
    return [part.strip() for part in [*parts, text[last:]] if part.strip()]


def _capital(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _text(record, "Government", "Capital", "name")
    parts = _split(text, ";")
    if len(parts) == 1 and text.count("capital)") > 1:
        parts = _split(text, ",")
    if not parts or re.search(r"^none|^no |administered|located|\baka\b|^European", text):
        return None
    names = [re.sub(r" in \w+$", "", _bare(part)) for part in parts]
    roles = [re.search(r"\(([^()\[\]]*(?:capital|seat of government))", part) for part in parts]
    shown = [f"{one} ({role[1]})" if role and len(parts) > 1 else one
             for one, role in zip(names, roles, strict=True)]  # fmt: skip
    return Fact(listed(shown), tuple(names))


def _location(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _text(record, "Geography", "Location").split(";")[0]
    text = re.sub(r", (group|chain|island|archipelago|\w+-shaped)\b(?! of the)", _with_a, text)
    first = text.split(",")[0]
    text = f"the {text}" if first in ("Caribbean", "Middle East") else text
    return Fact(text, (first,)) if first[:1].isupper() and len(text) < 200 else None


def _with_a(found: re.Match[str]) -> str:
    return f", {'an' if found[1][0] in 'aeiou' else 'a'} {found[1]}"


def _region(record: Mapping[str, Any], name: str) -> Fact | None:
    text = re.split(r"[;,]", _text(record, "Geography", "Map references"))[0].strip()
    shown = f"the {text}" if text in ("Middle East", "Arctic Region", "Antarctic Region") else text
    return Fact(shown, (text,)) if text and not text.startswith("Political Map") else None


def _area(record: Mapping[str, Any], name: str) -> Fact | None:
    found = re.match(r"([\d,.]+)( million)? sq km", _text(record, "Geography", "Area", "total ")
                     or _text(record, "Geography", "Area", "total"))  # fmt: skip
    number = float(found[1].replace(",", "")) * (1e6 if found[2] else 1) if found else 0.0
    return Fact(_rounded(number), (), number=number) if number >= 1 else None


def _population(record: Mapping[str, Any], name: str) -> Fact | None:
    found = re.match(r"([\d,]+)", _text(record, "People and Society", "Population", "total"))
    number = int(found[1].replace(",", "")) if found else 0
    return Fact(_rounded(number), (), number=number) if number else None


def _rounded(number: float) -> str:
    """Three figures: 15.2 million, 112,600 becomes 113,000."""
    figures = 2 - math.floor(math.log10(number))
    near = round(number, figures)
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if near >= unit:
            return f"{near / unit:.3g}{name}"
    return f"{near:,.{max(0, figures)}f}" if figures > 0 and near % 1 else f"{near:,.0f}"


def _languages(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _text(record, "People and Society", "Languages", "Languages")
    text = text or _text(record, "People and Society", "Languages")
    names, official, more = [], [], False
    for part in _split(text, ",;"):
        one = re.sub(r"\s*(\(|<|\d).*", "", part).split(" or ")[-1].strip()
        one = re.sub(r" (only|and other languages)$", "", one)
        if re.fullmatch(r"[A-Z][A-Za-z' -]{2,24}", one) and not one.startswith("Other"):
            names.append(one)
            if re.search(r"\bofficial\b", part):
                official.append(one)
        else:
            more = more or "official" in part
    chosen = tuple(official[:MOST_NAMED] or names[:3])
    if not chosen or (not official and more):
        return None
    form = "main" if not official else "official some" if more or len(official) > MOST_NAMED else "official"
    return Fact(listed(chosen), chosen, form if form == "official some" else form + (" many" if chosen[1:] else ""))


def _currency(record: Mapping[str, Any], name: str) -> Fact | None:
    text = MONEY_ELSEWHERE.get(name) or _text(record, "Economy", "Exchange rates", "Currency").split(" per US")[0]
    if not text:
        used = re.search(r"uses? (?:of )?the (euro|US dollar)|the (euro|US dollar) is used|the (US dollar) became",
                         _text(record, "Economy", "Exchange rates"))  # fmt: skip
        unit = next(filter(None, used.groups())) if used else ""
        text = {"euro": "euros (EUR)", "US dollar": "US dollars (USD)"}.get(unit, "")
    value = _bare(text)
    return Fact(text, (value.removesuffix("s"),)) if value and len(text) < 60 else None


def _neighbours(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _text(record, "Geography", "Land boundaries", "border countries")
    names = [re.sub(r"\s+[\d,.]+\s*km.*", "", _bare(re.sub(r"^\(\d+\)\s*:?", "", part))).strip()
             for part in _split(text, ";")]  # fmt: skip
    if not all(re.fullmatch(r"[A-Z][A-Za-z'é\- ]+", one) for one in names):
        return None
    if names:
        few = tuple(names[:MOST_NAMED])
        many = len(names) > MOST_NAMED
        return Fact(f"{len(names)} countries, among them {listed(few)}" if many else listed(few), few)
    total = _text(record, "Geography", "Land boundaries", "total") or _text(record, "Geography", "Land boundaries")
    return Fact("no other country", ("no",)) if re.match(r"0 km", total) else None


def _government(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _bare(re.split(r"[;,(]", _text(record, "Government", "Government type"))[0])
    if not re.fullmatch(r"[a-z][a-z -]{5,50}", text) or text.startswith(("in transition", "none", "in ")):
        return None
    return Fact(f"{'an' if text[0] in 'aeio' else 'a'} {text}", (text,))


def _highest(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _bare(_text(record, "Geography", "Elevation", "highest point"))
    found = re.fullmatch(r"([A-Z][^\d;,]{2,45}?),?\s+([\d,]+)(?: ?m)?", text)
    return Fact(f"{found[1]} ({found[2]} m)", (found[1],)) if found else None


def _independence(record: Mapping[str, Any], name: str) -> Fact | None:
    text = _text(record, "Government", "Independence")
    found = re.match(r"(\d{1,2} [A-Z][a-z]+ \d{4})(?: \(from ([^();]{2,40})\))?", text)
    return Fact(found[1] + (f", from {found[2]}" if found[2] else ""), (found[1],)) if found else None


def _colours(record: Mapping[str, Any], name: str) -> Fact | None:
    names = _split(_text(record, "Government", "National color(s)"), ",")
    if not names or not all(re.fullmatch(r"[a-z -]{3,20}", one) for one in names):
        return None
    return Fact(listed(names), tuple(names), "" if len(names) > 1 else "one")


def _internet(record: Mapping[str, Any], name: str) -> Fact | None:
    found = re.search(r"\.[a-z]{2}\b", _text(record, "Communications", "Internet country code"))
    return Fact(found[0], (found[0],)) if found else None


def _nationality(record: Mapping[str, Any], name: str) -> Fact | None:
    found = re.match(r"([A-Z][A-Za-z' -]+?)(\(s\)$| \(singular and plural\))",
                     _text(record, "People and Society", "Nationality", "noun"))  # fmt: skip
    plural = found[1] + "s" * (found[2] == "(s)") if found else ""
    return Fact(plural, (plural,)) if plural else None


READERS: dict[str, Callable[[Mapping[str, Any], str], Fact | None]] = {
    "capital": _capital, "location": _location, "region": _region, "area": _area, "population": _population,
    "languages": _languages, "currency": _currency, "neighbours": _neighbours, "government": _government,
    "highest point": _highest, "independence": _independence, "colours": _colours, "internet code": _internet,
    "nationality": _nationality,
}  # fmt: skip
ATTRIBUTES = tuple(READERS)
