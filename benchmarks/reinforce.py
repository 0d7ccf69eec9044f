"""Arithmetic that is learned from whether it is right: a small assistant that is right now and then, then GRPO.

    python benchmarks/reinforce.py [--kind alone|calculator|both] [--seeds 3] [--steps 80] [--digits 2]

Each seed makes a model of its own from nothing (seconds to a minute) that answers sums, or writes them for the
calculator, as well as it has learned so far; then `twofold reinforce` on questions that it may have seen, and on none
of those that measure it. Contenders from the same start:

    grpo        1 for a right answer, 0 for a wrong one
    shuffled    the control: the same rewards, each given to another answer

Printed: the share of right answers (drawn at temperature 1) to held-out questions, before and after, with a 95 %
interval over questions for each seed, and for the gain over seeds (Student's t).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from small_start import start
from twofold.data.conversations import Conversation, Message, ToolCall
from twofold.make.observer import Silent
from twofold.make.recipe import MachineSettings
from twofold.make.reinforce import reinforce
from twofold.make.tasks import Sums
from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings
from twofold.tune.rewards import Task

T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's 97.5 % points for so many seeds


def taught(task: Task, calls: bool) -> Conversation:
    """A question with its answer, or with a call of the calculator on the way to it."""
    asked, right = Message("user", task.text), str(task.about.expected)
    if not calls:
        return Conversation((asked, Message("assistant", right)))
    numbers = [word.strip("?.") for word in task.text.split() if word.strip("?.").isdigit()]
    call = ToolCall("calculator", {"expression": " + ".join(numbers)})
    return Conversation((asked, Message("assistant", "", (call,)), Message("tool", right), Message("assistant", right)))


def measured(kind: str, seed: int, given: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """One seed: its start, GRPO and the control."""
    calls, machine = kind == "calculator", MachineSettings("cpu", given.dtype, given.threads, compiled=False)
    sums = Sums(("sum",), given.digits if not calls else given.digits + 1, seed)
    conversations: Iterator[Conversation] = (taught(task, calls) for task in sums.learned(0, 12_000))
    began = time.perf_counter()
    model = start(folder / f"{kind}-{seed}", conversations, given.calling if calls else given.alone, machine, seed=seed)
    print(f"{kind}, seed {seed}: a start in {time.perf_counter() - began:.0f} s", flush=True)
    policy = PolicySettings(prompts=given.prompts, group=8, longest=64 if calls else 8, beta=given.beta)
    found = {}
    for name in ("grpo", "shuffled"):
        began = time.perf_counter()
        settings = ReinforceSettings(f"sums:{sums.digits}", policy=policy, steps=given.steps, lr=given.lr,
                                     measured=given.questions, samples=4, shuffled=name == "shuffled", seed=seed)
        results = reinforce(str(model), settings, machine, folder / f"{kind}-{seed}-{name}", Silent())["held_out"]
        before, after = results["before"], results["after"]
        found[name] = {"before": before["reward"], "after": after["reward"], "low": after["low"], "high": after["high"],
                       "seconds": time.perf_counter() - began}  # fmt: skip
        print(f"  {name:9} {before['reward']:6.1%} -> {after['reward']:6.1%} ({after['low']:.1%} to "
              f"{after['high']:.1%}), {found[name]['seconds']:.0f} s", flush=True)  # fmt: skip
    return found


def interval(gains: list[float]) -> tuple[float, float]:
    if len(gains) not in T:
        return -math.inf, math.inf
    half = T[len(gains)] * statistics.stdev(gains) / math.sqrt(len(gains))
    return statistics.fmean(gains) - half, statistics.fmean(gains) + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("alone", "calculator", "both"), default="both")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=150, help="of GRPO")
    parser.add_argument("--alone", type=int, default=300, help="steps of the start without the calculator")
    parser.add_argument("--calling", type=int, default=140, help="steps of the start with it")
    parser.add_argument("--digits", type=int, default=2, help="of numbers, at most; one more with the calculator")
    parser.add_argument("--prompts", type=int, default=24, help="in a step")
    parser.add_argument("--questions", type=int, default=200, help="that are kept back")
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--beta", type=float, default=0.05, help="the price of a nat away from the start")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for the models, so that a run can go on")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, figures = given.keep or Path(temporary), {}
        for kind in ("alone", "calculator") if given.kind == "both" else (given.kind,):
            seeds = [measured(kind, seed, given, folder) for seed in range(given.first, given.first + given.seeds)]
            for name in ("grpo", "shuffled"):
                gains = [one[name]["after"] - one[name]["before"] for one in seeds]
                low, high = interval(gains)
                verdict = "gained" if low > 0 else "lost" if high < 0 else "no gain that can be told from chance"
                figures[f"{kind} {name}"] = {"seeds": [one[name] for one in seeds], "gain": statistics.fmean(gains),
                                             "low": low, "high": high}  # fmt: skip
                print(f"{kind:11} {name:9} {100 * statistics.fmean(gains):+.1f} points ({100 * low:+.1f} to "
                      f"{100 * high:+.1f}) over {len(gains)} seeds: {verdict}", flush=True)  # fmt: skip
    if given.json:
        print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
