"""What `twofold reward` and `twofold prefer` do alike: run, and show what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from twofold.cli.output import console, duration, print_json, size

if TYPE_CHECKING:
    from twofold.make.recipe import MachineSettings
    from twofold.tune.comparison_settings import ComparisonSettings

__all__ = ["compared"]


def compared(
    model: str, settings: ComparisonSettings, machine: MachineSettings, out: Path, as_json: bool
) -> None:
    from twofold.cli.live import Live
    from twofold.interrupts import Interrupted
    from twofold.make.compare import compare

    try:
        with Live(console(stderr=True)) as live:
            results = compare(model, settings, machine, out, live)
    except Interrupted:
        console(stderr=True).print("saved; the same command goes on")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"folder": out, **results})
    else:
        _show(out, settings.kind, results)


def _show(folder: Path, kind: str, results: dict[str, Any]) -> None:
    out, before, after = console(), results["held_out"]["before"], results["held_out"]["after"]
    if after:
        out.print(f"held-out pairs in the right order: {before['accuracy']:.1%} -> {after['accuracy']:.1%} "
                  f"({after['low']:.1%} to {after['high']:.1%}) of {after['pairs']:.0f}")  # fmt: skip
        out.print(f"margin: {before['margin']:.3f} -> {after['margin']:.3f}")
    if "chosen" in after:
        fell = "less likely" if after["chosen"] < 0 else "likelier"
        out.print(f"the preferred answers became {fell}, by {abs(after['chosen']):.2f} nats each; "
                  f"the others by {after['rejected']:+.2f}")  # fmt: skip
    out.print()
    out.print(f"trained for {duration(results['training_seconds'])}, {results['steps']:,} steps, "
              f"{results['learned_parameters']:,} parameters")  # fmt: skip
    for name, file in results["files"].items():
        out.print(f"{size(file['bytes']):>12}  {folder / name}")
    out.print()
    next_one = f"twofold reinforce MODEL --reward {folder}" if kind == "reward" else f"twofold chat {folder}"
    out.print(f"what to do next:\n  {next_one}")
