"""Small charts as SVG, in the colours of all our pages: lines over axes, and the plane coloured by a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from twofold.errors import ConfigError
from twofold.neuron.draw import STYLE, Drawing, opening
from twofold.neuron.trace import short

__all__ = ["chart", "regions"]

Points = Sequence[tuple[float, float]]

_WIDE, _TALL = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 18, 56, 44
_CELLS = (62, 40)  # of a whole number of pixels each
_LEVELS = 6

_STYLE = (
    STYLE
    + """.twofold { --c1: #b94a05; --c2: #2271b5; --c3: #007a66; --c4: #9b4487; }
@media (prefers-color-scheme: dark) { .twofold { --c1: #f2925a; --c2: #7cbdf0; --c3: #45c3a5; --c4: #dd92cb; } }
.twofold .title { text-anchor: start; font-weight: 650; font-size: 14px; }
.twofold .legend { text-anchor: start; }
.twofold .axis { fill: var(--quiet); }
.twofold .y { text-anchor: end; }
.twofold .grid { stroke: var(--line); }
.twofold .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.twofold .dot { stroke: var(--paper); stroke-width: 1.5; }
"""
    + "".join(f".twofold .s{k} {{ stroke: var(--c{k}); }}\n" for k in range(1, 5))
    + "".join(f".twofold .f{k} {{ fill: var(--c{k}); }}\n" for k in range(1, 5))
)


def chart(
    lines: Mapping[str, Points], *, title: str, x: str, y: str, dots: Mapping[str, Points] | None = None
) -> Drawing:
    """At most four named `lines` and `dots` of (x, y), each name in a colour of its own, over two labelled axes.

    What is on `lines` and on `dots` by the same name has the same colour. Raises ConfigError for nothing to show, for
    more names, and for numbers that are not finite.
    """
    dots = dots or {}
    names = [*dict.fromkeys([*lines, *dots])]
    points = [point for each in (*lines.values(), *dots.values()) for point in each]
    if not points or len(names) > 4:
        raise ConfigError(f"a chart shows one to four lines with points on them, and was given {len(names)} names")
    frame = _Frame(points)
    if 0 < frame.y0 < frame.y1 / 3:
        frame.y0 = 0.0  # heights are compared from 0 where that costs little room
    parts = [*_head(title), *frame.axes(x, y)]
    for k, name in enumerate(names, 1):
        parts.append(
            f'<text class="legend f{k}" x="{_LEFT + (k - 1) * (_WIDE - _LEFT - _RIGHT) / len(names):.0f}" y="44">'
            f"{escape(name)}</text>"
        )
        if name in lines:
            way = " ".join(f"{a:.1f},{b:.1f}" for a, b in map(frame.at, lines[name]))
            parts.append(f'<polyline class="line s{k}" points="{way}"><title>{escape(name)}</title></polyline>')
        for point in dots.get(name, ()):
            a, b = frame.at(point)
            said = f"{escape(name)}: {short(point[0])}, {short(point[1])}"
            parts.append(f'<circle class="dot f{k}" cx="{a:.1f}" cy="{b:.1f}" r="4.5"><title>{said}</title></circle>')
    return Drawing("\n".join([*parts, "</svg>\n"]))


def regions(
    score: Callable[[Points], Sequence[float]], points: Sequence[Sequence[float]], labels: Sequence[int], *, title: str
) -> Drawing:
    """The plane around `points`: orange where `score` is above 0, blue where it is below, strongest from 1 either way.

    Points of label 1 are orange circles, the others blue squares. `score` is asked once, for all places.
    """
    if not points or len(points) != len(labels):
        raise ConfigError(f"{len(points)} points do not go with {len(labels)} labels; there must be one for each")
    places = [(float(a), float(b)) for a, b in points]
    frame = _Frame(places, margin=0.12)
    n, m = _CELLS
    wide, tall = (frame.x1 - frame.x0) / n, (frame.y1 - frame.y0) / m
    centres = [(frame.x0 + (i + 0.5) * wide, frame.y1 - (j + 0.5) * tall) for j in range(m) for i in range(n)]
    levels = [_level(each) for each in score(centres)]
    cell_wide, cell_tall = (_WIDE - _LEFT - _RIGHT) / n, (_TALL - _TOP - _BOTTOM) / m
    parts = [*_head(title), '<g shape-rendering="crispEdges">']
    for j in range(m):
        row, i = levels[j * n : (j + 1) * n], 0
        while i < n:  # neighbours of one colour are one box
            end = next((k for k in range(i, n) if row[k] != row[i]), n)
            if row[i]:
                parts.append(
                    f'<rect class="f{1 if row[i] > 0 else 2}" opacity="{0.4 * abs(row[i]) / _LEVELS:.2f}" '
                    f'x="{_LEFT + i * cell_wide:.1f}" y="{_TOP + j * cell_tall:.1f}" '
                    f'width="{(end - i) * cell_wide:.1f}" height="{cell_tall:.1f}"/>'
                )
            i = end
    parts += ["</g>", *frame.axes("x", "y", lines=False)]
    parts.append(f'<text class="legend f1" x="{_LEFT}" y="44">● label 1, score above 0</text>')
    parts.append(f'<text class="legend f2" x="{_LEFT + 200}" y="44">■ label −1, score below 0</text>')
    for place, label in zip(places, labels, strict=True):
        a, b = frame.at(place)
        if label > 0:
            parts.append(f'<circle class="dot f1" cx="{a:.1f}" cy="{b:.1f}" r="4"/>')
        else:
            parts.append(f'<rect class="dot f2" x="{a - 3.5:.1f}" y="{b - 3.5:.1f}" width="7" height="7"/>')
    return Drawing("\n".join([*parts, "</svg>\n"]))


class _Frame:
    """Which numbers are shown, and where."""

    def __init__(self, points: Points, margin: float = 0.0) -> None:
        if not all(map(math.isfinite, (each for point in points for each in point))):
            raise ConfigError("a chart of numbers that are not finite cannot be drawn")
        (self.x0, self.x1), (self.y0, self.y1) = (
            _widened(min(each), max(each), margin) for each in zip(*points, strict=True)
        )

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - self.x0) / (self.x1 - self.x0)
        up = (point[1] - self.y0) / (self.y1 - self.y0)
        return _LEFT + across * (_WIDE - _LEFT - _RIGHT), _TALL - _BOTTOM - up * (_TALL - _TOP - _BOTTOM)

    def axes(self, x: str, y: str, lines: bool = True) -> list[str]:
        parts = []
        for tick, said in _ticks(self.y0, self.y1):
            level = self.at((self.x0, tick))[1]
            if lines:
                ends = f'x1="{_LEFT}" x2="{_WIDE - _RIGHT}" y1="{level:.1f}" y2="{level:.1f}"'
                parts.append(f'<line class="grid" {ends}/>')
            parts.append(f'<text class="axis y" x="{_LEFT - 8}" y="{level + 4.5:.1f}">{said}</text>')
        for tick, said in _ticks(self.x0, self.x1):
            across = self.at((tick, self.y0))[0]
            parts.append(f'<text class="axis" x="{across:.1f}" y="{_TALL - _BOTTOM + 18}">{said}</text>')
        middle = _TOP + (_TALL - _TOP - _BOTTOM) / 2
        parts.append(f'<text class="axis" x="{(_LEFT + _WIDE - _RIGHT) / 2}" y="{_TALL - 10}">{escape(x)}</text>')
        parts.append(f'<text class="axis" transform="translate(16 {middle}) rotate(-90)">{escape(y)}</text>')
        return parts


def _head(title: str) -> list[str]:
    return [opening(_WIDE, _TALL, title, _STYLE), f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>']


def _widened(low: float, high: float, margin: float) -> tuple[float, float]:
    if low == high:
        return low - 0.5, high + 0.5
    return low - margin * (high - low), high + margin * (high - low)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Four to nine round numbers, and how they are written: with as many figures as tell them apart."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (5, 2, 1) if factor * step <= (high - low) / 4)
    ticks = [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    figures = 1 + math.floor(math.log10(max(*map(abs, ticks), step))) - math.floor(math.log10(step))
    return [(tick, f"{tick:.{max(figures, 6)}g}".replace("-", "−")) for tick in ticks]


def _level(score: float) -> int:
    return max(-_LEVELS, min(_LEVELS, round(score * _LEVELS)))
