"""`twofold reinforce`: a model learns from rewards for its own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.options import AsJson, Device, Dtype, Threads
from twofold.cli.output import console, duration, print_json, size

__all__ = ["reinforce"]


def reinforce(
    model: Annotated[str, typer.Argument(help="A run's folder, a GGUF file, or a known name such as smollm2.")],
    reward: Annotated[str, typer.Option(
        metavar="REWARD", show_default=False,
        help="arithmetic or sums (:DIGITS), a suite (.json, .yaml), length:CHARACTERS, format:REGEX, a reward model's "
             "folder, or taste, the built-in rule.")],
    prompts: Annotated[str, typer.Option(
        metavar="FILE", show_default=False,
        help="What is asked, where the reward does not say: a line of text each, or conversations; or almanac.")] = "",
    algorithm: Annotated[str, typer.Option(help="grpo, or ppo with a value head.")] = "grpo",
    minutes: Annotated[float, typer.Option(help="How long to train.")] = 5.0,
    steps: Annotated[int, typer.Option(help="Train for so many steps and mind no clock.", show_default=False)] = 0,
    batch: Annotated[int, typer.Option(help="Prompts in a step.")] = 16,
    group: Annotated[int, typer.Option(help="Answers to each prompt.")] = 8,
    longest: Annotated[int, typer.Option(help="Tokens in an answer, at most.")] = 48,
    beta: Annotated[float, typer.Option(help="Price of a nat away from the model as it was.")] = 0.0,
    updates: Annotated[int, typer.Option(help="Steps taken on the same answers.")] = 1,
    normalisation: Annotated[str, typer.Option(help="dapo, grpo or dr_grpo: what a token of a long answer counts.")]
        = "dapo",
    kl_limit: Annotated[float, typer.Option(help="Nats an answer from the model as it was, where it stops.")]
        = 100.0,
    tools: Annotated[str, typer.Option(help="auto: those the model was taught; none; or names.")] = "auto",
    lora: Annotated[int, typer.Option(
        metavar="RANK", help="Learn low-rank additions of this rank and leave the weights as they are; 0: all learn.",
    )] = 0,
    out: Annotated[Path, typer.Option(help="The run's folder; an unfinished run goes on.")] = Path("runs/reinforced"),
    lr: Annotated[float, typer.Option(help="Peak learning rate; 0: by the model.")] = 0.0,
    shuffled: Annotated[bool, typer.Option(
        "--shuffled", help="The control: rewards are dealt out at random, so that nothing can be learned.")] = False,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Let a model answer, reward its answers, and make what was rewarded likelier.

    \b
    twofold reinforce runs/assistant --reward arithmetic:3 --minutes 10
    twofold reinforce runs/assistant --reward runs/reward --prompts questions.txt --beta 0.05
    twofold chat runs/reinforced

    A fifth of what could be asked is kept back, and measures what was learned. Ctrl-C saves; the same command goes on.
    """
    from twofold.cli.live import Live
    from twofold.interrupts import Interrupted
    from twofold.make.recipe import MachineSettings
    from twofold.make.reinforce import reinforce as learn
    from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings

    policy = PolicySettings(algorithm, batch, group, longest, updates=updates, beta=beta,  # type: ignore[arg-type]
                            normalisation=normalisation, kl_limit=kl_limit)  # type: ignore[arg-type]  # fmt: skip
    settings = ReinforceSettings(reward, prompts, policy, tools, lora, minutes=minutes, steps=steps, lr=lr,
                                 shuffled=shuffled, seed=seed)  # fmt: skip
    try:
        with Live(console(stderr=True)) as live:
            results = learn(model, settings, MachineSettings(device, dtype, threads, compiled=False), out, live)
    except Interrupted:
        console(stderr=True).print("saved; the same command goes on")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"folder": out, **results})
    else:
        _show(out, results)


def _show(folder: Path, results: dict[str, Any]) -> None:
    out, before, after = console(), results["held_out"]["before"], results["held_out"]["after"]
    out.print(f"reward of {after['samples']:.0f} drawn answers to each of {after['prompts']:.0f} prompts:")
    for name, one in (("before", before), ("after", after)):
        out.print(f"{name:>12}  {one['reward']:.3f} ({one['low']:.3f} to {one['high']:.3f}), "
                  f"{one['length']:.1f} tokens an answer")  # fmt: skip
    out.print()
    out.print(f"trained for {duration(results['training_seconds'])}, {results['steps']:,} steps, "
              f"{results['learned_parameters']:,} parameters")  # fmt: skip
    for name, file in results["files"].items():
        out.print(f"{size(file['bytes']):>12}  {folder / name}")
    out.print()
    out.print(f"what to do next:\n  twofold chat {folder}")
