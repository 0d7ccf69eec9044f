"""What a person sees once a network has learned to read digits: how well, what it confuses, what it looks at, noise.

Pictures are made of characters, so that they can be read without colours: ░▒▓█ is ink, or a weight that speaks for the
neuron; .-=# is a weight that speaks against it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from twofold.cli.digits_live import described
from twofold.neuron.experiment import Outcome, Plan
from twofold.neuron.images import Digits
from twofold.neuron.network import Network
from twofold.neuron.pictures import AGAINST, FOR, smaller
from twofold.neuron.scoring import SURE
from twofold.units import duration, size

__all__ = ["picture", "show"]

_SHADES, _PLAIN, _AGAINST = " ░▒▓█", " :+*@", " .-=#"
_MISTAKES, _GAP, _WIDEST = 3, 2, 100
_WEIGHTS = 14  # how many pixels high and wide the weights are shown


def show(out: Console, folder: Path, plan: Plan, digits: Digits, outcome: Outcome) -> None:
    """Print all of it on `out`."""
    found = outcome.score
    interval = f"95 % interval {100 * found.low:.1f} to {100 * found.high:.1f} %; guessing gets 10 %"
    out.print(Text.assemble((f"{100 * found.accuracy:.1f} %", "bold"),
                            f" of {found.n:,} held-out images are read right ({interval})"))  # fmt: skip
    out.print(f"{described(plan, digits.side)}; {len(digits.train):,} images, {plan.settings.epochs} times each, "
              f"in {duration(outcome.seconds)}")  # fmt: skip
    if found.low < 0.2:
        out.print("It is hardly better than guessing: try another --learning-rate, or --initialisation xavier.")
    for title, block in (
        ("What is shown (rows), and what it is read as (columns)", _confusion(found.confusion)),
        (f"The worst mistakes, of {len(found.mistakes)}", _mistakes(out, digits, outcome)),
        ("What the first neurons look at: ░▒▓█ speaks for them, .-=# against", _weights(out, outcome)),
        ("Where there is no digit: its strongest output", _noise(outcome)),
        ("Files", (f"{size(path.stat().st_size):>10}  {path}" for path in _files(folder))),
    ):
        lines = list(block)
        if lines:
            out.print()
            out.print(Text(title, style="bold"))
            for line in lines:
                out.print(line, soft_wrap=True)


def picture(values: NDArray[np.floating[Any]], plain: bool = False, most: float | None = None) -> list[Text]:
    """A square of numbers as lines of characters, one for two that stand one above the other."""
    most = float(np.abs(values).max()) if most is None else most
    rows = values[: len(values) // 2 * 2].reshape(len(values) // 2, 2, -1).mean(axis=1) / (most or 1)
    shades, lines = _PLAIN if plain else _SHADES, []
    for row in rows:
        line = Text()
        for value in row:
            level = min(4, int(abs(value) * 5))
            colour = "" if (values >= 0).all() else "rgb({},{},{})".format(*(FOR if value > 0 else AGAINST))
            line.append((shades if value > 0 else _AGAINST)[level], style=colour)
        lines.append(line)
    return lines


def _confusion(counts: NDArray[np.int64]) -> Iterator[Text]:
    yield Text("       " + "".join(f"{digit:>5}" for digit in range(10)) + "    right", style="dim")
    for shown, row in enumerate(counts):
        line = Text(f"    {shown}  ")
        for read, n in enumerate(row):
            line.append(f"{n or '·':>5}", style="bold" if read == shown else "" if n else "dim")
        yield line.append(f"{100 * row[shown] / max(1, row.sum()):>7.0f} %")


def _mistakes(out: Console, digits: Digits, outcome: Outcome) -> Iterator[Text]:
    side, worst = digits.side, outcome.score.mistakes[:_MISTAKES]
    drawn = [picture(digits.held_out.pixels[each.image].reshape(side, side), _is_plain(out), 1.0) for each in worst]
    inked = [row for row in range(side // 2) if any(lines[row].plain.strip() for lines in drawn)] or [0]
    blocks = [[*lines[inked[0] : inked[-1] + 1], Text(f"a {each.label}, read as {each.said}"),
               Text(f"({each.outputs[each.said]:.2f} against {each.outputs[each.label]:.2f})")]
              for lines, each in zip(drawn, worst, strict=True)]  # fmt: skip
    yield from _beside(out, blocks, max(side, 20))


def _weights(out: Console, outcome: Outcome) -> Iterator[Text]:
    """Every pixel's weight into each neuron, or the first kernels of a convolutional network."""
    network = outcome.network
    if not isinstance(network, Network) or len(network.weights[0]) > 32:
        return
    blocks = [picture(smaller(weights, _WEIGHTS), _is_plain(out)) for weights in network.weights[0]]
    yield from _beside(out, blocks, max(map(len, blocks[0])))


def _noise(outcome: Outcome) -> Iterator[str]:
    for each in outcome.noise:
        yield (f"    {each.name:<23} median {each.median:.2f}, above {SURE} for {100 * each.sure:.0f} % "
               f"of {each.n:,} images")  # fmt: skip


def _beside(out: Console, blocks: Sequence[Sequence[Text]], width: int) -> Iterator[Text]:
    """Blocks of lines beside each other, as many as there is room for, then the next ones below."""
    room = max(1, (min(_WIDEST, out.width) - 4 + _GAP) // (width + _GAP))
    for at in range(0, len(blocks), room):
        if at:
            yield Text()
        for lines in itertools.zip_longest(*blocks[at : at + room], fillvalue=Text()):
            whole = Text("    ")
            for line in lines:
                padded = line.copy()
                padded.pad_right(max(0, width + _GAP - len(line)))
                whole.append_text(padded)
            whole.rstrip()
            yield whole


def _files(folder: Path) -> list[Path]:
    return [path for name in ("network.npz", "results.json", "report.html") if (path := folder / name).exists()]


def _is_plain(out: Console) -> bool:
    return not out.encoding.lower().startswith("utf")
