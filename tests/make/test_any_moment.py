"""A run may be killed before a file is put in its place, and the disk may fill at any write: it goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = r"""
import errno, json, os, signal, sys
from pathlib import Path
from twofold.errors import UserError
from twofold.make import stage, story
from twofold.make.observer import Silent
from twofold.make.planning import Wishes
from twofold.make.recipe import MachineSettings
from twofold.train.machine import Machine

how, text, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
quick = Machine("cpu", 1, "float32", {"float32": 1e11}, False, "one that takes no time to measure")
story.measure = stage.measure = lambda *_: quick
settings = MachineSettings("cpu", "float32", 1, False, 0.0)
wishes = Wishes((text,), conversations=(text + ".tsv",), machine=settings, choices={
    "tokenizer.vocab_size": 300, "model.n_layers": 1, "model.d_model": 32, "model.n_heads": 1, "train.context": 48,
    "train.batch": 2, "train.bigram_steps": 2, "train.schedule.steps": 11})
seen, ends = Path(sys.argv[4]), []  # every place fails once
seen.touch()

def hook(event, arguments):
    writes = event == "os.mkdir" or (event == "open" and (arguments[1] or "r")[0] in "wa")
    counts = event == "os.rename" if how == "kill" else writes
    place = str(arguments[0]) if counts else ""
    if str(out) + os.sep not in place or place in (known := seen.read_text().split("\n")):
        return
    seen.write_text("\n".join([*known, place]))
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(errno.ENOSPC, "No space left on device", place)

if how != "whole":
    sys.addaudithook(hook)
for _ in range(200):
    child = os.fork()
    if not child:
        try:
            story.make(wishes, out, Silent())
            os._exit(0)
        except UserError as error:
            print(type(error).__name__, error, file=sys.stderr)
            os._exit(2)
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr)
            os._exit(1)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    half = [] if how == "kill" else [str(path) for path in out.rglob(".*")]
    wrong = [str(path) for path in out.rglob("*.json") if not json.loads(path.read_text())]
    if ends[-1] == 0 or half or wrong:
        break
print(json.dumps({"ends": ends, "half": half, "wrong": wrong}))
"""


def drive(how: str, text: Path, out: Path) -> tuple[dict, str]:
    ran = subprocess.run([sys.executable, "-c", DRIVER, how, str(text), str(out), f"{out}.seen"], capture_output=True,
                         text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), ran.stderr


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    for i in range(30):
        (folder / f"{i:02d}.txt").write_text(" ".join(f"word {i * j % 97} and then" for j in range(60)) + ".\n")
    lines = (f"and {i}\t{i} then" for i in range(40))
    Path(f"{folder}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert drive("whole", text, out)[0]["ends"] == [0]
    return out


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
@pytest.mark.parametrize(("how", "end"), [("kill", -9), ("full", 2)])
def test_whatever_happens_the_same_command_goes_on_to_the_same_parameters(text, whole, tmp_path, how, end):
    out = tmp_path / "run"
    found, said = drive(how, text, out)
    assert found["ends"][-1] == 0 and set(found["ends"][:-1]) == {end} and len(found["ends"]) > 10, (found, said)
    assert found["half"] == [] and found["wrong"] == []
    assert all(line.startswith("DiskFull no room left to write") for line in said.splitlines()), said
    for name in ("base.gguf", "parameters.gguf"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not [path for path in out.rglob(".*")]
