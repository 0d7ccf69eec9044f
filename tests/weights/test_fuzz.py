"""Damaged and hostile files: a named refusal or a usable model, nothing else, in bounded time and memory.

A fixed budget of random damage from a fixed seed. `benchmarks/fuzz.py` does the same for as long as one likes.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .mutations import damaged, targets

pytestmark = pytest.mark.slow
BUDGET = 400  # files of each of the ten kinds
SLOWEST = 10.0  # seconds of the processor for one file; the slowest seen take a twentieth of one
ROOM = 400 << 20  # bytes of address space beyond what the imports take; the files have under 1 MB
KINDS = ["gguf", "gguf for run.py", *(f"{family}-{file}" for family in ("llama", "gpt2")
         for file in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"))]  # fmt: skip


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return {target.name: target for target in targets(tmp_path_factory.mktemp("fuzz"))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_by_name_or_gives_a_usable_model(kinds, kind):
    target, refused = kinds[kind], 0
    for seed in target.seeds:
        assert target.attempt(seed)
    for number, content in enumerate(itertools.islice(damaged(target, random.Random(kind)), BUDGET)):
        start = time.process_time()
        try:
            refused += not target.attempt(content)
        except BaseException as error:  # a panic of a compiled library is not an Exception
            pytest.fail(f"file {number} of {kind} raised {type(error).__name__}: {error!s:.300}")
        assert time.process_time() - start < SLOWEST, f"file {number} of {kind} took too long"
    assert refused > BUDGET / 4  # the damage is damage


def test_hostile_files_are_opened_in_little_memory(tmp_path):
    pytest.importorskip("resource")
    root = Path(__file__).parents[2]
    script = f"""
import itertools, pathlib, random, resource, sys
sys.path.insert(0, {str(root)!r})
from tests.weights.mutations import damaged, targets
kinds = targets(pathlib.Path({str(tmp_path)!r}))
size = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + {ROOM}, size + {ROOM}))
for target in kinds:
    for content in itertools.islice(damaged(target, random.Random("memory")), 60):
        target.attempt(content)
print("done")
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much address space a process has")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr[-2000:]
