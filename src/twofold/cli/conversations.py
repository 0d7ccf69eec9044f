"""`twofold conversations`: conversations from files or the built-in set, checked, counted, shown and written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import AsJson
from twofold.cli.output import console, note, print_json
from twofold.errors import ConfigError, FileFormatError, SourceError

if TYPE_CHECKING:
    from twofold.data.conversations import Conversation

__all__ = ["conversations"]

SHOWN = 10  # problems
MARKERS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def conversations(
    sources: Annotated[list[str], typer.Argument(
        metavar="SOURCE...", show_default=False,
        help="A file, or a built-in set: almanac (questions on the factbook, sums, spelling and small talk, by "
             "templates) or everyday (the same without the factbook).")],
    out: Annotated[Path | None, typer.Option(help="Write them there, one JSON object a line.")] = None,
    n: Annotated[int, typer.Option("--n", "-n", help="How many of a built-in set.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Which ones of a built-in set.")] = 0,
    show: Annotated[int, typer.Option(help="How many to show.")] = 3,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what is not sound.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read, check and write conversations to tune a model on.

    \b
    twofold conversations my-chats.jsonl faq.tsv --out all.jsonl
    twofold conversations almanac -n 50000 --out almanac.jsonl

    A file holds OpenAI's messages, ShareGPT's or Alpaca's records, as lines of JSON or one array, or lines of a
    question, a tab and its answer; what it is, is told by what it holds. What is wrong is told with file and line.
    """
    from twofold.data.conversations import write

    if n < 1 or show < 0:
        raise ConfigError(f"-n {n} and --show {show} are counts; take at least 1 and 0")
    problems: list[FileFormatError] = []
    with console(stderr=True).status("reading"):
        found = [one for source in sources for one in _of(source, seed, n, problems)]
    for problem in problems[:SHOWN]:
        note(str(problem))
    if problems and not skip_bad:
        raise FileFormatError(f"{len(problems):,} of {len(found) + len(problems):,} conversations are not sound"
                              f"{' (the first are above)' if len(problems) > SHOWN else ''}; "
                              "correct them, or leave them out with --skip-bad")  # fmt: skip
    if not found:
        raise SourceError(f"{', '.join(sources)}: no conversation is sound, so there is nothing to learn from")
    if out is not None:
        write(out, found)
    figures = _figures(found)
    shown = [found[i * len(found) // show] for i in range(min(show, len(found)))]
    if as_json:
        wrong = [str(one) for one in problems[:SHOWN]]
        samples = [one.to_dict() for one in shown]
        print_json({**figures, "left_out": len(problems), "problems": wrong, "out": out, "samples": samples})
        return
    _print(figures, shown)
    if problems:
        console().print(f"Left out: {len(problems):,} that are not sound")
    if out is not None:
        console().print(f"They are in {out}")


def _of(source: str, seed: int, n: int, problems: list[FileFormatError]) -> Sequence[Conversation]:
    from twofold.data.almanac_chat.almanac import KINDS
    from twofold.data.almanac_chat.almanac import conversations as built_in
    from twofold.data.conversation_files import read

    if source in KINDS and not Path(source).is_file():
        return list(built_in(seed, n, source))

    return list(read(Path(source), problems.append))


def _figures(found: Sequence[Conversation]) -> dict[str, Any]:
    by_source: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(one.source for one in found):
        own = [one for one in found if one.source == name]
        messages = [message for one in own for message in one.messages]
        texts = Counter(tuple((message.role, message.content) for message in one.messages) for one in own)
        by_source[name] = {
            "conversations": len(own),
            "answers": sum(message.role == "assistant" and not message.tool_calls for message in messages),
            "calls": sum(len(message.tool_calls) for message in messages),
            "characters": sum(len(message.content) for message in messages),
            "longest": max(sum(len(message.content) for message in one.messages) for one in own),
            "copies": len(own) - len(texts),
            "markers_as_text": sum(any(marker in message.content for marker in MARKERS) for message in messages),
            "kinds": dict(Counter(str(one.labels["kind"]) for one in own if "kind" in one.labels).most_common()),
        }
    return {"conversations": len(found), "sources": by_source}


def _print(figures: dict[str, Any], shown: Sequence[Conversation]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    counts = ("conversations", "answers", "calls", "characters", "longest", "copies")
    for name in ("source", *counts):
        table.add_column(name, justify="left" if name == "source" else "right")
    for source, own in figures["sources"].items():
        table.add_row(source, *(f"{own[key]:,}" for key in counts))
        for kind, count in own["kinds"].items():
            table.add_row(f"  {kind}", f"{count:,}")
    screen = console()
    screen.print(table)
    for source, own in figures["sources"].items():
        if own["markers_as_text"]:
            screen.print(f"Note: {own['markers_as_text']:,} messages of {source} spell a marker such as "
                         f"{MARKERS[0]}; there it stays text", style="yellow")  # fmt: skip
    for one in shown:
        screen.print()
        for message in one.messages:
            said = [message.content] if message.content else []
            calls = [f"{call.name}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())})"
                     for call in message.tool_calls]  # fmt: skip
            screen.print(f"{message.role:>9}  {' '.join([*said, *calls])}")
    screen.print()
