"""`twofold finetune`: from a model and conversations to an assistant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.options import AsJson, Compiled, Device, Dtype, Threads
from twofold.cli.output import console, duration, print_json, size

__all__ = ["finetune"]


def finetune(
    model: Annotated[str, typer.Argument(help="A run's folder, a GGUF file, or a known name such as smollm2.")],
    data: Annotated[list[str], typer.Option(
        metavar="FILE", show_default=False,
        help="Conversations: JSON lines with messages, ShareGPT, Alpaca, or question<TAB>answer; or almanac, the "
             "built-in ones. More than one may be named.")],
    lora: Annotated[int, typer.Option(
        metavar="RANK", help="Learn low-rank additions of this rank and leave the weights as they are; 0: all learn.",
    )] = 0,
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Train for so many steps and mind no clock.", show_default=False)] = 0,
    replay: Annotated[float, typer.Option(help="Share of the rows that are text, against forgetting.")] = 0.0,
    replay_from: Annotated[list[str] | None, typer.Option(
        metavar="SOURCE", show_default=False, help="That text; by default what the model's own run was trained on.",
    )] = None,
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run goes on.")] = Path("runs/assistant"),
    batch: Annotated[int, typer.Option(help="Rows in a step; 0: by the model.")] = 0,
    context: Annotated[int, typer.Option(help="Tokens in a row; 0: by the model.")] = 0,
    lr: Annotated[float, typer.Option(help="Peak learning rate; 0: by the model.")] = 0.0,
    alpha: Annotated[float, typer.Option(help="Additions count alpha / rank; 0: twice the rank.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    compiled: Compiled = True,
    as_json: AsJson = False,
) -> None:
    """Teach a model to answer, by conversations.

    \b
    twofold finetune runs/almanac --data almanac --replay 0.2 --out runs/assistant
    twofold finetune smollm2 --data mine.tsv --lora 8 --minutes 10 --out runs/mine
    twofold chat runs/assistant

    Only the assistant's own words are learned. Ctrl-C saves; the same command goes on. With --lora, what was learned
    also stands by itself in adapter.safetensors, and is put on a model where one is named:

    \b
    twofold chat smollm2+runs/mine
    """
    from twofold.cli.live import Live
    from twofold.interrupts import Interrupted
    from twofold.make.finetune import finetune as tune
    from twofold.make.recipe import MachineSettings
    from twofold.tune.settings import TuneSettings

    settings = TuneSettings(tuple(data), lora, alpha, minutes, steps, batch, context, lr, replay,
                            tuple(replay_from or ()), seed=seed)  # fmt: skip
    try:
        with Live(console(stderr=True)) as live:
            results = tune(model, settings, MachineSettings(device, dtype, threads, compiled), out, live)
    except Interrupted:
        console(stderr=True).print("saved; the same command goes on")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"folder": out, **results})
    else:
        _show(out, results)


def _show(folder: Path, results: dict[str, Any]) -> None:
    out, before, after = console(), results["bits_per_byte"]["before"], results["bits_per_byte"]["after"]
    for source, bits in after.items():
        out.print(f"{source:>12}  {before[source]:.3f} -> {bits:.3f} bits per byte, held out")
    out.print()
    out.print(f"trained for {duration(results['training_seconds'])}, {results['steps']:,} steps, "
              f"{results['learned_parameters']:,} parameters")  # fmt: skip
    for name, file in results["files"].items():
        out.print(f"{size(file['bytes']):>12}  {folder / name}")
    out.print()
    out.print(f"what to do next:\n  twofold chat {folder}")
