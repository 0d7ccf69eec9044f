"""What is gained by comparisons when what is good is known: a reward model, DPO, best of n, and pushing too far.

    python benchmarks/rewards.py [--pairs 400] [--steps 150] [--answers 128] [--keep FOLDER]

A small model learns to answer about creatures (data/taste.py). Pairs of its own answers are labelled by a rule that
can be looked up, and a tenth of the labels is turned around. Then:

    reward model   how many held-out pairs (with right labels) it orders as the rule does
    DPO            the same, its margin, whether preferred answers became likelier, and how often its own answers beat
                   those of the model that it began as, by the rule
    best of n      proxy (the reward model's) and true reward against KL = log n - (n - 1) / n
    GRPO           the same against measured KL, as it pushes on for the proxy alone

Gao et al. 2022, arXiv:2210.10760: true reward rises with the proxy's, and falls again where the proxy is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from small_start import start
from twofold.atomic import atomic_write
from twofold.data import taste
from twofold.data.almanac_chat.draw import Draw
from twofold.data.preferences import Preference
from twofold.engine.open import Engine, open_model
from twofold.intervals import Z, wilson
from twofold.make.compare import compare
from twofold.make.observer import Silent
from twofold.make.recipe import MachineSettings
from twofold.make.reinforce import reinforce
from twofold.train.loop import Step
from twofold.tune.best_of import best_of, best_of_kl
from twofold.tune.comparison_settings import ComparisonSettings
from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings
from twofold.tune.reward_model import RewardModel
from twofold.tune.rewards import Task
from twofold.tune.rollouts import answers

LONGEST = 96  # tokens of an answer
ASKED = [taste.question(name) for name in taste.CREATURES]


def written(engine: Engine, each: int, seed: int) -> list[list[str]]:
    """Answers of a model to every question."""
    prompts = [[{"role": "user", "content": text}] for text in ASKED]
    return [[one.text for one in group] for group in answers(engine, prompts, each, LONGEST, seed=(seed,))]


def own_pairs(engine: Engine, n: int, noise: float, seed: int) -> list[Preference]:
    """Pairs of the model's own answers that differ in worth, labelled."""
    each = 2 * math.ceil(2 * n / len(ASKED))
    made = []
    for asked, group in zip(ASKED, written(engine, each, seed), strict=True):
        for i, (first, second) in enumerate(zip(group[::2], group[1::2], strict=True)):
            if first.strip() and second.strip():
                pair = taste.judged(asked, first, second, Draw("labelled", seed, asked, i), noise)
                made += [pair] if pair else []
    return sorted(made, key=lambda one: Draw("mixed", seed, json.dumps(one.to_dict())).below(1 << 30))[:n]


def put(path: Path, pairs: list[Preference]) -> str:
    atomic_write(path, "".join(json.dumps(one.to_dict()) + "\n" for one in pairs))
    return str(path)


def ordered(model: RewardModel, pairs: list[Preference]) -> tuple[int, int]:
    right = 0
    for one in pairs:
        task = Task(tuple(message.to_dict() for message in one.prompt))
        right += model(task, one.chosen[0].content) > model(task, one.rejected[0].content)
    return right, len(pairs)


def worth(groups: list[list[str]]) -> list[float]:
    return [taste.rule(asked, text) for asked, group in zip(ASKED, groups, strict=True) for text in group]


def told(name: str, values: list[float]) -> None:
    half = Z * statistics.stdev(values) / math.sqrt(len(values))
    print(f"{name}: true reward {statistics.fmean(values):.2f} ± {half:.2f}", flush=True)


class Curve(Silent):
    """The proxy as a Reward that also writes down what the rule says; a point for every step."""

    def __init__(self, proxy: RewardModel, each: int) -> None:
        self.proxy, self.each = proxy, each  # answers of a step
        self.seen: list[tuple[float, float]] = []
        self.points: list[tuple[float, ...]] = []

    def __call__(self, task: Task, answer: str) -> float:
        self.seen.append((self.proxy(task, answer), taste.rule(task.text, answer)))
        return self.seen[-1][0]

    def step(self, step: Step, info: Mapping[str, Any]) -> None:
        latest, self.seen = self.seen[-self.each :], []
        proxy, true = (statistics.fmean(column) for column in zip(*latest, strict=True))
        self.points.append((info["shown"]["kl"], proxy, true, info["shown"]["length"]))


def smoothed(points: list[tuple[float, ...]], n: int) -> list[list[float]]:
    """Means of n equal stretches."""
    cuts = [i * len(points) // n for i in range(n + 1)]
    return [[statistics.fmean(column) for column in zip(*points[a:b], strict=True)]
            for a, b in zip(cuts, cuts[1:], strict=False) if b > a]  # fmt: skip


def shape(true: list[float], spread: float) -> str:
    """What the curve says, in words."""
    top = max(range(len(true)), key=true.__getitem__)
    fall = true[top] - true[-1]
    if top == len(true) - 1 or fall < spread:
        return "true reward was still rising, or fell by less than chance would"
    return f"true reward was highest at point {top + 1} of {len(true)} ({true[top]:.2f}), and fell by {fall:.2f} then"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=300, help="steps of the model that answers")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--compare", type=int, default=150, help="steps of the reward model and of DPO")
    parser.add_argument("--steps", type=int, default=150, help="of GRPO")
    parser.add_argument("--answers", type=int, default=128, help="to each question, of which the best is taken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--keep", type=Path, default=None, help="a folder for the models, so that a run can go on")
    given = parser.parse_args()
    machine = MachineSettings("cpu", given.dtype, given.threads, compiled=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        base = start(folder / "base", taste.conversations(6000, given.seed), given.start, machine, seed=given.seed,
                     context=192)  # fmt: skip
        engine = open_model(base, threads=given.threads)
        before = written(engine, 16, 1)
        told("the model that answers", worth(before))
        learned = put(folder / "pairs.jsonl", own_pairs(engine, given.pairs, given.noise, 2))
        held = own_pairs(engine, 400, 0.0, 3)
        compared(base, learned, held, before, given, machine, folder)
        pushed(base, engine, RewardModel(folder / "reward", threads=given.threads), given, machine, folder)


def compared(base: Path, learned: str, held: list[Preference], before: list[list[str]], given: argparse.Namespace,
             machine: MachineSettings, folder: Path) -> None:  # fmt: skip
    """A reward model and DPO on the same pairs."""
    for kind in ("reward", "prefer"):
        settings = ComparisonSettings(kind, (learned,), steps=given.compare, held_out=0.0, seed=given.seed)
        compare(str(base), settings, machine, folder / kind, Silent())
    right, n = ordered(RewardModel(folder / "reward", threads=given.threads), held)
    low, high = wilson(right, n)
    print(f"reward model: {right / n:.1%} of {n} held-out pairs as the rule has them ({low:.1%} to {high:.1%}), "
          f"from {given.pairs} pairs of which {given.noise:.0%} are labelled wrong", flush=True)  # fmt: skip

    log = [json.loads(line) for line in (folder / "prefer" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = [entry["shown"] for entry in log if entry["event"] == "step"][-20:]
    margin, chosen, rejected = (statistics.fmean(one[name] for one in shown)
                                for name in ("margin", "chosen", "rejected"))  # fmt: skip
    after = written(open_model(folder / "prefer", threads=given.threads), 16, 1)
    told("DPO", worth(after))
    duels = [(a > b) + 0.5 * (a == b) for a, b in zip(worth(after), worth(before), strict=True)]
    half = Z * statistics.stdev(duels) / math.sqrt(len(duels))
    print(f"DPO: margin {margin:.2f}; preferred answers {'became likelier' if chosen > 0 else 'became less likely'} "
          f"({chosen:+.2f} nats each), rejected ones {rejected:+.2f}; beats its start in "
          f"{statistics.fmean(duels):.1%} ± {half:.1%} of {len(duels)} duels by the rule", flush=True)  # fmt: skip


def pushed(base: Path, engine: Engine, proxy: RewardModel, given: argparse.Namespace, machine: MachineSettings,
           folder: Path) -> None:  # fmt: skip
    """Harder and harder for the proxy: best of n, and GRPO."""
    groups = written(engine, given.answers, 4)
    liked = [[proxy(Task(({"role": "user", "content": asked},)), text) for text in group]
             for asked, group in zip(ASKED, groups, strict=True)]  # fmt: skip
    true = [[taste.rule(asked, text) for text in group] for asked, group in zip(ASKED, groups, strict=True)]
    print(f"best of n, over {len(ASKED)} questions\n     n     KL  proxy   true")
    curve = []
    for n in (2**k for k in range(int(math.log2(given.answers)) + 1)):
        means = [statistics.fmean(best_of(a, b, n) for a, b in zip(liked, values, strict=True))
                 for values in (liked, true)]  # fmt: skip
        curve.append(means[1])
        print(f"{n:6} {best_of_kl(n):6.2f} {means[0]:6.2f} {means[1]:6.2f}", flush=True)
    print(shape(curve, 0.1))

    policy = PolicySettings(prompts=8, group=8, longest=LONGEST, kl_limit=1000.0)
    watched = Curve(proxy, policy.prompts * policy.group)
    settings = ReinforceSettings("taste", policy=policy, steps=given.steps, lr=5e-4, measured=4, samples=1,
                                 seed=given.seed)  # fmt: skip
    reinforce(str(base), settings, machine, folder / "pushed", watched, watched)
    rows = smoothed(watched.points, 10)
    print("GRPO for the proxy alone\n    KL  proxy   true  tokens an answer")
    for kl, liked_by, worth_of, length in rows:
        print(f"{kl:6.2f} {liked_by:6.2f} {worth_of:6.2f} {length:7.1f}", flush=True)
    print(shape([row[2] for row in rows], 0.3))


if __name__ == "__main__":
    main()
