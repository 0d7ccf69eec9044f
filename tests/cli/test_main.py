"""Every way to end is an exit code and at most one message, on standard error."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import types

import pytest
import typer

from twofold.cli import main as command
from twofold.cli.output import duration, number, print_json, size
from twofold.errors import DiskFull, MissingExtra, TwofoldError, UserError

HEAVY = ("torch", "numpy", "rich", "tokenizers", "transformers", "pandas", "pyarrow")


@pytest.fixture
def verb(monkeypatch):
    """Make `twofold fake` do something."""

    def install(action):
        module = types.ModuleType("twofold.cli.fake")

        def fake() -> None:
            action()

        module.fake = fake
        monkeypatch.setitem(sys.modules, "twofold.cli.fake", module)
        monkeypatch.setattr(command, "VERBS", {"fake": "Do something."})

    return install


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        command.main(list(arguments))
    return leaving.value.code


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("no such thing; do that"), 2, "twofold: no such thing; do that\n"),
        (TwofoldError("it broke"), 1, "twofold: it broke\n"),
        (DiskFull("no room"), 2, "twofold: no room\n"),
        (OSError(errno.ENOSPC, "No space left on device", "out.bin"), 2, "the disk is full while writing out.bin"),
        (MemoryError(), 1, "memory"),
        (KeyError("x"), 1, "unexpected KeyError: 'x' (set TWOFOLD_TRACEBACK=1 for the traceback)"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, "needs the package 'torch'"),
        (ModuleNotFoundError("No module named 'twofold.x'", name="twofold.x"), 1, "unexpected"),
        (MissingExtra("install it with: pip install 'twofold[smollm2]'"), 2, "TWOFOLD_EXTRAS="),
        (PermissionError(13, "Permission denied", "a"), 2, "a is closed to you (Permission denied)"),
        (PermissionError(13, "Permission denied"), 1, "unexpected PermissionError"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (typer.Exit(7), 7, ""),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(verb, capfd, error, code, says):
    verb(raising(error))
    assert run("fake") == code
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == (1 if says else 0)


def test_a_traceback_is_shown_to_who_asks(verb, capsys, monkeypatch):
    monkeypatch.setenv("TWOFOLD_TRACEBACK", "1")
    verb(raising(UserError("wrong")))
    assert run("fake") == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.endswith("twofold: wrong\n")


@pytest.mark.parametrize("arguments", [["nosuch"], ["fake", "--nosuch"], ["fake", "extra"], ["--nosuch"]])
def test_a_mistyped_command_is_the_users_mistake(verb, capsys, arguments):
    verb(lambda: None)
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Usage: twofold" in err


def test_a_verb_that_is_nearly_right_is_suggested(capsys):
    assert run("cuont") == 2
    assert "count" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb_on_standard_output(capsys, arguments):
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    assert err == "" and all(f"  {name} " in out for name in command.VERBS)


def test_the_version_is_the_packages(capsys):
    from importlib.metadata import version

    assert run("--version") == 0
    assert capsys.readouterr().out == f"twofold {version('twofold')}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in command.VERBS)])
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys; from twofold.cli.main import main\n"
        f"try: main({arguments!r})\n"
        f"finally: print('loaded', [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "loaded []\n"


def test_a_reader_that_stops_early_is_no_error():
    """As in `twofold --help | head -0`."""
    program = "from twofold.cli.main import main; main(['--help'])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_json_is_one_object_that_any_reader_takes(capsys):
    import numpy as np

    print_json({"a": float("nan"), "b": np.float32(0.5), "c": np.arange(3), "d": "é", "e": (1, None, True), 3: np.inf})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": None, "b": 0.5, "c": [0, 1, 2], "d": "é", "e": [1, None, True], "3": None}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(999.6), "1.00 kB"),
        (size(93_240_000), "93.2 MB"),
        (size(2.18e12), "2.18 TB"),
        (number(999), "999"),
        (number(16_384), "16.4k"),
        (number(999_999), "1.00M"),
        (number(175_181_291_520), "175B"),
        (duration(0.314), "0.31 s"),
        (duration(59.6), "1 min 00 s"),
        (duration(245), "4 min 05 s"),
        (duration(7620), "2 h 07 min"),
        (duration(276_480), "3 d 04 h"),
    ],
)
def test_numbers_are_shown_with_three_figures_and_their_unit(shown, expected):
    assert shown == expected
