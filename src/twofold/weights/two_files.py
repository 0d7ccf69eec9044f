"""The second of the two files: a copy of run.py beside the parameters, so that the folder runs by itself anywhere."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from twofold.atomic import atomic_write

__all__ = ["RUN_FILE", "write_run_file"]

RUN_FILE = "run.py"


def write_run_file(folder: str | os.PathLike[str]) -> Path:
    """Put run.py into `folder`; returns its path."""
    path = Path(folder) / RUN_FILE
    atomic_write(path, importlib.resources.files("twofold.run").joinpath(RUN_FILE).read_bytes())
    return path
