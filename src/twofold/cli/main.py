"""The command line: `twofold VERB …`. It finds the verb's module, calls it, and turns what goes wrong into one message.

A verb is the function of that name in the module of that name in this room (`import` lives in `import_`, since Python
keeps the word for itself). Only the verb that is called is imported, so that help answers at once.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import errno
import importlib
import keyword
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer

from twofold import __version__
from twofold.errors import DiskFull, MissingExtra, TwofoldError, UserError

__all__ = ["VERBS", "application", "load_verb", "main"]

VERBS = {
    "make": "Text in, an assistant in two files out, inside a time budget.",
    "chat": "Talk with a model in the terminal.",
    "complete": "Continue a text with a model.",
    "serve": "Serve models to programs that speak OpenAI's protocol, and a chat page to browsers.",
    "evaluate": "Measure a model: its bits per byte on a text, or its answers to a suite of questions.",
    "count": "Count parameters, FLOPs and memory of a shape or a model.",
    "neuron": "Compute a formula and its gradients, and show the chain rule at work.",
    "circuits": "Look inside a model: its heads, its stream, its embeddings, and how they came to be.",
    "data": "Read, clean, deduplicate and split text.",
    "tokenizer": "Train a tokenizer on prepared text.",
    "pretrain": "Train a model on prepared text.",
    "conversations": "Read, check and write conversations to tune a model on.",
    "finetune": "Teach a model to answer, by conversations.",
    "label": "Write answers and compare a model's, in the browser; see whether people agree.",
    "reward": "Teach a model to say how good an answer is, by comparisons.",
    "prefer": "Teach a model which of two answers people like better, without a reward model between (DPO).",
    "reinforce": "Let a model answer, reward its answers, and make what was rewarded likelier.",
    "export": "Write a model as a Hugging Face folder or a GGUF file.",
    "import": "Bring a Hugging Face folder or a GGUF file in as a model.",
    "digits": "Train a network that reads handwritten digits, and see what it learned.",
    "test": "Check the project: style, types, imports, tests.",
}

EPILOG = "Example: twofold make my-texts/ --minutes 5"


def load_verb(name: str) -> Callable[..., Any]:
    """The function behind a verb; imports its module."""
    python_name = f"{name}_" if keyword.iskeyword(name) else name
    module: ModuleType = importlib.import_module(f"twofold.cli.{python_name}")
    verb: Callable[..., Any] = getattr(module, python_name)
    return verb


def application(verb: str | None = None) -> typer.Typer:
    """The whole command, with `verb` loaded and every other one a stand-in that only knows its summary."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for name, summary in VERBS.items():
        function = load_verb(name) if name == verb else _stand_in
        app.command(name, short_help=summary)(function)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character that the terminal lacks must not end a run
            stream.reconfigure(errors="replace")
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: list[str]) -> int:
    """Run and translate every way to end into an exit code and at most one message on standard error."""
    verb = next((word for word in arguments if not word.startswith("-")), None)
    try:
        command = typer.main.get_command(application(verb if verb in VERBS else None))
        command.main(args=arguments or ["--help"], prog_name="twofold")
        sys.stdout.flush()
    except SystemExit as leaving:
        return _leave(leaving)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        return 130
    except MissingExtra as error:
        return _say(error, f"{error}{_from_a_checkout(str(error))}", error.exit_code)
    except ModuleNotFoundError as error:
        if not error.name or error.name.split(".")[0] == "twofold":
            return _unexpected(error)
        missing = f"this needs the package {error.name.split('.')[0]!r}, which is not installed"
        way_out = "pip install 'twofold[train]'"
        return _say(error, f"{missing}; install it with: {way_out}{_from_a_checkout(way_out)}", 2)
    except TwofoldError as error:
        return _say(error, str(error), error.exit_code)
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            where = f" while writing {error.filename}" if error.filename else ""
            return _say(error, f"the disk is full{where}; make room and run the same command again", DiskFull.exit_code)
        if isinstance(error, PermissionError) and error.filename:
            way_out = "allow it, or name another place"
            return _say(error, f"{error.filename} is closed to you ({error.strerror}); {way_out}", UserError.exit_code)
        return _unexpected(error)
    except MemoryError as error:
        return _say(error, "this needs more memory than the machine has free; try a smaller model or batch", 1)
    except Exception as error:
        return _unexpected(error)
    return 0


def _leave(leaving: SystemExit) -> int:
    if isinstance(leaving.__context__, BrokenPipeError):
        _abandon_stdout()
        return 0
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    return leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1


def _abandon_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _from_a_checkout(message: str) -> str:
    """In a checkout the front door installs extras into its own environment."""
    extra, door = re.search(r"twofold\[(\w+)\]", message), Path(__file__).parents[3] / "twofold"
    return f" (in this checkout: TWOFOLD_EXTRAS={extra[1]} {door} …)" if extra and door.is_file() else ""


def _unexpected(error: Exception) -> int:
    hint = "set TWOFOLD_TRACEBACK=1 for the traceback"
    return _say(error, f"unexpected {type(error).__name__}: {error} ({hint})", 1)


def _say(error: BaseException, message: str, code: int) -> int:
    if os.environ.get("TWOFOLD_TRACEBACK"):
        traceback.print_exception(error)
    print(f"twofold: {message}", file=sys.stderr)
    return code


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"twofold {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """A language model in two files, and the whole craft of making one."""


def _stand_in() -> None:
    """Never called: the verb that is called is loaded first."""
