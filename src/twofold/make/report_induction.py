"""The lab of induction heads on one page: report.html, which holds all it shows and asks for nothing from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from twofold.atomic import atomic_write
from twofold.circuits.induction import Induction
from twofold.make.induction import Course, Outcome, conclusions, layers_of
from twofold.make.report_html import Html, cell, code, figure, join, page, plot, row, table, tag
from twofold.units import duration

__all__ = ["render", "write_report"]

_HEADS = {"looks after its copy": "prefix", "looks at the token before": "previous"}


def write_report(folder: Path, outcome: Outcome) -> Path:
    """Write `folder`/report.html."""
    path = folder / "report.html"
    atomic_write(path, render(outcome))
    return path


def render(outcome: Outcome) -> str:
    deepest = max(outcome.lab.depths)
    plots = {"depths": _depths(outcome), "change": _seeds(outcome, deepest)}
    if deepest:
        plots["heads"] = _heads(outcome, deepest)
    known = outcome.baselines
    parts = dict(
        headline=join(tag("p", sentence[0].upper() + sentence[1:]) for sentence in conclusions(outcome)),
        facts=_facts(outcome), seeds=_table(outcome), choices=_choices(outcome),
        depths=_plot(plots, "depths", 260, "Surprise along training, by depth", (
            f"Surprise at the tokens that could be known, on periods that training never saw, mean over "
            f"{outcome.lab.seeds} seeds each. The grey line is the best table of pairs, {known.pairs:.2f} nats; "
            f"knowing nothing is {known.uniform:.2f}.")),
        change=_plot(plots, "change", 240, f"Right answers along training, {layers_of(deepest)}", (
            f"The share of those tokens that is right, seed by seed, with {layers_of(deepest)}; the grey line is the "
            f"mean. Looking up what followed the latest earlier copy gets {100 * known.looked_up:.0f} %: some "
            "stretches hold a token twice.")),
        heads=_plot(plots, "heads", 220, "What heads look at along training", (
            f"Attention on four repeats of ten random tokens, {layers_of(deepest)}: of the head that looks most at the "
            "tokens after its earlier copies, and of the one that looks most at the token before; means over seeds."
            )) if deepest else tag("p", "A model without layers has no heads."),
        code_text=code("circuits/repeats.py:Repeats.rows"), code_phase=code("make/induction.py:Course.phase"),
        code_heads=code("circuits/detectors.py:detect", "circuits/induction.py:cut"),
    )  # fmt: skip
    return page("induction", parts, title="Circuits that form · twofold", heading="Circuits that form",
                data={"plots": plots})  # fmt: skip


def _plot(plots: dict[str, dict[str, Any]], name: str, height: int, label: str, caption: str) -> Html:
    legend = tag("ul", *(tag("li", tag("svg", aria_hidden="true", viewBox="0 0 24 12"), each["name"])
                         for each in plots[name]["series"]), class_="legend")  # fmt: skip
    return plot(name, label, height, caption, legend)


def _series(name: str, courses: Iterable[Course], value: Callable[[Induction], float]) -> dict[str, Any]:
    """The mean over courses, measure by measure."""
    each = list(zip(*(course.points for course in courses), strict=True))
    return {"name": name, "points": [[at[0][0], mean(value(point) for _, point in at)] for at in each]}


def _depths(outcome: Outcome) -> dict[str, Any]:
    series = [_series(layers_of(n), outcome.of(n), lambda point: point.nats) for n in outcome.lab.depths]
    level = {"name": "best table of pairs", "value": outcome.baselines.pairs}
    return {"series": series, "label": "nats", "level": level, "shares": False}


def _seeds(outcome: Outcome, layers: int) -> dict[str, Any]:
    series = [_series(f"seed {course.seed}", [course], lambda point: point.right) for course in outcome.of(layers)]
    return {"series": series, "label": "right", "level": None, "shares": True}


def _heads(outcome: Outcome, layers: int) -> dict[str, Any]:
    courses = outcome.of(layers)
    series = [_series(name, courses, lambda point, kind=kind: float(getattr(point, kind)))  # type: ignore[misc]
              for name, kind in _HEADS.items()]  # fmt: skip
    return {"series": series, "label": "attention", "level": None, "shares": False}


def _facts(outcome: Outcome) -> Html:
    known = [("models trained", str(len(outcome.courses))), ("steps each", f"{outcome.lab.steps:,}"),
             ("of training", duration(sum(course.seconds for course in outcome.courses)))]  # fmt: skip
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in known), class_="facts")


def _table(outcome: Outcome) -> Html:
    rows = []
    for course in outcome.courses:
        end, phase = course.end, course.phase()
        cells = [cell(end.right, f"{100 * end.right:.0f} %"), cell(end.nats, f"{end.nats:.3f}")]
        cells += [cell(value if course.layers else None, f"{value:.2f}") for value in (end.prefix, end.previous)]
        cells.append(cell(end.copying if course.layers else None, f"{end.copying:+.2f}"))
        inducts = outcome.inducts(course)
        cells.append(cell(f"{phase[0]}–{phase[1]}" if phase and inducts else None))
        cells += [cell(course.cut[kind] if course.cut else None, f"{100 * (course.cut or {}).get(kind, 0):.0f} %")
                  for kind in "QKV"]  # fmt: skip
        cells.append(cell((course.composed() or None) if inducts else "failed" if course.layers > 1 else None))
        rows.append(row(f"{layers_of(course.layers)}, seed {course.seed}", *cells))
    heads = ["", "right", "nats", "prefix", "previous", "copying", "change", "cut Q", "cut K", "cut V", "through"]
    caption = ("On periods that training never saw. prefix, previous: the best head's attention; copying: of the head "
               "that looks after copies. cut: what is still right when the last layer's queries, keys or values hear "
               "nothing of the heads before; through: the cut that costs more, of Q and K.")
    return figure(tag("div", table(heads, tag("tbody", *rows)), class_="scroll"), caption)


def _choices(outcome: Outcome) -> Html:
    lab = asdict(outcome.lab)
    known = {**{name: value for name, value in lab.items() if name != "text"}, **lab["text"]}
    rows = [row(name.replace("_", " "), cell(_written(value), class_="words")) for name, value in known.items()]
    caption = "The choices of this run. The same choices on the same machine give the same numbers."
    return figure(tag("table", tag("tbody", *rows)), caption)


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
