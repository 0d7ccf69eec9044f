"""The graph behind a Value as a picture: each node with its operation, number and gradient, from left to right.

    from twofold.neuron import Value, draw
    draw((Value(2.0, "a") * Value(-3.0, "b")).tanh())      a notebook shows it; `draw(…).save("graph.svg")` writes it

SVG, light and dark, made here: no other program is needed. The line over an edge is the slope that the chain rule
multiplies by on its way back.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from twofold.atomic import atomic_write
from twofold.errors import UserError
from twofold.neuron.layout import Layout, arrange
from twofold.neuron.trace import names, short, written
from twofold.neuron.value import Value, topological

__all__ = ["STYLE", "Drawing", "draw", "opening"]

LARGEST = 400  # nodes; more than that nobody reads

_BOX, _NUMBER = (118, 58), (54, 26)
_COLUMN, _GAP, _MARGIN = 182, 16, 14
_SIGNS = {"*": "×", "-": "−", "/": "÷", "neg": "−x", "**": "x^c", "sigmoid": "σ", "log": "ln"}

STYLE = """
.twofold { color-scheme: light dark; max-width: 100%; height: auto; --paper: #fdfcfa; --ink: #1c1b19;
  --quiet: #5d5a54; --line: #dcd8d0; --faint: #f3f0ea; --accent: #1d5fa8; font-variant-numeric: tabular-nums;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  .twofold { --paper: #171614; --ink: #e8e5df; --quiet: #a8a49b; --line: #3a3833;
    --faint: #211f1c; --accent: #8fbcf2; } }
.twofold .paper { fill: var(--paper); }
.twofold text { fill: var(--ink); text-anchor: middle; }
"""

_STYLE = (
    STYLE
    + """.twofold .box { fill: var(--faint); }
.twofold .output .box { stroke: var(--accent); stroke-width: 1.5; }
.twofold .name { font-weight: 650; }
.twofold .sign, .twofold .quiet { fill: var(--quiet); }
.twofold .gradient { fill: var(--accent); }
.twofold .edge { fill: none; stroke: var(--line); stroke-width: 1.5; }
.twofold .slope { font-size: 11px; fill: var(--quiet); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
"""
)


class Drawing(str):
    """An SVG. A notebook shows it as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def save(self, path: str | Path) -> None:
        """Write it to a file. Raises UserError when that cannot be."""
        path = Path(path)
        if path.is_dir():
            raise UserError(f"{path} is a folder; name a file in it, such as {path / 'graph.svg'}")
        atomic_write(path, str(self))


def draw(output: Value) -> Drawing:
    """The graph that made `output`. Before `output.backward()` every gradient is 0.

    Raises UserError for more than LARGEST nodes.
    """
    order = topological(output)
    if len(order) > LARGEST:
        raise UserError(
            f"this graph has {len(order):,} nodes, and a picture of more than {LARGEST} cannot be read; "
            f"draw a part of it, such as one neuron"
        )
    called = names(order)
    number = {id(node): i for i, node in enumerate(order)}
    operands = [[number[id(operand)] for operand in node.operands] for node in order]
    layout = arrange(operands, [_size(node)[1] for node in order], _GAP)
    width, height = (layout.columns - 1) * _COLUMN + _BOX[0] + 2 * _MARGIN, layout.height + 2 * _MARGIN
    count = sum(bool(node.operands) for node in order)
    said = f"{called[id(output)]} = {short(output.data)}, computed in {count} operations"
    parts = [opening(width, height, said, _STYLE)]
    parts += [_edge(layout, order, j, i, called) for i, node in enumerate(operands) for j in dict.fromkeys(node)]
    parts += [_node(layout, node, i, called, node is output) for i, node in enumerate(order)]
    return Drawing("\n".join([*parts, "</svg>\n"]))


def opening(width: float, height: float, title: str, style: str) -> str:
    """The head of an SVG on the page's colour; `title` is what a screen reader says of it.

    The rules of `style` begin with .twofold, so that they bind nothing else where a page holds the SVG itself.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" class="twofold" role="img"><title>{escape(title)}</title><style>{style}</style>'
        f'<rect class="paper" width="100%" height="100%"/>'
    )


def _size(node: Value) -> tuple[int, int]:
    return _NUMBER if node.operation == "number" and not node.label else _BOX


def _at(place: tuple[int, float]) -> tuple[float, float]:
    return _MARGIN + _BOX[0] / 2 + place[0] * _COLUMN, _MARGIN + place[1]


def _node(layout: Layout, node: Value, i: int, called: dict[int, str], output: bool) -> str:
    x, y = _at(layout.places[i])
    wide, tall = _size(node)
    box = f'<rect class="box" x="{x - wide / 2:.1f}" y="{y - tall / 2:.1f}" width="{wide}" height="{tall}" rx="6"/>'
    if (wide, tall) == _NUMBER:
        return f'<g>{box}<text class="quiet" x="{x:.1f}" y="{y + 4.5:.1f}">{_fit(node.data)}</text></g>'
    name = called[id(node)]
    formula = f"{name} = {written(node, called)}" if node.operands else name
    title = f"{formula}: {short(node.data)}, gradient {short(node.grad)}"
    shown = _SIGNS.get(node.operation, node.operation) if node.operands else ""
    if node.operation == "**" and len(node.slopes) == 1:
        shown = f"x^{short(node.operands[1].data)}"
    label = f'<tspan class="name">{escape(_cut(node.label))}</tspan>' if node.label else ""
    gap = ' dx="6"' if label else ""
    sign = f'<tspan class="sign"{gap}>{escape(shown)}</tspan>' if shown else ""
    kind = ' class="output"' if output else ""
    return (
        f'<g{kind}><title>{escape(title)}</title>{box}'
        f'<text x="{x:.1f}" y="{y - 13:.1f}">{label}{sign}</text>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}">{_fit(node.data)}</text>'
        f'<text class="gradient" x="{x:.1f}" y="{y + 21:.1f}">grad {_fit(node.grad)}</text></g>'
    )


def _edge(layout: Layout, order: list[Value], j: int, i: int, called: dict[int, str]) -> str:
    """A curve from operand j through its bends to node i, and where there is a slope, its number near the end."""
    node = order[i]
    points = [_at(place) for place in (layout.places[j], *layout.edges[j, i], layout.places[i])]
    points[0] = (points[0][0] + _size(order[j])[0] / 2, points[0][1])
    points[-1] = (points[-1][0] - _BOX[0] / 2, points[-1][1])
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x1, y1), (x2, y2) in zip(points[:-1], points[1:], strict=True):
        middle = (x1 + x2) / 2
        path += f"C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    slopes = [s for operand, s in zip(node.operands, node.slopes, strict=False) if operand is order[j]]
    if not slopes or order[j].operation == "number":
        return f'<path class="edge" d="{path}"/>'
    (x1, y1), (x2, y2) = points[-2:]
    title = f"∂{called[id(node)]}/∂{called[id(order[j])]} = {short(sum(slopes))}"
    return (
        f'<g><title>{escape(title)}</title><path class="edge" d="{path}"/>'
        f'<text class="slope" x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 + 4:.1f}">{_fit(sum(slopes))}</text></g>'
    )


def _fit(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")


def _cut(label: str) -> str:
    return label if len(label) <= 8 else f"{label[:7]}…"
