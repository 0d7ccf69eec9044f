"""A chat template from a stranger's file, rendered where it can reach nothing and can't go on for ever.

jinja2's immutable sandbox keeps a template from Python's attributes and from changing what it is given. That leaves
time and memory: every round of a loop and every call of a macro counts towards STEPS, everything that is put out (also
into a variable) towards SIZE, and what is made by adding, multiplying or calling stays below that too. The functions
are those that transformers gives templates, the filters those that templates use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from twofold.errors import ConfigError, require

if TYPE_CHECKING:
    import jinja2

__all__ = ["render"]

STEPS = 200_000  # rounds of loops and calls of macros
SIZE = 8_000_000  # characters of a text, items of a list, and the largest number that is given to a function
FILTERS = frozenset({
    "abs", "bool", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby",
    "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse",
    "round", "safe", "select", "selectattr", "sort", "sum", "title", "trim", "unique", "upper",
})  # fmt: skip


def render(template: str, variables: Mapping[str, Any], now: datetime | None = None) -> str:
    """The text. `now` is what strftime_now tells of.

    Raises ConfigError for a template that is wrong, refuses, or does too much; MissingExtra without jinja2.
    """
    library = require("jinja2", "serve", "a chat template")
    def refuse(message: object) -> None:
        raise library.exceptions.TemplateError(str(message)[:500])

    functions = {"raise_exception": refuse, "strftime_now": (now or datetime.now()).strftime, "twofold_meter": _Meter()}
    wrong = (library.exceptions.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
    try:
        return _compiled(template).render({**variables, **functions})
    except wrong as error:
        raise ConfigError(f"the model's chat template does not take this conversation: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise ConfigError("the model's chat template goes on without end; give a model with a sound one") from error


class _Meter:
    """What one rendering has done so far."""

    def __init__(self) -> None:
        self.steps, self.size = 0, 0

    def step(self) -> str:
        self.steps += 1
        if self.steps > STEPS:
            raise ValueError(f"it takes more than {STEPS} steps")
        return ""

    def put(self, value: Any) -> Any:
        text = _text(value)
        self.size += len(text)
        _small(self.size)
        return text


def _small(size: int) -> None:
    if size > SIZE:
        raise ValueError(f"it makes something larger than {SIZE}")


def _text(value: Any) -> str:
    """str(value), unless that is too long: a small value may hold the same list a million times."""
    if isinstance(value, str):
        return value
    left, deeper = SIZE, [value]
    while deeper:
        one = deeper.pop()
        if isinstance(one, Mapping):
            deeper += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            deeper += one
        left -= len(one) + 4 if isinstance(one, str) else 8
        _small(SIZE - left)
    return str(value)


def _measured(value: Any) -> Any:
    if isinstance(value, str | list | tuple | dict | bytes):
        _small(len(value))
    return value


@lru_cache(maxsize=8)
def _compiled(template: str) -> jinja2.Template:
    library = require("jinja2", "serve", "a chat template")
    environment = _environment()
    try:
        return environment.from_string(_metered(environment.parse(template), environment))
    except (library.exceptions.TemplateError, RecursionError, ValueError) as error:
        raise ConfigError(f"the model's chat template is not sound: {error}") from error


def _metered(tree: Any, environment: Any) -> Any:
    """Each round and each macro takes a step; a ~ b becomes the call of a function that measures."""
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    class Metering(NodeTransformer):
        def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
            self.generic_visit(node)
            return nodes.Call(nodes.Name("twofold_joined", "load"), node.nodes, [], None, None, lineno=node.lineno)

    tree = Metering().visit(tree)
    for node in tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
        step = nodes.Getattr(nodes.Name("twofold_meter", "load"), "step", "load")
        node.body.insert(0, nodes.Output([nodes.Call(step, [], [], None, None)], lineno=node.lineno))
    return tree.set_environment(environment)


def _environment() -> Any:
    require("jinja2.ext", "serve", "a chat template")
    from jinja2 import nodes, pass_context
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
    from jinja2.utils import Namespace

    class Generation(Extension):
        """{% generation %} marks what an assistant said, for training; here it is only its body."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "**":
                raise ValueError("it raises to a power, which no chat needs")
            if operator == "*":
                _small(_extent(left) * _extent(right))
            if operator == "%" and isinstance(left, str):
                raise ValueError("it formats with %, which no chat needs")
            return _measured(super().call_binop(context, operator, left, right))

        def call(self, context: Any, function: Any, *given: Any, **named: Any) -> Any:
            owner = getattr(function, "__self__", None)
            for value in (*given, *named.values()):
                _small(_extent(value) if isinstance(value, int | float) else 0)
            if isinstance(owner, str):
                _bounded(getattr(function, "__name__", ""), owner, *given)
            return _measured(super().call(context, function, *given, **named))

    @pass_context
    def put(context: Any, value: Any) -> Any:
        return context["twofold_meter"].put(value)

    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation], finalize=put)
    kept = {name: one for name, one in environment.filters.items() if name in FILTERS}
    kept |= {"tojson": _to_json, "replace": _replace, "indent": _indent, "string": _text, "join": _join}
    environment.filters.clear()
    environment.filters.update(kept)
    environment.globals.clear()
    environment.globals |= {"range": safe_range, "dict": dict, "namespace": Namespace, "twofold_joined": _joined}
    return environment


def _joined(*parts: Any) -> str:
    texts = [_text(part) for part in parts]
    _small(sum(map(len, texts)))
    return "".join(texts)


def _extent(value: Any) -> int:
    return abs(int(value)) if isinstance(value, int | float) else len(value) if hasattr(value, "__len__") else 1


def _bounded(name: str, text: str, *given: Any) -> None:
    """What a method of a text makes is at most the product of what it is given."""
    if name in ("format", "format_map"):
        raise ValueError("it formats, which no chat needs")
    if name in ("replace", "join", "translate"):
        _small((len(text) + 1) * max([_extent(value) for value in given[-1:] if isinstance(value, str)], default=1))


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None,
             sort_keys: bool = False) -> str:  # fmt: skip
    _small((indent or 0) * 1000)
    _text(value)
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _join(values: Any, separator: str = "", attribute: str | None = None) -> str:
    parts = [_text(value[attribute] if attribute else value) for value in values]
    _small(sum(map(len, parts)) + len(parts) * len(separator))
    return separator.join(parts)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    _bounded("replace", str(text), str(new))
    return str(text).replace(old, new, count)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    _small(width * (text.count("\n") + 1) if width >= 0 else 0)
    lines = text.splitlines(keepends=True)
    return "".join(" " * width + line if line.strip() and (i or first) else line for i, line in enumerate(lines))
