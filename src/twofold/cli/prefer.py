"""`twofold prefer`: a model takes over preferences from comparisons, by DPO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.options import AsJson, Device, Dtype, Threads

__all__ = ["prefer"]


def prefer(
    model: Annotated[str, typer.Argument(help="A run's folder, a GGUF file, or a known name such as smollm2.")],
    data: Annotated[list[str], typer.Option(
        metavar="FILE", show_default=False,
        help="Comparisons: JSON lines with prompt, chosen and rejected; or taste, the built-in ones by a known rule.")],
    beta: Annotated[float, typer.Option(help="How dear it is to move away from the model as it was.")] = 0.1,
    lora: Annotated[int, typer.Option(
        metavar="RANK", help="Learn low-rank additions of this rank and leave the weights as they are; 0: all learn.",
    )] = 0,
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Train for so many steps and mind no clock.", show_default=False)] = 0,
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run goes on.")] = Path("runs/preferred"),
    batch: Annotated[int, typer.Option(help="Pairs in a step; 0: by the model.")] = 0,
    context: Annotated[int, typer.Option(help="Longer answers are left out; 0: by the model.")] = 0,
    lr: Annotated[float, typer.Option(help="Peak learning rate; 0: by the model.")] = 0.0,
    alpha: Annotated[float, typer.Option(help="Additions count alpha / rank; 0: twice the rank.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Teach a model which of two answers people like better, without a reward model between (DPO).

    \b
    twofold label runs/assistant --prompts questions.txt --out labels.jsonl
    twofold prefer runs/assistant --data labels.jsonl --out runs/preferred

    Ctrl-C saves; the same command goes on. With --lora, what was learned also stands by itself in adapter.safetensors.
    """
    from twofold.cli.comparing import compared
    from twofold.make.recipe import MachineSettings
    from twofold.tune.comparison_settings import ComparisonSettings

    settings = ComparisonSettings("prefer", tuple(data), beta, lora, alpha, minutes, steps, batch, context, lr,
                                  seed=seed)  # fmt: skip
    compared(model, settings, MachineSettings(device, dtype, threads, compiled=False), out, as_json)
