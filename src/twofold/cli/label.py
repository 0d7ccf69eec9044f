"""`twofold label`: a page on which people write answers and compare a model's, and whether those people agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import ApiKey, AsJson
from twofold.cli.output import console, note, print_json
from twofold.errors import ConfigError, SourceError, UserError, require

if TYPE_CHECKING:
    from twofold.data.prompts import Prompt
    from twofold.serve.desk import Desk
    from twofold.serve.settings import Settings
    from twofold.serve.shelf import Shelf

__all__ = ["desk_for", "label", "user"]

ALMANAC = "almanac"


def label(
    model: Annotated[list[str] | None, typer.Argument(
        metavar="[MODEL]", show_default=False,
        help="Whose answers are compared. Without, one writes them, or compares those that the prompts bring.")] = None,
    prompts: Annotated[str, typer.Option(
        metavar="FILE", help="What is asked: a line each, or JSON; or almanac, the built-in questions.")] = ALMANAC,
    out: Annotated[Path, typer.Option(help="Where every label is kept at once.")] = Path("labels.jsonl"),
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who labels; the page can change it.")] = "",
    instructions: Annotated[Path | None, typer.Option(
        metavar="FILE.md", help="What the page tells those who label, in Markdown.")] = None,
    n: Annotated[int, typer.Option("-n", help="How many prompts of almanac.", min=1)] = 200,
    tokens: Annotated[int, typer.Option(help="How many tokens an answer has at most.", min=1)] = 256,
    temperature: Annotated[float, typer.Option(help="How bold the answers that are compared are.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Which of the possible answers.", min=0)] = 0,
    tools: Annotated[str, typer.Option(
        metavar="NAMES", help="What the model may call: calculator, none, or auto for what it was taught.")] = "auto",
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.", min=0, max=65535)] = 8080,
    api_key: ApiKey = None,
    agreement: Annotated[bool, typer.Option(
        "--agreement", help="Instead: how far the labels in the files that are named agree.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write answers and compare a model's, in the browser; see whether people agree.

    \b
    twofold label runs/mine --prompts questions.txt --out labels.jsonl
    twofold label --prompts questions.txt --as Ada          write the answers yourself
    twofold label --agreement ada.jsonl ben.jsonl           do they agree?

    Two answers to each prompt stand side by side: press 1 or 2 for the better one, b where both are bad, w to write a
    better one, s to skip, u to take back. Each label is on the disk before the next is shown. The file is what
    `twofold finetune --data` and `twofold prefer --data` learn from.
    """
    given = model or []
    if agreement:
        _agree([Path(one) for one in given], as_json)
        return
    if len(given) > 1:
        raise ConfigError(f"one model's answers are compared, not those of {', '.join(given)}")
    if temperature <= 0:
        raise ConfigError(f"--temperature {temperature}: at 0 a model says the same twice, and nothing can be compared")
    for package in ("pydantic", "starlette", "uvicorn"):
        require(package, "serve", "twofold label")
    from twofold.serve.drafts import Drafts
    from twofold.serve.settings import Settings

    settings = Settings(host=host, port=port, api_key=api_key, slots=4, closing_seconds=5)
    told = _read(instructions) if instructions else None
    desk = desk_for(out, who, _prompts(prompts, n, seed), told)
    shelf, drafting = _shelf(given, tools)
    if drafting is not None:
        from twofold.contracts import Sampling

        served, known = drafting
        desk.drafts = Drafts(served, known, Sampling(temperature=temperature, seed=seed), tokens)
    _listen(settings, shelf, desk, as_json)


def user() -> str:
    """What this machine calls who works at it."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "someone"


def desk_for(out: Path, who: str, prompts: list[Prompt] | None = None, instructions: str | None = None) -> Desk:
    """A place to label, whose file can be written. Raises UserError, FileFormatError."""
    from twofold.data.labels import LabelFile, check_name
    from twofold.serve.desk import INSTRUCTIONS, Desk

    check_name(by := who or user())
    return Desk(LabelFile(out), prompts or [], None, by, instructions or INSTRUCTIONS)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the instructions {path} cannot be read ({error}); name a text file") from error


def _prompts(source: str, n: int, seed: int) -> list[Prompt]:
    from twofold.data import prompts

    if source == ALMANAC and not Path(source).is_file():
        return prompts.almanac(n, seed)
    return prompts.read(Path(source))


def _shelf(model: list[str], tools: str) -> tuple[Shelf, Any]:
    """The model, open, and what drafts its answers; both empty where none is named."""
    from twofold.serve.shelf import Served, Shelf, named

    if not model:
        return Shelf([]), None
    from twofold.agent.offering import offered
    from twofold.engine.open import open_model
    from twofold.engine.service import Service

    name, path = named(model[0])
    engine = open_model(path, tell=note)
    if engine.chat_template is None:
        raise UserError(f"{name} has no chat template, so it does not answer; finetune it first, or leave it out and "
                        "write the answers yourself")  # fmt: skip
    known = offered(tools, engine)
    served = Served(name, engine, Service(engine, slots=4))
    return Shelf([served]), (served, known)


def _listen(settings: Settings, shelf: Shelf, desk: Desk, as_json: bool) -> None:
    from twofold.serve import listen
    from twofold.serve.app import application
    from twofold.serve.state import State

    listening = listen.bind(settings.host, settings.port)
    address = listen.url(listening, settings.host)

    def ready() -> None:
        if as_json:
            print_json({"url": address, "out": desk.file.path, "prompts": len(desk.prompts), "pid": os.getpid()})
        else:
            print(f"{address}/      the page, {len(desk.prompts):,} prompts")
            print(f"{desk.file.path}      the labels; Ctrl-C stops")
        sys.stdout.flush()

    state = State(settings, shelf, desk=desk)
    listen.run(application(state, quiet=True, as_json=as_json), listening, settings, ready, state.exhibit.close)
    shelf.close(0)


# Agreement -------------------------------------------------------------------------------------------------------


def _agree(paths: list[Path], as_json: bool) -> None:
    if not paths:
        raise ConfigError("name the files of labels: twofold label --agreement ada.jsonl ben.jsonl")
    from twofold.data.judgements import judgements
    from twofold.evals.agreement import alpha, pairs
    from twofold.intervals import wilson

    found = judgements(paths)
    kinds: dict[str, dict[str, Any]] = {}
    for kind, said in found.said.items():
        things = list(said.values())
        who = found.labellers(kind)
        kinds[kind] = {"labellers": who, "things": len(things), "pairs": pairs(things),
                       "all": alpha(things) if len(who) > 2 else None}  # fmt: skip
    places = {by: (seen["first"], sum(seen.values())) for by, seen in found.places.items()}
    if as_json:
        print_json({kind: {**one, "pairs": [{"who": who, **vars(each)} for who, each in one["pairs"].items()],
                           "all": one["all"] and vars(one["all"])} for kind, one in kinds.items()}
                   | {"chose_the_first_shown": {by: {"first": first, "of": total, "interval": wilson(first, total)}
                                                for by, (first, total) in places.items()}})  # fmt: skip
        return
    for kind, one in kinds.items():
        if one["things"]:
            _show(kind, one)
    for by, (first, total) in places.items():
        low, high = wilson(first, total)
        console().print(f"{by} chose the one shown first {first} of {total} times "
                        f"({_percent(low)} to {_percent(high)}; 50 % would be no habit)")  # fmt: skip


def _show(kind: str, one: dict[str, Any]) -> None:
    from rich.table import Table

    who = one["labellers"]
    console().print(f"{kind}: {one['things']:,} labelled by {', '.join(who)}")
    if not one["pairs"]:
        console().print("  nobody labelled what another did, so there is nothing to compare\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "both", "agree", "95 %", "beyond chance", "95 %"):
        table.add_column(name, justify="left" if not name else "right")
    rows = [(" and ".join(pair), "kappa", each) for pair, each in one["pairs"].items()]
    rows += [("all", "alpha", one["all"])] if one["all"] else []
    for names, measure, each in rows:
        value = "not defined" if each.value is None else f"{measure} {each.value:.2f}"
        between = "" if each.low is None else f"{each.low:.2f} to {each.high:.2f}"
        table.add_row(names, f"{each.n:,}", _percent(each.share), f"{_percent(each.share_low)} to "
                      f"{_percent(each.share_high)}", value, between)  # fmt: skip
    console().print(table)
    if any(each.value is None for _, _, each in rows):
        console().print("  not defined: everybody said one and the same of everything, as chance would give too")
    console().print()


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
