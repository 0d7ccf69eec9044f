"""Putting a page together: what comes from outside is escaped, once and everywhere, since only a tag makes Html.

    tag("p", "5 < 6", class_="note")     <p class="note">5 &lt; 6</p>
"""

from __future__ import annotations

import ast
import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

__all__ = [
    "Html", "bar", "cell", "code", "figure", "group", "join", "json_block", "note", "page", "part", "plot", "row",
    "section", "table", "tag",
]

_EMPTY = {"br", "img", "input"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element; children that are no Html are text. `class_` is class, `data_x` data-x, None and False nothing."""
    inside = ""
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        named = key.rstrip("_").replace("_", "-")
        inside += f" {named}" if value is True else f' {named}="{html.escape(str(value))}"'
    content = join(children)
    return Html(f"<{name}{inside}>" if name in _EMPTY else f"<{name}{inside}>{content}</{name}>")


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Parts one after the other; None is nothing."""
    return Html(html.escape(between).join(
        part if isinstance(part, Html) else html.escape(str(part)) for part in parts if part is not None))


def json_block(value: Any) -> Html:
    """JSON that may stand inside a script element: no sign in it can end the element or open a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Html(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def code(*places: str) -> Html:
    """The source of functions of this package, each named as "train/schedule.py:Schedule.scale", for people to read."""
    return join(tag("pre", tag("code", _source(place)), tabindex=0, aria_label=place) for place in places)


def _source(place: str) -> str:
    """Read from the file, so that nothing heavy is imported to show it."""
    path, _, name = place.partition(":")
    text = (files("twofold") / path).read_text(encoding="utf-8")
    node: Any = ast.parse(text)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    indent = len(lines[0]) - len(lines[0].lstrip())
    return f"# twofold/{path}\n" + "\n".join(line[indent:] for line in lines)


def section(name: str, **parts: Html) -> Html:
    """A piece that several reports have: page/NAME.html with its places filled."""
    return Html(Template(_file(f"{name}.html")).substitute(parts))


def page(
    name: str, parts: Mapping[str, Html], *, title: Any, heading: Any, data: Any, script_name: str | None = None
) -> str:
    """The report `name`: page/NAME.html with its places filled, in the frame that all reports have.

    NAME.js is its script, unless another is named, and draws `data`; digits.css only the digits' report needs.
    """
    style = _file("page.css") + (_file("digits.css") if name == "digits" else "")
    script = _file("plot.js") + _file("common.js") + _file(f"{script_name or name}.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(_file("frame.html")).substitute(
        title=join([title]), heading=join([heading]), style=style, script=script, data=json_block(data),
        script_hash=f"'sha256-{digest}'", content=Template(_file(f"{name}.html")).substitute(parts),
    )  # fmt: skip


def _file(name: str) -> str:
    return (files("twofold.make") / "page" / name).read_text(encoding="utf-8")


def note(text: str) -> Html:
    return tag("p", text, class_="note measure")


def figure(body: Any, caption: Any, **attributes: Any) -> Html:
    """A figure with its caption, and a button that copies what it shows."""
    button = tag("button", "Copy as CSV", type="button", data_copy="rows")
    return tag("figure", tag("div", body), tag("figcaption", caption, button), **attributes)


def plot(name: str, label: str, height: int, caption: str, *above: Html) -> Html:
    """The frame of a plot, which the page's script fills."""
    svg = tag("svg", class_="plot", data_height=height, height=height, role="slider", tabindex=0, aria_valuemin=0,
              aria_valuemax=0, aria_valuenow=0, aria_label=f"{label}; the arrow keys read its values")
    reading = tag("p", class_="reading", aria_hidden="true")
    return figure(join([*above, tag("div", svg), reading]), caption, data_plot=name)


def table(heads: Sequence[str | tuple[str, str]], *bodies: Html) -> Html:
    """Column heads, each with the longer name it is copied under where there is one, over one or more bodies."""
    named = [head if isinstance(head, tuple) else (head, head) for head in heads]
    cells = [tag("th", shown, data_value=copied) for shown, copied in named]
    return tag("table", tag("thead", tag("tr", *cells)), *bodies)


def group(title: Any, columns: int, rows: Iterable[Html]) -> Html:
    """A body of a table under a title of its own."""
    head = tag("tr", tag("th", title, colspan=columns, scope="rowgroup"), class_="head")
    return tag("tbody", head, *rows, class_="group")


def row(name: str, *cells: Html, about: str = "", within: str | None = None, total: bool = False) -> Html:
    """A row under its name, with a word about it; `within` names the group that it is copied with."""
    aside = tag("span", about, class_="why") if about else None
    return tag("tr", tag("th", name, aside, scope="row", data_value=name), *cells,
               data_group=within, class_="total" if total else None)


def cell(value: Any, text: str = "", **attributes: Any) -> Html:
    """A table's cell; `text` shows the value, and the value itself is what is copied."""
    return tag("td", "–" if value is None else text or value, data_value="" if value is None else value, **attributes)


def bar(columns: int, *parts: Html | None) -> Html:
    """The row under a row: a track with its parts on it."""
    return tag("tr", tag("td", tag("span", *parts, class_="track"), colspan=columns), class_="bar", aria_hidden="true")


def part(to: float, start: float = 0.0, *, colour: str = "", faint: bool = False, bracket: bool = False) -> Html:
    """A stretch of a bar from `start` to `to`, shares of the whole; as a bracket, its two ends only."""
    style = f"--from:{start:.4f};--to:{max(0.0, min(1.0, to)):.4f}" + (f";--colour:{colour}" if colour else "")
    return tag("span", class_="range" if bracket else "faint" if faint else None, style=style)
