"""`twofold test`: the gate of the project, from the quickest check to the longest, with pytest's summary last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import twofold
from twofold.cli.output import duration
from twofold.errors import UserError, require

__all__ = ["test"]

MOST_WORKERS = 8


def test(
    pytest_arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[PYTEST]...", help="Arguments for pytest, after `--`.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Style and the quick tests, in about a minute.")] = False,
) -> None:
    """Check the project: style, types, imports, tests.

    \b
    twofold test --quick
    twofold test -- -k rotary
    """
    root = Path(twofold.__file__).parents[2]
    if not (root / "tests").is_dir():
        raise UserError(f"there are no tests in {root}: `twofold test` checks a checkout, so run ./twofold test in one")
    require("pytest", "dev", "twofold test")
    checks = {"style": [sys.executable, "-m", "ruff", "check", "--output-format=concise", "."]}
    if not quick:
        checks["types"] = [sys.executable, "-m", "mypy"]
        checks["imports"] = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    passed = [_check(name, command, root) for name, command in checks.items()]
    passed.append(_pytest(root, quick, pytest_arguments or []))
    raise typer.Exit(0 if all(passed) else 1)


def _check(name: str, command: list[str], root: Path) -> bool:
    """Run quietly; show what the tool said only when it found something."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8", errors="replace")
    verdict = "ok" if done.returncode == 0 else "FAILED"
    print(f"{name:<8} {verdict:<7} {duration(time.perf_counter() - started):>8}", file=sys.stderr, flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr, flush=True)
    return done.returncode == 0


def _pytest(root: Path, quick: bool, arguments: list[str]) -> bool:
    """One worker a core and one thread a worker: small tensors gain nothing from threads."""
    workers = min(os.cpu_count() or 1, MOST_WORKERS)
    command = [sys.executable, "-m", "pytest", "-q", *(["-m", "not slow", "--first-cases"] if quick else [])]
    if workers > 1 and not arguments:
        command += ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], cwd=root, env=environment).returncode == 0
