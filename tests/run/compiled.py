"""run.c as a program, for tests that use it as a person does."""

from __future__ import annotations

import importlib.resources
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from twofold.engine.native_build import compiler

__all__ = ["SOURCE", "build", "needs_compiler", "program", "run"]

SOURCE = Path(str(importlib.resources.files("twofold.run").joinpath("run.c")))
needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")


def build(source: Path, to: Path, *flags: str) -> Path:
    """Compile with every warning an error."""
    command = [*(compiler() or ()), "-std=c11", "-Wall", "-Wextra", "-Werror", "-pthread", *flags, str(source), "-o"]
    done = subprocess.run([*command, str(to), "-lm"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return to


@cache
def program() -> Path:
    return build(SOURCE, Path(mkdtemp(prefix="twofold-run-")) / "run", "-O2", "-march=native")


def run(*arguments: object, said: str = "") -> subprocess.CompletedProcess[str]:
    """The program with these arguments, and `said` on its standard input."""
    command = [str(program()), *map(str, arguments)]
    return subprocess.run(command, input=said, capture_output=True, encoding="utf-8", timeout=120)
