"""`twofold reward`: from a model and comparisons to a reward model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.options import AsJson, Device, Dtype, Threads

__all__ = ["reward"]


def reward(
    model: Annotated[str, typer.Argument(help="A run's folder, a GGUF file, or a known name such as smollm2.")],
    data: Annotated[list[str], typer.Option(
        metavar="FILE", show_default=False,
        help="Comparisons: JSON lines with prompt, chosen and rejected; or taste, the built-in ones by a known rule.")],
    lora: Annotated[int, typer.Option(
        metavar="RANK", help="Learn low-rank additions of this rank and leave the weights as they are; 0: all learn.",
    )] = 0,
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Train for so many steps and mind no clock.", show_default=False)] = 0,
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run goes on.")] = Path("runs/reward"),
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
    """Teach a model to say how good an answer is, by comparisons.

    \b
    twofold reward runs/assistant --data labels.jsonl --out runs/reward
    twofold reinforce runs/assistant --reward runs/reward --prompts labels.jsonl

    The head that reads the reward off the model lies beside it in reward.safetensors. Ctrl-C saves; the same command
    goes on.
    """
    from twofold.cli.comparing import compared
    from twofold.make.recipe import MachineSettings
    from twofold.tune.comparison_settings import ComparisonSettings

    settings = ComparisonSettings("reward", tuple(data), rank=lora, alpha=alpha, minutes=minutes, steps=steps,
                                  batch=batch, context=context, lr=lr, seed=seed)  # fmt: skip
    compared(model, settings, MachineSettings(device, dtype, threads, compiled=False), out, as_json)
