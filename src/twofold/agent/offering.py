"""Which tools a model is offered: those that are asked for by name, or those that it was taught to call."""

from __future__ import annotations

from twofold.agent.calculator import calculator
from twofold.agent.loop import taught
from twofold.agent.tool import Tool
from twofold.engine.open import Engine
from twofold.errors import ConfigError

__all__ = ["TOOLS", "known", "offered"]

TOOLS = {calculator.name: calculator}


def known(engine: Engine) -> tuple[Tool, ...]:
    """The tools that the model was taught to call, as its file names them; where it does not, its template tells."""
    if engine.chat_template is None:
        return ()
    names = engine.tools if engine.tools is not None else tuple(TOOLS) if taught(engine) else ()
    return tuple(tool for name, tool in TOOLS.items() if name in names)


def offered(names: str, engine: Engine) -> tuple[Tool, ...]:
    """`names` with commas between; "auto" are those that the model was taught, and "none" is none.

    Raises ConfigError for a tool that is not there, and for a model that holds no conversations.
    """
    if names == "auto":
        return known(engine)
    wanted = [] if names == "none" else [name.strip() for name in names.split(",") if name.strip()]
    unknown = next((name for name in wanted if name not in TOOLS), None)
    if unknown is not None:
        raise ConfigError(f"there is no tool {unknown!r:.40}; there are: {', '.join(TOOLS)}")
    if wanted and engine.chat_template is None:
        raise ConfigError("the model has no chat template, so it has no way to call a tool; leave out --tools")
    return tuple(TOOLS[name] for name in dict.fromkeys(wanted))
