"""Write docs/cli.md from the commands themselves: `python docs/generate_cli.py`. A test fails when it is stale."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer

from twofold.cli.main import VERBS, application

PAGE = Path(__file__).with_name("cli.md")
OPENING = """\
# The commands

<!-- written by docs/generate_cli.py from the code; do not edit -->

In a checkout every command is `./twofold VERB …`, which sets up what it needs first; installed from a package it is
`twofold VERB …`. Results go to standard output, progress and messages to standard error. With `--json` the result is
one JSON object. Exit codes: 0 done, 1 failed, 2 a mistake in the input (the message says what to do), 130 stopped by
Ctrl-C. `TWOFOLD_TRACEBACK=1` shows where in the code an error came from.

"""


def page() -> str:
    """The whole page."""
    contents = "".join(f"- [`twofold {name}`](#twofold-{name}): {summary}\n" for name, summary in VERBS.items())
    return OPENING + contents + "".join(_section(name) for name in VERBS)


def _section(name: str) -> str:
    command = typer.main.get_command(application(name)).commands[name]
    shown = [parameter for parameter in command.params if not parameter.hidden]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    usage = " ".join(["twofold", name, *(_metavar(argument) for argument in arguments)])
    rows = "".join(f"| {_label(p)} | {_escape(p.help or '')} | {_default(p)} |\n" for p in shown)
    table = f"\n| | | default |\n|---|---|---|\n{rows}" if rows else ""
    return f"\n## twofold {name}\n\n`{usage}`\n\n{_prose(command.help or '')}\n{table}"


def _prose(text: str) -> str:
    """Help as Markdown: the paragraphs that begin with \\b keep their lines, as code."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        f"```\n{paragraph.removeprefix(chr(8)).strip()}\n```" if paragraph.startswith("\b") else paragraph
        for paragraph in paragraphs
    )


def _metavar(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _label(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_escape(_metavar(parameter))}`"
    return ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.required or default is None or default is False or default == "" or callable(default):
        return ""
    return f"`{_escape(str(default))}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}")
