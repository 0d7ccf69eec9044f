"""`twofold data`: sources in, a cleaned, deduplicated and split corpus out, and a waterfall of what went where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from twofold.cli.options import AsJson, HubConfig, HubSplit, LimitMb, Mix, RulesName, TextField, ValShare
from twofold.cli.output import console, print_json, size

if TYPE_CHECKING:
    from twofold.data.corpus import Corpus
    from twofold.data.settings import Rules

__all__ = ["data", "show_waterfall"]

_SHOWN = 12


def data(
    sources: Annotated[list[str], typer.Argument(
        metavar="SOURCE...", show_default=False,
        help="A file, a folder, hf:owner/name, or a built-in corpus: almanac (sotu and factbook) or pydoc.")],
    out: Annotated[Path, typer.Option(help="Where the corpus goes.")] = Path("runs/data"),
    mix: Mix = "",
    val_share: ValShare = 0.05,
    rules: RulesName = "auto",
    text_field: TextField = None,
    config: HubConfig = None,
    split: HubSplit = "train",
    limit_mb: LimitMb = 100,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core when not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read, clean, deduplicate and split text.

    \b
    twofold data my-texts/ --out runs/mine
    twofold data almanac --mix sotu=1,factbook=2
    twofold data hf:HuggingFaceFW/fineweb-edu --config sample-10BT --limit-mb 50

    Folders may hold .txt, .md, .html, .jsonl, .csv, .parquet, .pdf, and .gz and .zst of these. What cannot be read,
    copies, and text that breaks the quality rules are left out and listed.
    """
    from twofold.data.mix import parse_mix, weights
    from twofold.data.prepare import DataSettings, prepare

    factors = parse_mix(mix)
    settings = DataSettings(val_share, cast("Rules", rules), text_field, config, split, round(limit_mb * 1e6))
    with console(stderr=True).status("reading") as status:
        corpus = prepare(sources, out, settings, lambda what, done, total: status.update(what), workers)
    weight = weights(factors, corpus.sources)
    mass = {name: corpus.bytes("train", name) * weight[name] for name in corpus.sources}
    shares = {name: part / max(1.0, sum(mass.values())) for name, part in mass.items()}
    if as_json:
        print_json(_figures(corpus, shares))
        return
    show_waterfall(corpus)
    if len(shares) > 1:
        console().print("Share of training text: " + ", ".join(f"{name} {part:.1%}" for name, part in shares.items()))
    console().print(f"The corpus is in {corpus.folder}")


def show_waterfall(corpus: Corpus) -> None:
    """Print, for every source, what each step let through, and examples of what it did not."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("source and step", "documents", "bytes", "left out", "why"):
        table.add_column(name, justify="left" if name in ("source and step", "why") else "right")
    for source in corpus.sources:
        table.add_row(source, style="bold")
        for step in _steps(corpus, source):
            lost = step["into"]["documents"] - step["out"]["documents"]
            why = ", ".join(f"{reason} ({tally['documents']:,})" for reason, tally in list(step["reasons"].items())[:4])
            table.add_row(f"  {step['name']}", f"{step['out']['documents']:,}", size(step["out"]["bytes"]),
                          f"{lost:,}" if lost else "", why)
        for split, name in (("train", "= for training"), ("val", "= held out")):
            files = corpus.manifest["files"][split][source]
            table.add_row(f"  {name}", f"{files['documents']:,}", size(files["bytes"]))
    screen = console()
    screen.print(table)
    for source in corpus.sources:
        samples = [sample for step in _steps(corpus, source) for sample in step["samples"]]
        if samples:
            screen.print(f"\nLeft out of {source}{', for example' if len(samples) > _SHOWN else ''}:", style="bold")
        for sample in samples[:_SHOWN]:
            quote = f"  “{sample['snippet'][:60]}”" if sample["snippet"] else ""
            screen.print(f"  {sample['id']}: {sample['reason']}{quote}", overflow="ellipsis", no_wrap=True)
        if len(samples) > _SHOWN:
            screen.print(f"  … and {len(samples) - _SHOWN:,} more in {corpus.folder / 'manifest.json'}")
    for warning in corpus.manifest["warnings"]:
        screen.print(f"\nNote: {warning}", style="yellow")
    screen.print()


def _steps(corpus: Corpus, source: str) -> list[dict[str, Any]]:
    """The first step, and those after it that changed something; what is held out is shown at the end."""
    return [step for step in corpus.manifest["waterfall"] if step["source"] == source and step["name"] != "hold out"
            and (step["name"] == "read" or step["into"] != step["out"])]


def _figures(corpus: Corpus, shares: dict[str, float]) -> dict[str, Any]:
    files = corpus.manifest["files"]
    return {
        "out": corpus.folder,
        "sources": {name: {split: {unit: files[split][name][unit] for unit in ("documents", "bytes")}
                           for split in files} | {"share": shares[name]} for name in corpus.sources},
        "warnings": corpus.manifest["warnings"],
        "waterfall": corpus.manifest["waterfall"],
        "content": corpus.manifest["content"],
    }
