"""`twofold evaluate`: bits per byte of a model on any text, or how many questions it answers right, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.output import console, note, print_json, size
from twofold.errors import ConfigError

if TYPE_CHECKING:
    from twofold.evals.bits_per_byte import Measured

__all__ = ["evaluate"]


def evaluate(
    model: Annotated[str, typer.Argument(
        metavar="MODEL", help="A folder with parameters.gguf, a .gguf file, or smollm2-135m.")],
    text: Annotated[list[Path] | None, typer.Option(
        metavar="FILE...", help="Text files in UTF-8; each is measured, then all together.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    context: Annotated[int | None, typer.Option(
        help="How many tokens the model sees at a time; what it was made for if not given.", min=1)] = None,
    stride: Annotated[int | None, typer.Option(
        help="How far the window moves on; the context if not given, so that nothing is read twice.", min=1)] = None,
    suite: Annotated[str, typer.Option(
        metavar="NAME|FILE", help="Questions to ask: almanac, arithmetic, or a file of them in JSON or YAML.")] = "",
    against: Annotated[str, typer.Option(
        metavar="MODEL", help="Another model, asked the same; the difference is tested in pairs.")] = "",
    tools: Annotated[str, typer.Option(
        metavar="NAMES", help="What the model may call: calculator, none, or auto for what it was taught.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Ask so many of the questions.", min=1)] = None,
    n: Annotated[int, typer.Option("-n", help="How many tokens an answer has at most.", min=1)] = 256,
    plain: Annotated[bool, typer.Option(
        "--plain", help="Choices follow the question as plain text, not as turns of a chat.")] = False,
    out: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Keep what came of a suite, as .json or .md.")] = None,
    backend: Annotated[str, typer.Option(help="native, numpy, torch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, or auto; other than cpu means torch.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a model: its bits per byte on a text, or its answers to a suite of questions.

    \b
    twofold evaluate runs/mine --text essay.txt
    twofold evaluate smollm2-135m --text a.txt b.txt --json
    twofold evaluate runs/mine --text essay.txt --stride 64
    twofold evaluate smollm2 --suite arithmetic --tools calculator --limit 40
    twofold evaluate runs/mine --suite my-questions.json --against runs/older --out answers.md

    Bits per byte says how small the model could make the text: 8 is no help, English by `xz -9` is about 2 to 3. Each
    file is one document, each of its bytes counted once. The interval is 95 %, by bootstrap. A stride below the
    context gives each token more to go by, so it flatters and takes longer: compare only what was measured alike.

    A suite's answers are written with the likeliest token each time; shares of right ones come with Wilson's interval.
    """
    if bool(text) == bool(suite):
        raise ConfigError("give either --text FILE, for bits per byte, or --suite NAME|FILE, for questions")
    if suite:
        from twofold.cli.evaluate_suite import evaluate_suite

        evaluate_suite([model, *([against] if against else [])], suite, n=n, limit=limit, tools=tools,
                       plain=plain, out=out, backend=backend, device=device, as_json=as_json)  # fmt: skip
        return
    if against or out:
        raise ConfigError("--against and --out go with --suite; measure a text with one model at a time")
    from twofold.engine.open import open_model
    from twofold.evals.bits_per_byte import evaluate_texts

    texts = _read([*(text or []), *(more or [])])
    with console(stderr=True).status("reading the model"):
        engine = open_model(model, backend, device, tell=note)  # type: ignore[arg-type]
    with console(stderr=True).status("measuring"):
        each, overall = evaluate_texts(engine, texts, context=context, stride=stride)
    if as_json:
        parts = {name: _figures(one) for name, one in each.items()}
        print_json({"model": model, **_figures(overall), "texts": parts})
    else:
        _show(each, overall)


def _read(files: Sequence[Path]) -> dict[str, str]:
    """Texts by name. Raises SourceError for a file that cannot be read or is not text."""
    from twofold.errors import SourceError

    texts = {}
    for file in files:
        try:
            texts[str(file)] = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise SourceError(f"cannot read {file}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{file} is not text in UTF-8 (its byte {error.start} is none); save it as UTF-8 first, or take text "
                "out of other kinds of files with: twofold data"
            ) from error
    return texts


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "bits_per_byte": measured.bits_per_byte,
        "bits_per_byte_low": measured.low,
        "bits_per_byte_high": measured.high,
        "interval": None if math.isnan(measured.low) else f"95 %, bootstrap over {measured.units} {measured.resampled}",
        "perplexity": measured.perplexity,
        "bytes": measured.bytes,
        "tokens": measured.tokens,
        "context": measured.context,
        "stride": measured.stride,
        "baselines": measured.baselines,
    }


def _show(each: dict[str, Measured], overall: Measured) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("text", "bits per byte", "95 % interval", "perplexity", "bytes", "tokens", "xz -9"):
        table.add_column(name, justify="left" if name == "text" else "right")
    rows = [*each.items(), ("together", overall)] if len(each) > 1 else [*each.items()]
    for name, one in rows:
        interval = "-" if math.isnan(one.low) else f"{one.low:.4f} to {one.high:.4f}"
        table.add_row(name, f"{one.bits_per_byte:.4f}", interval, f"{one.perplexity:.2f}", size(one.bytes),
                      f"{one.tokens:,}", f"{one.baselines['xz']:.3f}")  # fmt: skip
    screen = console()
    screen.print(table)
    apart = overall.stride == overall.context
    windows = "windows that do not overlap" if apart else f"windows that move by {overall.stride}"
    screen.print(
        f"Context {overall.context} tokens, {windows}; each file from its beginning, its first token predicted too. "
        f"Perplexity is per token.\nInterval: bootstrap over {overall.units} {overall.resampled}. xz -9: bits per byte "
        "of the same text compressed alone, without a model."
    )
