"""The page's opening: what the model is in plain words, what it reached, what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twofold.make.report_data import Run, mapping, mappings, number_at
from twofold.make.report_html import Html, bar, cell, figure, group, join, note, part, row, table, tag
from twofold.model.count import count
from twofold.units import duration, number, size

__all__ = [
    "course",
    "facts",
    "headline",
    "listed",
    "parameters",
    "reached",
    "samples",
    "source_colour",
    "swatch",
    "training_bytes",
    "training_seconds",
]


def source_colour(run: Run, source: str) -> str:
    """The same one wherever the source is shown."""
    return f"var(--source-{min(run.sources.index(source), 5) + 1})"


def swatch(run: Run, source: str) -> Html:
    return tag("span", class_="swatch", style=f"--colour:{source_colour(run, source)}")


def listed(words: Sequence[str], most: int = 4) -> str:
    """a, b and c; of many the first, and how many more."""
    shown = [*words[:most], f"{len(words) - most} more"] if len(words) > most + 1 else list(words)
    return " and ".join(filter(None, (", ".join(shown[:-1]), "".join(shown[-1:]))))


def parameters(run: Run) -> float | None:
    return number_at(run.results, "parameters") or (count(run.recipe.model).held if run.recipe else None)


def training_seconds(run: Run) -> float | None:
    return number_at(run.results, "training_seconds") or run.seconds


def training_bytes(run: Run) -> float:
    train = mapping(mapping(run.manifest.get("files")).get("train"))
    return sum(number_at(one, "bytes") or 0 for one in train.values())


def headline(run: Run) -> Html:
    """Sentences that hold whatever is known, and no more."""
    return join(tag("p", sentence) for sentence in (_what(run), _reached(run), _honestly(run)) if sentence)


def _what(run: Run) -> str:
    size_of, took, text = parameters(run), training_seconds(run), training_bytes(run)
    said = ["A language model" + (f" of {_in_words(size_of)} parameters" if size_of else "")]
    if took:
        said.append(f"trained from nothing in {_minutes(took)}{_where(run)}")
    if run.sources:
        said.append((f"on {size(text)} of text: " if text else "on text from ") + listed(run.sources))
    lesson = number_at(run.results, "assistant", "training_seconds")
    return ", ".join(said) + (f"; then it was taught to answer in {_minutes(lesson)}." if lesson else ".")


def _reached(run: Run) -> str:
    measures = list(run.evaluation.items())
    if not measures:
        return "It has not been measured yet."
    needs = [f"{one['bits_per_byte']:.3f} for {source}" for source, one in measures]
    needs[0] = needs[0].replace(" for ", " bits per byte for ", 1)
    who = "the base model needs" if run.part("assistant") else "it needs"
    sentence = f"On text that it never saw {who} {listed(needs, 3)}."
    rivals = [_best_rival(one) for _, one in measures]
    names = {name for name, _ in rivals}
    values = [f"{value:.3f}" if len(names) == 1 else f"{value:.3f} ({name})" for name, value in rivals]
    who = f"The best that it is compared with, {names.pop()}, needs" if len(names) == 1 else "The best rivals need"
    return f"{sentence} {who} {listed(values, 3)}."


def _honestly(run: Run) -> str:
    if not run.evaluation:
        return ""
    behind = [source for source, one in run.evaluation.items()
              if _best_rival(one)[1] <= one["bits_per_byte"]]
    able = ("it answers what its conversations taught it, and elsewhere it makes things up. Check what matters."
            if run.part("assistant") else "it goes on from where a text stops, in the manner of what it read. "
            "It knows neither what is true nor how to answer a question.")
    return ("It is small, and so it is weak: " + able
            + (f" For {listed(behind)} it is no better than what it is compared with." if behind else ""))


def _best_rival(one: Mapping[str, Any]) -> tuple[str, float]:
    return _baselines(one)[0]


_RIVALS = {"xz": "xz -9 of this text alone", "bytes": "byte frequencies of this text", "chance": "blind guessing"}


def _baselines(one: Mapping[str, Any]) -> list[tuple[str, float]]:
    """By what they are called on the page, the best first; blind guessing is always known."""
    found = {"chance": 8.0, **mapping(one.get("baselines"))}
    known = [(_RIVALS.get(name, name), value) for name in found if (value := number_at(found, name)) is not None]
    return sorted(known, key=lambda pair: pair[1])


def _in_words(value: float) -> str:
    for unit, scale in (("billion", 1e9), ("million", 1e6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value:,.0f}"


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _where(run: Run) -> str:
    machine = run.part("machine")
    device, threads = machine.get("device"), number_at(machine, "threads")
    if device == "cpu" and threads:
        return f" on {threads:.0f} thread{'s' * (threads != 1)} of a processor"
    return f" on {machine.get('processor') or device}" if device else ""


def facts(run: Run) -> Html:
    seen, file = number_at(run.results, "tokens"), number_at(run.results, "files", "parameters.gguf", "bytes")
    size_of, took = parameters(run), training_seconds(run)
    known = [
        ("parameters", number(size_of) if size_of else None),
        ("of training", duration(took) if took else None),
        ("tokens read", number(seen) if seen else None),
        ("parameters.gguf", size(file) if file else None),
    ]
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in known if value), class_="facts")


def reached(run: Run) -> Html:
    measures = run.evaluation
    if not measures:
        return note("This run has not been measured on held-out text yet.")
    highest = max(max([one["bits_per_byte"], *(value for _, value in _baselines(one))]) for one in measures.values())
    whole, context = max(8.0, highest), number_at(run.results, "context")
    caption = (
        "Bits per byte of the model and of simpler ways to foretell the same held-out text; bars run from 0 to "
        f"{whole:.3g}, and shorter is better. The bracket on a bar is the 95 % interval, by a bootstrap: how the "
        "figure varies when documents (or, of fewer than twenty, stretches of them) are drawn anew."
        + (f" Each token is foretold from at most {context:.0f} before it." if context else ""))
    body = table(["held-out text", "bits per byte", "95 % interval"],
                 *(_measure(run, source, one, whole) for source, one in measures.items()))
    return figure(body, caption, data_group="source")


def _measure(run: Run, source: str, one: Mapping[str, Any], whole: float) -> Html:
    amounts = [f"{value:,.0f} {unit}" for unit in ("documents", "tokens") if (value := number_at(one, unit))]
    held = [size(value)] if (value := number_at(one, "bytes")) else []
    title = join([swatch(run, source), source, tag("span", " · " + ", ".join(held + amounts), class_="same")])
    bits, low, high = one["bits_per_byte"], number_at(one, "low"), number_at(one, "high")
    known = low is not None and high is not None
    interval = cell(f"{low} to {high}", f"{low:.3f} to {high:.3f}") if known else cell(None)
    bracket = part(high / whole, low / whole, bracket=True) if low is not None and high is not None else None
    name = "the base model" if run.part("assistant") else "this model"
    rows = [row(name, cell(bits, f"{bits:.3f}"), interval, within=source, total=True),
            bar(3, part(bits / whole, colour=source_colour(run, source)), bracket)]
    for name, value in _baselines(one):
        rows += [row(name, cell(value, f"{value:.3f}"), cell(""), within=source),
                 bar(3, part(value / whole, faint=True))]
    return group(title, 3, rows)


def samples(run: Run) -> Html:
    found = [one for one in mappings(run.results.get("samples")) if isinstance(one.get("text"), str)]
    if not found:
        return note("No samples were taken at the end of this run.")
    items = [tag("li", _written(one), tag("p", _drawn(one), class_="kicker")) for one in found]
    return tag("ol", *items, class_="samples")


def _drawn(one: Mapping[str, Any]) -> str:
    known = [(key, number_at(one, key)) for key in ("temperature", "seed")]
    return ", ".join(f"{key} {value:g}" for key, value in known if value is not None)


def _written(one: Mapping[str, Any]) -> Html:
    """The given words, and those that the model added; its text may or may not begin with what was given."""
    prompt, text = str(one.get("prompt") or ""), str(one["text"])
    given = tag("b", prompt) if prompt else tag("b", "… ", title="nothing was given")
    return tag("p", given, text.rstrip().removeprefix(prompt), class_="written", dir="auto")


def course(run: Run) -> Html:
    """Samples along training, the same beginning each time."""
    if not run.samples:
        return Html()
    items = []
    for one in run.samples:
        when = _when(run, one["step"])
        items.append(tag("li", _written(one), tag("p", when, class_="kicker"), data_when=when))
    browse = tag(
        "div", tag("label", "Along training", for_="far"),
        tag("input", type="range", min=0, max=len(items) - 1, step=1, aria_label="How far training was", id="far"),
        tag("output", for_="far"), class_="browse", hidden=True)
    caption = (f"What the model made of the same beginning, {len(items)} times in the course of training: "
               "every sample that was taken. Move the slider to see it learn.")
    return tag("figure", tag("div", browse, tag("ol", *items)), tag("figcaption", caption), class_="course")


def _when(run: Run, step: int) -> str:
    taken, times = run.log["step"], run.log["elapsed"]
    passed = sum(time or 0 for at, time in zip(taken, times, strict=True) if at is not None and at < step)
    return f"after step {step:,}" + (f", {duration(passed)}" if passed else "")
