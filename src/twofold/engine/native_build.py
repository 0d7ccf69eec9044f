"""run.c made into a library that Python can call: compiled on first use, kept in the user's cache.

    library()     the path of the compiled file, or None where there is no C compiler
    missing()     then: one line that says what is lost, and what to do

The name of the compiled file says what it was made from: the source, the flags, the compiler and the processor. It is
built in a folder of its own and renamed into place, so that any number of processes may do so at the same time.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.resources
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from twofold.weights.locate import downloads

__all__ = ["SOURCE", "cache_folder", "compiler", "library", "missing"]

SOURCE = "run.c"
FLAGS = ("-std=c11", "-O3", "-pthread", "-shared", "-static" if os.name == "nt" else "-fPIC")  # there: no other DLLs
TUNING = (("-march=native",), ("-mcpu=native",), ())  # the first that the compiler takes
PATIENCE = 600  # seconds that compiling may take on a machine that is busy

_why_not: list[str] = []


def cache_folder() -> Path:
    """Where compiled files are kept: beside the downloaded models."""
    return downloads().with_name("native")


def compiler() -> list[str] | None:
    """The command of a C compiler: $CC, or the first of cc, gcc and clang that there is."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in (named, ["cc"], ["gcc"], ["clang"]):
        if command and (found := shutil.which(command[0])):
            return [found, *command[1:]]
    return None


def library(tell: Callable[[str], object] | None = None) -> Path | None:
    """The compiled file; made now if it has to be, which takes some seconds and is announced to `tell`."""
    _why_not.clear()
    with importlib.resources.as_file(importlib.resources.files("twofold.run")) as home:
        return _library(Path(home) / SOURCE, tell)


def missing() -> str | None:
    """Why the last `library` was None, in one line."""
    return _why_not[0] if _why_not else None


def _library(source: Path, tell: Callable[[str], object] | None) -> Path | None:
    folder, command = cache_folder(), compiler()
    of_source = _digest(source.read_bytes(), *FLAGS, _processor())
    suffix = ".dll" if os.name == "nt" else ".so"
    if command is None:
        made = sorted(folder.glob(f"run-{of_source}-*{suffix}"))
        return made[0] if made else _without("there is no C compiler (looked for $CC, cc, gcc and clang)")
    program = Path(command[0]).resolve()
    about = program.stat()
    target = folder / f"run-{of_source}-{_digest(*command, str(program), about.st_size, about.st_mtime_ns)}{suffix}"
    if target.is_file():
        return target
    if tell:
        tell(f"compiling {SOURCE} for this machine, once")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".compiling-", dir=folder))
    except OSError:  # nowhere to keep it: for this process only
        folder = Path(tempfile.mkdtemp(prefix="twofold-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _compile(command, source, folder, folder / target.name)
    try:
        return _compile(command, source, workshop, target)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _compile(command: list[str], source: Path, workshop: Path, target: Path) -> Path | None:
    said = ""
    for tuning in TUNING:
        line = [*command, *FLAGS, *tuning, str(source), "-o", str(workshop / "made"), "-lm"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            return _without(f"{command[0]} did not compile {SOURCE} ({error})")
        if done.returncode == 0:
            os.replace(workshop / "made", target)
            return target
        said = said or next((each for each in done.stderr.splitlines() if "error" in each), done.stderr.strip())
    return _without(f"{command[0]} did not compile {SOURCE} ({said:.200})")


def _without(reason: str) -> Path | None:
    """None, with a reason that `missing` can give."""
    _why_not.append(
        f"{reason}, so models run on NumPy or torch, several times slower and without the smaller forms of weights; "
        "with a C compiler installed (Debian: apt install gcc; macOS: xcode-select --install) they run on run.c"
    )
    return None


def _processor() -> str:
    """What -march=native depends on."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        wanted = ("model name", "flags", "Features", "CPU part", "isa")
        return platform.machine() + "".join(sorted({line for line in lines if line.startswith(wanted)}))
    return f"{platform.machine()} {platform.processor()}"


def _digest(*parts: bytes | str | int) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part if isinstance(part, bytes) else str(part).encode())
        whole.update(b"\0")
    return whole.hexdigest()[:16]
