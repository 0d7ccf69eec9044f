"""The assistant on a page: what it answers that the base model did not, and what it forgot for that.

It is a part of a run's report, and with the course of its training the report of `finetune`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.atomic import atomic_write
from twofold.make import report_sources, report_training
from twofold.make.report_data import Run, mapping, mappings, number_at, read_run
from twofold.make.report_html import (
    Html,
    bar,
    cell,
    code,
    figure,
    group,
    join,
    note,
    page,
    part,
    row,
    section,
    table,
    tag,
)
from twofold.units import duration, number

__all__ = ["answers", "before_and_after", "explained", "write_report"]

_KINDS = {
    "capital": "capitals, asked in new words", "fact": "all kinds of facts, asked in new words",
    "follow-up": "further questions (and its capital?)", "pair": "facts that no conversation told",
    "made-up": "countries that do not exist", "fictional": "countries of books and films",
    "unknown": "what nobody wrote down", "arithmetic": "sums with new numbers",
    "arithmetic phrasing": "sums in new words", "spelling": "spelling of new words", "counting": "letters of new words",
    "together": "together",
}  # fmt: skip
_COLOUR = "var(--source-1)"


def write_report(folder: Path) -> Path:
    """Write `folder`/report.html of a finetuned model."""
    found = read_run(folder)
    run = dataclasses.replace(found, results={**found.results, "assistant": found.results})
    said = [f"A model of {number(value)} parameters" if (value := number_at(run.results, "parameters")) else "A model",
            f"taught to answer in {duration(number_at(run.results, 'training_seconds') or 0)}"]
    learned = number_at(run.results, "learned_parameters")
    settings = {name: value for name, value in run.part("settings").items() if value not in ((), [], None)}
    rows = [row(name, cell(str(value), class_="words")) for name, value in settings.items()]
    version = run.results.get("code_version")
    parts = dict(
        name=join([run.name]), explained=explained(), answers=answers(run), taught=_samples(run.samples),
        headline=tag("p", ", ".join(said) + f", {number(learned or 0)} of which learned. Check what it says."),
        learned=report_training.learned(run), run_it=report_sources.run_it(run),
        lineage=figure(tag("table", tag("tbody", *rows)), "All that decided the run."),
        version=Html(tag("span", f" {version}")) if isinstance(version, str) else Html(),
    )
    path = folder / "report.html"
    text = page("finetune", parts, title=f"{run.name} · an assistant in two files", heading=run.name,
                data=run.for_page(), script_name="page")  # fmt: skip
    atomic_write(path, text.encode("utf-8", "replace"))
    return path


def explained() -> Html:
    """What it is to answer, in plain words, in mathematics and in code."""
    return section("answers", code_answers=code(
        "evals/asking.py:ask", "tune/losses.py:AnswerLoss.__call__", "intervals.py:wilson"))  # fmt: skip


def answers(run: Run) -> Html:
    """Right answers by kind of question, the base model beside the assistant; then some questions and both answers."""
    taught = run.part("assistant")
    if not taught:
        return note("This is a base model: it goes on with text, and was not taught to answer. Teach it with: "
                    "twofold finetune.")  # fmt: skip
    asked = mapping(taught.get("questions"))
    if not asked:
        return note("Nothing was kept back from its conversations to ask it.")
    groups = [_kind(name, mapping(one)) for name, one in mapping(asked.get("groups")).items()]
    caption = (
        "The share of right answers: the assistant, with the 95 % interval (Wilson) as a bracket, and in grey the base "
        "model, which is asked as a text to go on with. Bars run to 100 %. Phrasings, names, numbers and words were "
        "kept back from training. Whether the two differ is judged by McNemar's exact test, in pairs, at 5 %.")
    return join([
        figure(table(["questions", "right", "95 % interval"], *groups), caption),
        _refused(mapping(asked.get("refused"))), _some(asked), _rewarded(run.part("rewards")),
    ])


def before_and_after(run: Run) -> Html:
    """Bits per byte along the second stage: answers are learned, and text is a little forgotten."""
    taught, log = run.part("assistant"), run.assistant_evaluations
    if not taught or not log:
        return Html()
    names = list(dict.fromkeys(name for one in log for name in one["bits_per_byte"]))
    rows = [row(f"after step {one['step']:,}", *(_bits(one["bits_per_byte"].get(name)) for name in names))
            for one in log]  # fmt: skip
    settings = mapping(taught.get("settings"))
    replay = number_at(settings, "replay") or 0.0
    data = ", ".join(map(str, settings.get("data") or ()))
    caption = (
        f"Held out, in bits per byte, along {duration(number_at(taught, 'training_seconds') or 0)} of learning from "
        f"conversations ({data}): their answers, and a part of the text that the base model learned from, which is "
        f"forgotten a little" + (f" although {100 * replay:.0f} % of the rows were of it." if replay else "."))
    return join([figure(table(["", *names], tag("tbody", *rows)), caption), _samples(run.assistant_samples)])


def _samples(found: list[dict[str, Any]]) -> Html:
    """One held-out question, answered again and again."""
    items = (tag("li", tag("p", tag("b", one.get("prompt") or ""), one["text"], class_="written", dir="auto"),
                 tag("p", f"after step {one['step']:,}", class_="kicker")) for one in found)
    return tag("ol", *items, class_="samples") if found else Html()


def _rewarded(found: Mapping[str, Any]) -> Html | None:
    """The third stage, where there was one: what being right about sums taught, and what it did to all else."""
    if not found:
        return None
    was, now = (number_at(found, "held_out", when, "reward") or 0.0 for when in ("before", "after"))
    worse = [_KINDS.get(name, name) for name in found.get("worse") or ()]
    settings = mapping(found.get("settings"))
    became, then = (f"worse at {', '.join(worse)}", "before") if worse else ("worse at nothing", "after")
    caption = (
        f"Then it learned from being right ({settings.get('reward')}) for "
        f"{duration(number_at(found, 'training_seconds') or 0)}: answers drawn to held-out questions were right in "
        f"{100 * was:.1f} % of cases before and in {100 * now:.1f} % after. The questions above, the likeliest "
        f"answer to each, show it. It became {became}, so the files are those from {then}.")
    groups = [_kind(name, mapping(one), ("after rewards", "before"))
              for name, one in mapping(mapping(found.get("questions")).get("groups")).items()]  # fmt: skip
    return figure(table(["questions", "right", "95 % interval"], *groups), caption)


def _kind(name: str, one: Mapping[str, Any], models: tuple[str, str] = ("assistant", "base model")) -> Html:
    before, after = mapping(one.get("base")), mapping(one.get("assistant"))
    n = number_at(after, "n") or 1
    was, now = (number_at(each, "right") or 0 for each in (before, after))
    low, high = number_at(after, "low") or 0.0, number_at(after, "high") or 0.0
    shown = cell(now / n, f"{100 * now / n:.1f} %")
    interval = cell(f"{low} to {high}", f"{100 * low:.1f} to {100 * high:.1f} %")
    rows = [row(models[0], shown, interval, within=name, total=True),
            bar(3, part(now / n, colour=_COLOUR), part(high, low, bracket=True)),
            row(models[1], cell(was / n, f"{100 * was / n:.1f} %"), cell(""), within=name),
            bar(3, part(was / n, faint=True))]  # fmt: skip
    known = f" · {n:.0f} questions" + (f" · {one['verdict']}" if isinstance(one.get("verdict"), str) else "")
    return group(join([_KINDS.get(name, name), tag("span", known, class_="same")]), 3, rows)


def _refused(refused: Mapping[str, Any]) -> Html | None:
    n = number_at(refused, "n")
    if not n:
        return None
    count, low, high = (number_at(refused, name) or 0.0 for name in ("refused", "low", "high"))
    return tag("p", f"Of the {n:.0f} questions on facts that it was taught, it wrongly says that it does not know to "
                    f"{count:.0f} ({100 * low:.1f} to {100 * high:.1f} %).")  # fmt: skip


def _some(asked: Mapping[str, Any]) -> Html | None:
    found = [one for one in mappings(asked.get("samples")) if isinstance(one.get("assistant"), str)]
    if not found:
        return None
    items = [tag("li", tag("p", tag("b", str(one.get("ask"))), " ", _short(one["assistant"]),
                           tag("b", " ✓" if one.get("right") else " ✗"), class_="written", dir="auto"),
                 tag("p", f"right is {_short(one.get('expected'))} · the base model: {_short(one.get('base'))}",
                     class_="kicker")) for one in found]  # fmt: skip
    return tag("details", tag("summary", f"{len(found)} of the questions, the first of each kind, and both answers"),
               tag("ol", *items, class_="samples"))


def _short(said: Any, most: int = 160) -> str:
    text = " ".join(str(said).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _bits(value: float | None) -> Html:
    return cell(value, "" if value is None else f"{value:.3f}")
