"""The second of the two files: a program beside the parameters, so that the folder runs by itself anywhere.

    python run.py parameters.gguf "Once"                                   Python and NumPy, 400 lines to read
    cc -O3 -march=native -pthread run.c -o run -lm                         the same in C, for speed;
    ./run parameters.gguf "Once"      ./run parameters.gguf -i             it holds conversations too

Either is enough. Both take the same options, and give the same text for the same seed.
"""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from twofold.atomic import atomic_write

__all__ = ["RUN_FILE", "write_run_file"]

RUN_FILE, FAST_FILE = "run.py", "run.c"


def write_run_file(folder: str | os.PathLike[str]) -> Path:
    """Put run.py into `folder`, and run.c beside it; returns the path of run.py."""
    for name in (FAST_FILE, RUN_FILE):
        atomic_write(Path(folder) / name, importlib.resources.files("twofold.run").joinpath(name).read_bytes())
    return Path(folder) / RUN_FILE
