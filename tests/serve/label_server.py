"""`twofold label` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .conftest import CODE, Running

PAIRS = [
    {"prompt": "Capital of Benin?", "answers": ["Porto-Novo.", "Cotonou **of course**."]},
    {"prompt": "Two and two?", "answers": ["Four.", "Five."]},
    {"prompt": "Who are you?"},
]


def write(path: Path, records: list) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


@contextlib.contextmanager
def labelling(folder: Path, *arguments: str, **environment: str) -> Iterator[Running]:
    command = [sys.executable, "-c", CODE, "label", *arguments, "--port", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with (folder / "log.txt").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            told = ""
            while not told.rstrip().endswith("}"):
                line = process.stdout.readline()
                assert line, (folder / "log.txt").read_text()
                told += line
            yield Running(json.loads(told)["url"], process, folder)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.stdout.close()
