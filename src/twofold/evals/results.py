"""What came of a suite: right answers overall and by group, as figures, and as Markdown; and two models compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from twofold.data.almanac_chat.questions import refuses
from twofold.errors import ConfigError
from twofold.evals.questions import Question
from twofold.evals.statistics import Difference, difference
from twofold.intervals import wilson

__all__ = ["WORSE", "Judged", "Results", "Share", "compare", "markdown", "verdict"]

WORSE = "worse"


@dataclass(frozen=True)
class Judged:
    """One question, what was answered, and whether that is right."""

    question: Question
    answer: str
    right: bool


@dataclass(frozen=True)
class Share:
    """`chance` is what guessing among choices gets; `refused` counts written answers that say "I don't know"."""

    right: int
    n: int
    low: float
    high: float
    chance: float
    refused: int

    @property
    def share(self) -> float:
        return self.right / self.n if self.n else 0.0


@dataclass(frozen=True)
class Results:
    model: str
    suite: str
    judged: tuple[Judged, ...]
    seconds: float = 0.0
    tools: tuple[str, ...] = ()

    def groups(self) -> dict[str, Share]:
        """By the questions' groups, in their order, and then all "together" where there is more than one."""
        names = dict.fromkeys(one.question.group or "questions" for one in self.judged)
        found = {name: _share(one for one in self.judged if (one.question.group or "questions") == name)
                 for name in names}  # fmt: skip
        return found if len(found) == 1 else {**found, "together": self.overall}

    @property
    def overall(self) -> Share:
        return _share(self.judged)

    def figures(self) -> dict[str, Any]:
        return {
            "model": self.model, "suite": self.suite, "tools": list(self.tools), "seconds": self.seconds,
            "interval": "95 %, Wilson",
            **_figures(self.overall),
            "groups": {name: _figures(one) for name, one in self.groups().items()},
            "questions": [
                {"ask": one.question.text, "group": one.question.group, "kind": one.question.kind,
                 "expected": one.question.choices[one.question.expected] if one.question.choices
                 else one.question.expected, "answer": one.answer, "right": one.right}
                for one in self.judged
            ],
        }  # fmt: skip


def compare(first: Results, second: Results) -> dict[str, Difference]:
    """By group, second less first. Raises ConfigError where they were not asked the same."""
    if [one.question for one in first.judged] != [one.question for one in second.judged]:
        raise ConfigError("the two were not asked the same questions, so they cannot be compared in pairs")
    found = {}
    for name in second.groups():
        at = [i for i, one in enumerate(second.judged) if name in ("together", one.question.group or "questions")]
        found[name] = difference([first.judged[i].right for i in at], [second.judged[i].right for i in at])
    return found


def verdict(change: Difference) -> str:
    """In words: a gain below the noise is no gain."""
    if change.p >= 0.05:
        return "no difference that can be told from chance"
    return "better" if change.gained > change.lost else WORSE


def markdown(results: Results, against: Results | None = None) -> str:
    """A table, and below it what was answered wrong."""
    models = f"Model: {_named(results)}" + (f", against {_named(against)}" if against else "")
    lines = [f"# {results.suite}", "", models]
    lines += ["", "Intervals: 95 %, Wilson for shares, Bonett–Price for differences; p: McNemar, exact." if against
              else "Intervals: 95 %, Wilson.", ""]  # fmt: skip
    changes = compare(against, results) if against else {}
    lines += ["| questions | right | of | share | 95 % | chance | says it does not know |"
              + (" against it | difference | 95 % | p | |" if against else "")]  # fmt: skip
    lines += ["|---|---:|---:|---:|---:|---:|---:|" + ("---:|---:|---:|---:|---|" if against else "")]
    others = against.groups() if against else {}
    for name, one in results.groups().items():
        row = (f"| {_cell(name)} | {one.right} | {one.n} | {one.share:.1%} | {one.low:.1%} to {one.high:.1%} "
               f"| {one.chance:.1%} | {one.refused} |")  # fmt: skip
        if against:
            change = changes[name]
            row += (f" {others[name].share:.1%} | {100 * change.share:+.1f} points | {100 * change.low:+.1f} to "
                    f"{100 * change.high:+.1f} | {change.p:.3g} | {verdict(change)} |")  # fmt: skip
        lines.append(row)
    wrong = [one for one in results.judged if not one.right]
    if wrong:
        lines += ["", "## Wrong", "", "| asked | right is | answered |", "|---|---|---|"]
        lines += [f"| {_cell(one.question.text)} | {_cell(_expected(one.question))} | {_cell(one.answer)} |"
                  for one in wrong]  # fmt: skip
    return "\n".join(lines) + "\n"


def _named(results: Results) -> str:
    return f"`{results.model}`" + (f" with {', '.join(results.tools)}" if results.tools else "")


def _share(judged: Iterable[Judged]) -> Share:
    among = list(judged)
    right = sum(one.right for one in among)
    chance = sum(1 / len(one.question.choices) for one in among if one.question.choices) / max(1, len(among))
    refused = sum(not one.question.choices and refuses(one.answer) for one in among)
    return Share(right, len(among), *wilson(right, len(among)), chance, refused)


def _figures(one: Share) -> dict[str, Any]:
    return {**vars(one), "share": one.share}


def _expected(question: Question) -> str:
    expected = question.expected
    if question.choices:
        return question.choices[expected]
    if question.judge is not None:
        return str(expected)
    return " or ".join(map(str, expected)) if isinstance(expected, tuple) else f"{question.kind} {expected}"


def _cell(text: str) -> str:
    """A text in one cell of a table, no longer than one reads there."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= 200 else text[:199] + "…"
