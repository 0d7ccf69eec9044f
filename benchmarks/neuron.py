"""A training step of micrograd's demo, with micrograd, with Value, with a tape of Value, and with torch.

    python benchmarks/neuron.py            needs micrograd and torch: pip install micrograd
    python benchmarks/neuron.py --json

MLP 2-16-16-1 with relu on 100 points of two moons, all of them in every step; hinge loss and a little weight decay; the
learning rate falls from 1 to 0.1. A step is forward, backward and the change of 337 parameters. All begin with the same
weights, and their losses are compared. micrograd is timed as it comes, with Python's cyclic garbage collector on, and
with it off, so is Value; rounds take turns, and figures are medians, on one thread.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from twofold.neuron import MLP, SGD, Tape, Value, decay, hinge
from twofold.neuron.moons import two_moons

SEED, STEPS, ALPHA = 1337, 100, 1e-4
POINTS, LABELS = two_moons(100, 0.1, SEED)
Step = Callable[[int], float]


def rate(k: int) -> float:
    return 1.0 - 0.9 * k / STEPS


def with_micrograd() -> Step:
    from micrograd.engine import Value as Their
    from micrograd.nn import MLP as TheirMLP

    random.seed(SEED)
    model = TheirMLP(2, [16, 16, 1])

    def step(k: int) -> float:
        inputs = [list(map(Their, row)) for row in POINTS]
        scores = list(map(model, inputs))
        losses = [(1 + -label * score).relu() for label, score in zip(LABELS, scores, strict=True)]
        total = sum(losses) * (1.0 / len(losses)) + ALPHA * sum(p * p for p in model.parameters())
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= rate(k) * p.grad
        return total.data

    return step


def with_value() -> Step:
    model = MLP(2, [16, 16, 1], "relu", "linear", SEED)
    sgd = SGD(model.parameters())

    def step(k: int) -> float:
        total = hinge([model(row) for row in POINTS], LABELS) + ALPHA * decay(model.parameters())
        sgd.zero_grad()
        total.backward()
        sgd.learning_rate = rate(k)
        sgd.step()
        return total.data

    return step


def with_tape() -> Step:
    model = MLP(2, [16, 16, 1], "relu", "linear", SEED)
    x, label = [Value(0.0), Value(0.0)], Value(1.0)
    loss = hinge([model(x)], [label]) + ALPHA * decay(model.parameters())
    tape = Tape(loss, [*x, label], model.parameters())
    rows = np.column_stack([POINTS, LABELS])

    def step(k: int) -> float:
        cost, gradient = tape.gradients(rows)
        tape.parameters -= rate(k) * gradient
        return cost

    return step


def with_whole_tape() -> Step:
    """The graph of all 100 points as it stands, with its nearly 69,000 nodes, and no inputs."""
    model = MLP(2, [16, 16, 1], "relu", "linear", SEED)
    total = hinge([model(row) for row in POINTS], LABELS) + ALPHA * decay(model.parameters())
    tape = Tape(total, parameters=model.parameters())

    def step(k: int) -> float:
        cost, gradient = tape.gradients()
        tape.parameters -= rate(k) * gradient
        return cost

    return step


def with_torch() -> Step:
    import torch

    torch.set_num_threads(1)
    tensors: list[Any] = []
    for layer in MLP(2, [16, 16, 1], "relu", "linear", SEED).layers:
        both = [[w.data for w in n.w] for n in layer.neurons], [n.b.data for n in layer.neurons]
        tensors += [torch.tensor(numbers, dtype=torch.float64, requires_grad=True) for numbers in both]
    x, labels = torch.tensor(POINTS, dtype=torch.float64), torch.tensor(LABELS, dtype=torch.float64)
    sgd = torch.optim.SGD(tensors)

    def step(k: int) -> float:
        h = torch.relu(torch.nn.functional.linear(x, tensors[0], tensors[1]))
        h = torch.relu(torch.nn.functional.linear(h, tensors[2], tensors[3]))
        scores = torch.nn.functional.linear(h, tensors[4], tensors[5])[:, 0]
        total = torch.relu(1 - labels * scores).mean() + ALPHA * sum((t * t).sum() for t in tensors)
        sgd.zero_grad()
        total.backward()
        sgd.param_groups[0]["lr"] = rate(k)
        sgd.step()
        return float(total.detach())

    return step


# name: how to make it, whether the collector runs, steps a round
CONTESTANTS: dict[str, tuple[Callable[[], Step], bool, int]] = {
    "micrograd": (with_micrograd, True, 1),
    "micrograd, collector off": (with_micrograd, False, 1),
    "Value": (with_value, True, 1),
    "Value, collector off": (with_value, False, 1),
    "tape": (with_tape, True, 50),
    "tape of the whole graph": (with_whole_tape, True, 20),
    "torch": (with_torch, True, 50),
}


def measure(rounds: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Median seconds a step, and the losses of the steps that were taken."""
    steps = {name: make() for name, (make, _, _) in CONTESTANTS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    losses: dict[str, list[float]] = {name: [] for name in steps}
    for done in range(rounds):
        for name, step in steps.items():
            _, collector, several = CONTESTANTS[name]
            gc.collect()
            (gc.enable if collector else gc.disable)()
            for _ in range(several):
                k = len(losses[name])
                started = time.perf_counter()
                loss = step(min(k, STEPS))
                seconds[name].append(time.perf_counter() - started)
                losses[name].append(loss)
            gc.enable()
        print(f"round {done + 1} of {rounds}", file=sys.stderr, flush=True)
    return {name: statistics.median(each) for name, each in seconds.items()}, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    choices = parser.parse_args()
    seconds, losses = measure(choices.rounds)
    base = seconds["micrograd, collector off"]
    apart = {
        name: max(abs(a - b) for a, b in zip(each, losses["micrograd"], strict=False)) for name, each in losses.items()
    }
    if choices.json:
        print(json.dumps({"seconds": seconds, "times_micrograd": {n: base / s for n, s in seconds.items()},
                          "losses_apart": apart}, indent=2))  # fmt: skip
        return
    print(f"{'':<26}{'ms a step':>10}{'× micrograd':>13}{'losses apart':>14}")
    for name, each in seconds.items():
        print(f"{name:<26}{1e3 * each:>10.3f}{base / each:>13.2f}{apart[name]:>14.1e}")
    print(f"\n× micrograd: against it with the collector off; losses apart: at most, over {choices.rounds} steps")


if __name__ == "__main__":
    main()
