"""`twofold pretrain`: train on text and a tokenizer that were prepared before; the same on one process or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.choices import choices, parse_sets
from twofold.cli.options import AsJson, Compiled, Device, Dtype, Mix, Sets, Steps, Threads
from twofold.cli.output import console, print_json

__all__ = ["pretrain"]


def pretrain(
    text: Annotated[Path, typer.Argument(help="A folder that `twofold data` made.")],
    tokenizer: Annotated[Path, typer.Option(help="A tokenizer.json, as `twofold tokenizer` makes it.")],
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run goes on.")] = Path("runs/pretrained"),
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 5.0,
    steps: Steps = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml to follow; the other choices are ignored.")] = None,
    mix: Mix = "",
    choose: Sets = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    compiled: Compiled = True,
    as_json: AsJson = False,
) -> None:
    """Train a model on prepared text.

    \b
    twofold data my-texts/ --out runs/text
    twofold tokenizer runs/text --vocab 4096 --out runs/tokenizer
    twofold pretrain runs/text --tokenizer runs/tokenizer/tokenizer.json --minutes 30
    torchrun --standalone --nproc-per-node 2 -m twofold pretrain runs/text --tokenizer … --steps 500

    Ctrl-C saves; the same command goes on. What it leaves is what `twofold make` leaves.
    """
    from twofold.cli.live import Live
    from twofold.cli.make import show
    from twofold.data.mix import parse_mix
    from twofold.interrupts import Interrupted
    from twofold.make import recipe as recipes
    from twofold.make.observer import Both
    from twofold.make.planning import Wishes
    from twofold.make.story import Prepared, make
    from twofold.make.tensorboard import TensorBoard
    from twofold.tokenizer.bpe import BPETokenizer

    learned = BPETokenizer.from_json(tokenizer)
    wanted = choices(parse_sets(choose or []), {
        "tokenizer.vocab_size": learned.vocab_size, "tokenizer.pre": learned.pre, "train.schedule.steps": steps})
    wishes = Wishes((str(text),), minutes, mix=parse_mix(mix), choices=wanted,
                    machine=recipes.MachineSettings(device, dtype, threads, compiled))
    try:
        with Live(console(stderr=True)) as live, TensorBoard(out / "tensorboard") as board:
            repeated = recipes.read(recipe) if recipe else None
            results = make(wishes, out, Both(live, board), repeated, Prepared(text, learned))
    except Interrupted:
        console(stderr=True).print("saved; the same command goes on")
        raise typer.Exit(130) from None
    if not results:
        return  # another process of the group tells
    if as_json:
        print_json({"folder": out, **results})
    else:
        show(out, results)
