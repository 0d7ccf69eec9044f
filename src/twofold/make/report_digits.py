"""A network that reads digits on one page: report.html, which holds all it shows and asks for nothing from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.atomic import atomic_write
from twofold.make.report_html import (
    Html,
    cell,
    code,
    figure,
    join,
    page,
    plot,
    row,
    table,
    tag,
)
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.experiment import Outcome, Plan
from twofold.neuron.images import Digits
from twofold.neuron.network import Network
from twofold.neuron.pictures import RGBA, data_uri, ink, signed
from twofold.neuron.scoring import SURE
from twofold.units import duration

__all__ = ["render", "write_report"]

_MISTAKES = 24


def write_report(folder: Path, plan: Plan, digits: Digits, outcome: Outcome) -> Path:
    """Write `folder`/report.html."""
    path = folder / "report.html"
    atomic_write(path, render(plan, digits, outcome))
    return path


def render(plan: Plan, digits: Digits, outcome: Outcome) -> str:
    parts = dict(
        headline=_headline(plan, digits, outcome), facts=_facts(plan, outcome), learned=_learned(plan, digits, outcome),
        confusion=_confusion(outcome), mistakes=_mistakes(digits, outcome), looks=_looks(outcome),
        noise=_noise(outcome), lineage=_lineage(plan, digits),
        code_learned=code("neuron/network.py:Network.gradients", "neuron/descent.py:train"),
        code_reached=code("intervals.py:wilson", "neuron/scoring.py:score"),
        code_noise=code("neuron/scoring.py:noise"),
    )  # fmt: skip
    data = {"costs": outcome.costs, "measured": outcome.measured, "n": outcome.score.n}
    return page("digits", parts, title="Reading digits · twofold", heading="Reading digits", data=data)


def _headline(plan: Plan, digits: Digits, outcome: Outcome) -> Html:
    found = outcome.score
    of = f"{100 * found.accuracy:.1f} % of {found.n:,} handwritten digits that it had never seen"
    layers = "–".join(map(str, _sizes(outcome)))
    kind = "A small convolutional network" if plan.convolution else f"A network of {layers} neurons"
    return join([
        tag("p", f"{kind} reads {of}."),
        tag("p", f"Measured on so few images, that figure is known to lie from {100 * found.low:.1f} to "
                 f"{100 * found.high:.1f} % (95 % interval). Guessing gets 10 %. It learned from "
                 f"{len(digits.train):,} images in {duration(outcome.seconds)}."),
    ])  # fmt: skip


def _sizes(outcome: Outcome) -> tuple[int, ...]:
    return outcome.network.sizes if isinstance(outcome.network, Network) else ()


def _facts(plan: Plan, outcome: Outcome) -> Html:
    known = [("parameters", f"{sum(each.size for each in outcome.network.parameters):,}"),
             ("of training", duration(outcome.seconds)), ("steps", f"{outcome.steps:,}"),
             ("images a step", str(plan.settings.batch))]  # fmt: skip
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in known), class_="facts")


def _learned(plan: Plan, digits: Digits, outcome: Outcome) -> Html:
    cost = "the sum of squared errors" if plan.loss == "squared" else "the surprise at the right digit, in nats"
    each = outcome.steps // plan.settings.epochs
    return join([
        plot("cost", "The cost along training", 240,
             f"The cost of an image, {cost}, along training: means of the batches since the last point. "
             f"{each:,} steps are one time through the {len(digits.train):,} training images."),
        plot("accuracy", "Held-out accuracy along training", 200,
             f"How many of the {outcome.score.n:,} held-out images are read right, measured after each time through "
             "the training images. Nothing was chosen by it: the last one counts."),
    ])  # fmt: skip


def _confusion(outcome: Outcome) -> Html:
    counts = outcome.score.confusion
    most = max(1, int((counts - np.diag(np.diag(counts))).max()))
    rows = [row(str(shown), *(_count(int(n), shown == read, most) for read, n in enumerate(each)),
                cell(_share(each[shown], each.sum()), f"{100 * _share(each[shown], each.sum()):.0f} %"))
            for shown, each in enumerate(counts)]  # fmt: skip
    caption = ("How often each digit (rows) was read as each digit (columns). Correct ones are bold; the more often a "
               "mistake was made, the stronger its ground.")
    body = table(["shown", *map(str, range(10)), "right"], tag("tbody", *rows))
    return figure(tag("div", body, class_="scroll"), caption, class_="confusion")


def _count(n: int, right: bool, most: int) -> Html:
    strength = None if right or not n else f"--strength:{math.sqrt(n / most):.2f}"
    return cell(n, str(n) if n else "·", class_="right" if right else "wrong" if n else "same", style=strength)


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


def _mistakes(digits: Digits, outcome: Outcome) -> Html:
    found = outcome.score.mistakes
    if not found:
        return tag("p", "It made no mistake on these images.")
    pictures = [_picture("ink", ink(digits.held_out.pixels[each.image]), f"a {each.label}, read as {each.said}",
                         f"a {each.label}, read as {each.said}",
                         f"{each.outputs[each.said]:.2f} vs {each.outputs[each.label]:.2f}")
                for each in found[:_MISTAKES]]  # fmt: skip
    shown = "All" if len(found) <= _MISTAKES else f"The worst {_MISTAKES} of"
    caption = (f"{shown} {len(found)} mistakes, those first in which the wrong output was most above the right one. "
               "Below each, both outputs.")  # fmt: skip
    return tag("figure", tag("div", tag("div", *pictures, class_="pictures")), tag("figcaption", caption))


def _looks(outcome: Outcome) -> Html:
    network = outcome.network
    if isinstance(network, ConvolutionalNetwork):
        kernels = network.kernels[0].reshape(len(network.kernels[0]), -1)
        said = ("The kernels of the first convolution: what each patch of the picture is compared with. Orange speaks "
                "for, blue against; what is blank has no say. Each picture has its own scale.")  # fmt: skip
        return _gallery("kernel", kernels, said)
    weights = network.weights[0]
    name = "the first hidden layer" if len(network.weights) > 1 else "the output"
    said = (f"The weights from all pixels into each neuron of {name}. Ink where it is orange makes the neuron "
            "stronger, where it is blue weaker; what is blank has no say. Each picture has its own scale. One might "
            "have hoped for edges and loops; nothing asked the network for parts of digits. Where no training image "
            "has ink, a weight was never corrected: it is as it began, or as decay left it.")  # fmt: skip
    return _gallery("neuron", weights, said)


def _gallery(name: str, weights: NDArray[np.floating[Any]], said: str) -> Html:
    shown = [_picture("weights", signed(each), f"weights of {name} {i}", f"{name} {i}",
                      f"largest {np.abs(each).max():.2f}") for i, each in enumerate(weights, 1)]  # fmt: skip
    return tag("figure", tag("div", tag("div", *shown, class_="pictures large")), tag("figcaption", said))


def _noise(outcome: Outcome) -> Html:
    rows = [row(each.name, cell(each.median, f"{each.median:.2f}"), cell(each.sure, f"{100 * each.sure:.0f} %"))
            for each in outcome.noise]  # fmt: skip
    caption = (f"The strongest of the ten outputs, over {outcome.noise[0].n:,} images of each kind: its median, and "
               f"how often it is above {SURE}. A network that knew what it does not know would be unsure of noise.")
    pictures = [_picture("ink", ink(pixels), f"{each.name}, read as {digit}", f"read as {digit}", f"{strength:.2f}")
                for each in outcome.noise[1:]
                for pixels, (digit, strength) in zip(each.examples, each.said, strict=True)]  # fmt: skip
    return join([
        figure(table(["on", "strongest output, median", f"above {SURE}"], tag("tbody", *rows)), caption),
        tag("figure", tag("div", tag("div", *pictures, class_="pictures")),
            tag("figcaption", "The first six of each kind of noise, what each was read as, and that output.")),
    ])  # fmt: skip


def _picture(kind: str, picture: RGBA, alternative: str, *lines: str) -> Html:
    image = tag("img", src=data_uri(picture), alt=alternative, class_=kind)
    return tag("div", image, *(tag("span", line) for line in lines))


def _lineage(plan: Plan, digits: Digits) -> Html:
    known = {"images": f"{digits.name}: {len(digits.train):,} to train on, {len(digits.held_out):,} held out, "
                       f"{digits.side} × {digits.side}", **dict(_flat(asdict(plan)))}  # fmt: skip
    rows = [row(name.replace("_", " "), cell(_written(value), class_="words"))
            for name, value in known.items()]  # fmt: skip
    caption = "The choices of this run. The same choices on the same machine give the same numbers to the last bit."
    return figure(tag("table", tag("tbody", *rows)), caption)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _flat(plan: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in plan.items():
        yield from value.items() if isinstance(value, dict) else [(name, value)]
