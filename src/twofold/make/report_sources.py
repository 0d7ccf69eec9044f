"""The page's end: what the model was made of. The text, the parameters, the two files, the lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twofold.make.report_data import Run, mapping, mappings, number_at, texts
from twofold.make.report_html import Html, bar, cell, figure, group, join, note, part, row, table, tag
from twofold.make.report_opening import listed, source_colour, swatch
from twofold.model.count import ParameterCount, count
from twofold.units import size

__all__ = ["lineage", "parameters", "run_it", "waterfall"]

_SHOWN = 40  # of the documents that were left out, by source
_GROUPS = {
    "Embedding": ("embedding", "unembedding", "positions"),
    "Attention": ("query", "key", "value", "output"),
    "Multilayer perceptron": ("up-projection", "gate", "down-projection"),
}


def waterfall(run: Run) -> Html:
    sources = [source for source in run.sources if _steps(run, source)]
    if not sources:
        return note("There is no account of how this run's text was prepared.")
    heads: list[str | tuple[str, str]] = [
        ("source and step", "step"), "documents", ("text", "bytes"), ("left out", "documents left out"),
    ]
    caption = ("What each step let through, by source; steps that changed nothing are not shown. Bars: the share of "
               "the source's bytes that is left, pale where the step took something away. Long texts are cut into "
               "sections, so that copies inside them are found and a part of them can be held out.")
    return join([
        *(note(warning) for warning in texts(run.manifest.get("warnings"))),
        figure(table(heads, *(_falls(run, source) for source in sources)), caption, data_group="source"),
        *(_dropped(run, source) for source in sources),
    ])


def _steps(run: Run, source: str) -> list[dict[str, Any]]:
    """The first step, and those after it that changed something; what is held out is told at the end."""
    steps = [step for step in run.waterfall if step.get("source") == source and step.get("name") != "hold out"]
    return steps[:1] + [step for step in steps[1:] if step.get("into") != step.get("out")]


def _falls(run: Run, source: str) -> Html:
    steps, colour = _steps(run, source), source_colour(run, source)
    whole, rows = max(1, number_at(steps[0], "into", "bytes") or 0), []
    for step in steps:
        came, went = number_at(step, "into", "bytes") or 0, number_at(step, "out", "bytes") or 0
        rows += [_fall(source, step, came, went),
                 bar(4, part(came / whole, colour=colour, faint=True), part(went / whole, colour=colour))]
    for split, name in (("train", "= for training"), ("val", "= held out")):
        documents, held = (number_at(run.manifest, "files", split, source, unit) for unit in ("documents", "bytes"))
        if documents is not None and held is not None:
            cells = [cell(documents, f"{documents:,.0f}"), cell(held, size(held)), cell("")]
            rows += [row(name, *cells, within=source, total=True), bar(4, part(held / whole, colour=colour))]
    return group(join([swatch(run, source), source]), 4, rows)


def _fall(source: str, step: Mapping[str, Any], came: float, went: float) -> Html:
    documents = number_at(step, "out", "documents") or 0
    lost, reasons = (number_at(step, "into", "documents") or 0) - documents, mapping(step.get("reasons"))
    counts = {reason: number_at(reasons, reason, "documents") for reason in reasons}
    why = listed([f"{reason} ({number:,.0f})" for reason, number in counts.items() if number], 3)
    return row(str(step.get("name")), cell(documents, f"{documents:,.0f}"), cell(went, size(went)),
               cell(lost, f"{lost:,.0f}") if lost > 0 else cell(""), within=source,
               about=why or (f"{-lost:,.0f} more" if lost < 0 else "tidied in place" if came != went else ""))


def _dropped(run: Run, source: str) -> Html | None:
    found = [(step.get("name"), sample) for step in _steps(run, source) for sample in mappings(step.get("samples"))]
    if not found:
        return None
    items = []
    for step, sample in found[:_SHOWN]:
        quote = tag("q", sample["snippet"], dir="auto") if sample.get("snippet") else None
        items.append(tag("li", tag("strong", sample.get("id", "")), f" · {step}: {sample.get('reason', '')} ", quote))
    if len(found) > _SHOWN:
        items.append(tag("li", f"… and {len(found) - _SHOWN:,} more in text/manifest.json"))
    summary = tag("summary", f"Left out of {source}, for example ({len(found):,})")
    return tag("details", summary, tag("ul", *items, class_="dropped measure"))


def parameters(run: Run) -> Html:
    if not run.recipe:
        return note("The recipe of this run is not here, so its shape is not known.")
    config, counted = run.recipe.model, count(run.recipe.model)
    total = row("held in the file", cell(counted.held, f"{counted.held:,}"), cell(1, "100 %"), total=True)
    caption = (
        "Where the parameters are, by 3Blue1Brown's eight categories and the rest. "
        + ("The unembedding is the embedding's matrix again, held once. " if config.tied else "")
        + f"The shape: {config.n_layers} layers of width {config.d_model}, "
        + f"{config.n_heads} heads of width {config.d_head}"
        + (f" ({config.n_kv_heads} for keys and values)" if config.n_kv_heads != config.n_heads else "")
        + f", inner width {config.d_ff}, vocabulary {config.vocab_size:,}, context {config.context:,}."
        + ("" if config.architecture == "twofold" else f" Other programs know it as {config.architecture}."))
    body = table(["category", "parameters", "share"], *_categories(counted), tag("tbody", total))
    return figure(body, caption, data_group="group")


def _categories(counted: ParameterCount) -> list[Html]:
    sizes = {**counted.eight, **counted.rest}
    placed = {name for names in _GROUPS.values() for name in names}
    groups = {**_GROUPS, "The rest": tuple(name for name in sizes if name not in placed)}
    bodies = []
    for title, names in groups.items():
        rows = []
        for name in names:
            if value := sizes.get(name):
                again, share = name == "unembedding" and counted.shared > 0, value / counted.held
                rows += [row(name, cell(value, f"{value:,}"), cell(share, _percent(share)), within=title,
                             about="shared" if again else ""), bar(3, part(share, faint=again))]
        if rows:
            bodies.append(group(title, 3, rows))
    return bodies


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"


def run_it(run: Run) -> Html:
    files = {name: one for name, one in run.part("files").items() if isinstance(one, dict)}
    if not files and not (run.folder / "parameters.gguf").exists():
        return note("The two files of this run have not been written yet.")
    parts: list[Html] = [
        tag("p", "The two files beside this page are all there is: the parameters, and a program of one file that runs "
                 "them. It needs Python and NumPy, nothing else, and no network."),
        _copyable('python run.py parameters.gguf "Once" -n 100 --temperature 0.8 --seed 1'),
    ]
    if run.recipe and run.recipe.model.architecture != "twofold":
        parts += [tag("p", "parameters.gguf is an ordinary GGUF file, so llama.cpp runs it as well:"),
                  _copyable('llama-completion -m parameters.gguf -p "Once" -n 100 -no-cnv')]
    rows = [row(name, cell(held := number_at(one, "bytes"), size(held or 0)), cell(one.get("sha256"), class_="hash"))
            for name, one in files.items()]
    if rows:
        body = table(["file", ("size", "bytes"), "SHA-256"], tag("tbody", *rows))
        parts.append(figure(body, "The files that came out, and how to know them again.", class_="files"))
    return join(parts)


_MEANING = {"recipe": "recipe, SHA-256", "text": "text, SHA-256", "code": "twofold", "parents": "parent models"}


def lineage(run: Run) -> Html:
    known = {"made": run.results.get("made"), "code": run.results.get("code_version"), **run.part("lineage")}
    rows = [row(_MEANING.get(name, name), cell(_plain(value), class_="hash" if _is_hash(value) else "words"))
            for name, value in known.items() if value not in (None, "", [], {})]
    caption = "Names and hashes that say what the parameters were made from; the parameters file holds them too."
    parts = [figure(tag("table", tag("tbody", *rows)), caption)] if rows else []
    recipe = _text(run.folder / "recipe.toml")
    for title, text in (("The recipe in full", recipe), ("What was asked for", _text(run.folder / "wishes.json"))):
        if text:
            parts.append(tag("details", tag("summary", title), _copyable(text)))
    if recipe:
        parts += [tag("p", "To repeat the run, save the recipe as recipe.toml and call", class_="kicker"),
                  _copyable("twofold make --recipe recipe.toml")]
    return join(parts)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else json.dumps(value)


def _copyable(text: str) -> Html:
    button = tag("button", "Copy", type="button", data_copy="text")
    return tag("div", tag("pre", tag("code", text), tabindex=0), button, class_="copyable")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
