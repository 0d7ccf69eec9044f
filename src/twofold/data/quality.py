"""Rules that say why a text is not worth learning from. Which ones apply depends on the kind of writing.

    prose, docs, facts    something to read at all: a few words, letters among the signs, not one endless run
    table                 a few words
    web                   these, then Gopher's on repetition, Gopher's on quality, C4's, FineWeb's

Rae et al. 2021 (Gopher), arXiv:2112.11446, appendix A; Raffel et al. 2020 (C4), arXiv:1910.10683, section 2.2;
Penedo et al. 2024 (FineWeb), arXiv:2406.17557, section 3.6. Gopher's stop words are extended to seven languages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from twofold.data.settings import Rules

__all__ = [
    "Reading",
    "c4",
    "endless_run",
    "fault",
    "few_letters",
    "fineweb",
    "garbled",
    "gopher_quality",
    "preset",
    "repeated_grams",
    "repeated_lines",
    "too_short",
    "trim",
]


@dataclass
class Reading:
    """A text, and what several rules want to know about it, found once. Words are what stands between blanks."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @cached_property
    def lines(self) -> list[str]:
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def letters(self) -> int:
        return sum(map(str.isalpha, self.text))


Rule = Callable[[Reading], "str | None"]
_NO_LETTERS = re.compile(r"[\W\d_]+")
_RUN_LENGTH = 1000
_RUN = re.compile(rf"\w{{{_RUN_LENGTH},}}")
_SENTENCE = re.compile(r"[.!?。！？][\"'”’)\]]*(?:\s|$)")
_BULLETS = ("-", "*", "•", "‣", "▪", "●", "○", "·", "–")
_ENDINGS = (".", "!", "?", ":", ";", '"', "'", "”", "’", ")", "…", "。", "！", "？")
_POLICY = re.compile(r"javascript|terms of use|privacy policy|cookie policy|uses? cookies|use of cookies",
                     re.IGNORECASE)
_STOP_WORDS = frozenset(word for language in (
    "the be to of and that have with",  # Gopher's
    "der die das und ist nicht von mit",
    "le la les et est que pour dans",
    "el los las es que por para con",
    "il di che non per una sono",
    "os um uma do da não com",
    "de het een van en dat niet",
) for word in language.split())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def too_short(reading: Reading) -> str | None:
    few = len(_NO_LETTERS.sub(" ", reading.text[:500]).split()) < 3 and reading.letters < 20
    return f"too short: {len(reading.text)} characters" if few else None


def few_letters(reading: Reading) -> str | None:
    share = _share(reading.letters, sum(map(len, reading.words)))
    return f"few letters: {share:.0%} of its signs" if share < 0.3 else None


def endless_run(reading: Reading) -> str | None:
    if max(map(len, reading.words), default=0) < _RUN_LENGTH:
        return None
    share = _share(sum(map(len, _RUN.findall(reading.text))), len(reading.text))
    return f"endless runs without a blank: {share:.0%} of it" if share > 0.5 else None


def garbled(reading: Reading) -> str | None:
    share = _share(reading.text.count("\ufffd"), len(reading.text))
    return f"garbled: {share:.1%} of its characters were lost" if share > 0.005 else None


def repeated_lines(reading: Reading) -> str | None:
    for name, parts in (("lines", reading.lines), ("paragraphs", re.split(r"\n\s*\n", reading.text.strip()))):
        copies = {part: n for part, n in Counter(parts).items() if n > 1}
        share = _share(sum(copies.values()) - len(copies), len(parts))
        if share > 0.30:
            return f"repeated {name}: {share:.0%} of them"
        share = _share(sum(len(part) * (n - 1) for part, n in copies.items()), sum(map(len, parts)))
        if share > 0.20:
            return f"repeated {name}: {share:.0%} of their characters"
    return None


def repeated_grams(reading: Reading) -> str | None:
    words = reading.words
    total = sum(map(len, words))
    for n, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        top, count = max(Counter(zip(*(words[i:] for i in range(n)), strict=False)).items(),
                         key=lambda item: (item[1], item[0]), default=((), 0))
        share = _share(count * sum(map(len, top)), total)
        if count > 1 and share > most:
            return f"one phrase again and again: {share:.0%} is {' '.join(top)!r}"
    for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10)):
        share = _share(_repeated_characters(words, n), total)
        if share > most:
            return f"repeated phrases: {share:.0%} of it in runs of {n} words"
    return None


def _repeated_characters(words: list[str], n: int) -> int:
    """Characters in runs of n words that came before, each counted once."""
    seen: set[tuple[str, ...]] = set()
    i = characters = 0
    while i <= len(words) - n:
        gram = tuple(words[i:i + n])
        if gram in seen:
            characters += sum(map(len, gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return characters


def gopher_quality(reading: Reading) -> str | None:
    words, lines = reading.words, reading.lines
    if not 50 <= len(words) <= 100_000:
        return f"words not 50 to 100,000: {len(words)}"
    mean = sum(map(len, words)) / len(words)
    if not 3 <= mean <= 10:
        return f"mean word length not 3 to 10: {mean:.1f}"
    signs = max(reading.text.count("#"), reading.text.count("…") + reading.text.count("..."))
    shares = (
        ("signs # and … a word above 0.1", signs / len(words), 0.1),
        ("bullet lines above 90 %", _share(sum(line.startswith(_BULLETS) for line in lines), len(lines)), 0.9),
        ("lines that end in … above 30 %", _share(sum(line.endswith(("…", "...")) for line in lines), len(lines)), 0.3),
        ("words without a letter above 20 %", sum(not any(map(str.isalpha, word)) for word in words) / len(words), 0.2),
    )
    for name, share, most in shares:
        if share > most:
            return f"{name}: {share:.2f}"
    if len(_STOP_WORDS.intersection(map(str.lower, words))) < 2:
        return "fewer than two of the commonest words"
    return None


def c4(reading: Reading) -> str | None:
    text = reading.text.lower()
    for unwanted in ("lorem ipsum", "{"):
        if unwanted in text:
            return f"holds {unwanted!r}"
    sentences = len(_SENTENCE.findall(reading.text))
    return f"fewer than five sentences: {sentences}" if sentences < 5 else None


def fineweb(reading: Reading) -> str | None:
    lines = reading.lines
    ended = _share(sum(line.endswith(_ENDINGS) for line in lines), len(lines))
    if ended < 0.12:
        return f"lines that end in punctuation below 12 %: {ended:.0%}"
    short = _share(sum(len(line) <= 30 for line in lines), len(lines))
    if short > 0.67:
        return f"lines of 30 characters or fewer above 67 %: {short:.0%}"
    copied = sum(len(line) * (n - 1) for line, n in Counter(lines).items())
    if _share(copied, sum(map(len, lines))) > 0.01:
        return f"characters in copied lines above 1 %: {_share(copied, sum(map(len, lines))):.1%}"
    ratio = _share(reading.text.count("\n"), len(reading.words))
    return f"line ends a word above 0.3: {ratio:.2f}" if ratio > 0.3 else None


_LIGHT: tuple[Rule, ...] = (too_short, few_letters, endless_run, garbled)
_WEB: tuple[Rule, ...] = (*_LIGHT, repeated_lines, repeated_grams, gopher_quality, c4, fineweb)
_BY_KIND: dict[str, tuple[Rule, ...]] = {"prose": _LIGHT, "docs": _LIGHT, "facts": _LIGHT, "table": (too_short,),
                                         "web": _WEB}


def preset(kind: str, rules: Rules) -> tuple[Rule, ...]:
    """The rules for a kind of writing; all but "auto" disregard the kind."""
    return {"auto": _BY_KIND[kind], "light": _LIGHT, "web": _WEB, "none": ()}[rules]


def fault(text: str, rules: Iterable[Rule]) -> str | None:
    """The first rule that the text breaks, as "rule: value", or None."""
    reading = Reading(text)
    return next(filter(None, (rule(reading) for rule in rules)), None)


def trim(text: str) -> str:
    """C4's rules for lines: those of fewer than three words, with an endless word, on scripts, cookies and policies
    go. Empty lines stay, as they part the paragraphs."""
    return "\n".join(line for line in text.split("\n") if not line.strip() or (
        len(line.split()) >= 3 and max(map(len, line.split())) <= 1000 and not _POLICY.search(line)))
