"""Where the nodes of a graph go: columns from left to right, with few crossings and short edges.

1. Column: as near to its nearest user as the longest way to the output allows.
2. An edge that spans columns gets a bend in each, so that it goes around what stands there.
3. Order in a column: again and again the mean place of the neighbours, from either side.
4. Height: the mean height of the neighbours, pushed apart to the wanted distance.

Sugiyama, Tagawa, Toda 1981.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Layout", "arrange"]

_SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """`places[i]` is (column, height of the middle) of node i; `edges` have the same of each of their bends."""

    places: list[tuple[int, float]]
    edges: dict[tuple[int, int], list[tuple[int, float]]]
    columns: int
    height: float


def arrange(operands: Sequence[Sequence[int]], heights: Sequence[float], gap: float) -> Layout:
    """Place nodes 0 … n-1, of which node i is made from `operands[i]`, all numbered below i. The last is the output.

    `heights` are of the nodes' boxes; between two boxes of a column there is at least `gap`. All in the same unit.
    """
    n = len(operands)
    depth = [0] * n
    for i in reversed(range(n)):
        for j in operands[i]:
            depth[j] = max(depth[j], depth[i] + 1)
    deepest = max(depth)
    column = [deepest - each for each in depth]

    columns: list[list[int]] = [[] for _ in range(deepest + 1)]
    for i in range(n):
        columns[column[i]].append(i)
    tall, left, right = [*heights], [[] for _ in range(n)], [[] for _ in range(n)]  # type: ignore[var-annotated]
    bends: dict[tuple[int, int], list[int]] = {}
    where = [*column]
    for i in range(n):
        for j in dict.fromkeys(operands[i]):
            way = []
            for between in range(column[j] + 1, column[i]):
                bend = len(tall)
                tall.append(0.0)
                left.append([])
                right.append([])
                where.append(between)
                columns[between].append(bend)
                way.append(bend)
            bends[j, i] = way
            for a, b in zip([j, *way], [*way, i], strict=True):
                right[a].append(b)
                left[b].append(a)

    y = _heights(columns, left, right, tall, gap)
    lowest = min(y[i] - tall[i] / 2 for i in range(len(tall)))
    y = [each - lowest for each in y]
    return Layout(
        [(column[i], y[i]) for i in range(n)],
        {edge: [(where[bend], y[bend]) for bend in way] for edge, way in bends.items()},
        deepest + 1,
        max(y[i] + tall[i] / 2 for i in range(len(tall))),
    )


def _heights(
    columns: list[list[int]], left: list[list[int]], right: list[list[int]], tall: list[float], gap: float
) -> list[float]:
    y = [0.0] * len(tall)
    for each in columns:
        _spread(each, y, dict.fromkeys(each, 0.0), tall, gap)
    for sweep in range(2 * _SWEEPS):
        forward = sweep % 2 == 0
        for each in columns if forward else reversed(columns):
            beside = left if forward else right
            if sweep >= _SWEEPS:  # the order stands; now both sides pull
                beside = {i: left[i] + right[i] for i in each}  # type: ignore[assignment]
            else:
                each.sort(key=lambda i: _mean([y[j] for j in beside[i]], y[i]))
            _spread(each, y, {i: _mean([y[j] for j in beside[i]], y[i]) for i in each}, tall, gap)
    return y


def _spread(each: list[int], y: list[float], wished: Mapping[int, float], tall: list[float], gap: float) -> None:
    """Heights as near as can be to those that are wished, in the given order and not closer than allowed.

    Least squares under an order (pool adjacent violators): who is too near to the one above joins its group, and a
    group stands at the mean of what its members wish.
    """
    groups: list[tuple[float, int]] = []  # mean wish for the group's first member, members
    offsets, offset = [], 0.0
    for k, i in enumerate(each):
        if k:
            offset += (tall[each[k - 1]] + tall[i]) / 2 + gap
        offsets.append(offset)
        mean, count = wished[i] - offset, 1
        while groups and groups[-1][0] > mean:
            above, members = groups.pop()
            mean, count = (above * members + mean * count) / (members + count), members + count
        groups.append((mean, count))
    k = 0
    for mean, count in groups:
        for _ in range(count):
            y[each[k]] = mean + offsets[k]
            k += 1


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
