"""Whether a JSON value is what a JSON schema asks for, as far as tools' arguments go.

Known: type, enum, properties, required, additionalProperties: false, items, maxLength. Other words are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["problems"]

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "number": (int, float), "integer": (int,), "boolean": (bool,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip


def problems(value: Any, schema: Mapping[str, Any], place: str = "arguments") -> Iterator[str]:
    """What is wrong, in words, the outermost first; nothing where the value fits."""
    kind = schema.get("type")
    if kind in TYPES and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{place} should be of type {kind}, not {value!r:.40}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} should be one of {', '.join(map(repr, schema['enum']))}, not {value!r:.40}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{place} has {len(value)} characters; at most {schema['maxLength']} are taken"
    if isinstance(value, list):
        for i, one in enumerate(value):
            yield from problems(one, schema.get("items", {}), f"{place}[{i}]")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{place} lacks {name!r}"
        for name, one in value.items():
            if name in known:
                yield from problems(one, known[name], f"{place}.{name}")
            elif schema.get("additionalProperties") is False:
                yield f"{place} has no {name!r:.40}; there are {', '.join(known) or 'none'}"
