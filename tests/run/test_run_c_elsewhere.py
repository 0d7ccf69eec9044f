"""run.c for other processors and systems, as far as there are compilers and an emulator for them here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from twofold.weights.parameters import save

from ..weights.models import SHAPES, small_tokenizer, tiny_parameters
from .compiled import SOURCE, build, needs_compiler, run

ARM, WINDOWS = shutil.which("aarch64-linux-gnu-gcc"), shutil.which("x86_64-w64-mingw32-gcc")
EMULATOR = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
pytestmark = [needs_compiler, pytest.mark.slow]


@pytest.fixture(scope="module")
def arm(tmp_path_factory) -> Path:
    if not (ARM and EMULATOR):
        pytest.skip("no compiler for ARM, or no emulator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", ARM)
        target = tmp_path_factory.mktemp("arm") / "run"
        return build(SOURCE, target, "-O2", "-march=armv8.2-a+dotprod", "-static")


@pytest.mark.parametrize("form", ["F32", "F16", "BF16", "Q8_0"])
@pytest.mark.parametrize("name", SHAPES)
def test_an_arm_build_writes_what_is_written_here(name, form, arm, tmp_path):
    one, path = tiny_parameters(name, small_tokenizer()), tmp_path / "p.gguf"
    save(path, one.config, one.state, one.tokenizer, dtype=form)
    arguments = [str(path), "hello the 1984", "-n", "40", "--temperature", "0", "-t", "2", "-v"]
    there = subprocess.run([str(EMULATOR), str(arm), *arguments], capture_output=True, encoding="utf-8", timeout=120)
    assert "neon-dot" in there.stderr
    assert there.stdout == run(*arguments).stdout


@pytest.mark.skipif(WINDOWS is None, reason="no compiler for Windows")
def test_it_compiles_for_windows_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", str(WINDOWS))
    assert build(SOURCE, tmp_path / "run.exe", "-O2", "-mavx2", "-mfma", "-mf16c").stat().st_size
