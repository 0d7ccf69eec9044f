"""What several benchmarks begin with: the almanac's text and a tokenizer, made once in a folder, and runs on them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["call", "pretrained", "shape"]


def call(*words: object) -> None:
    """A twofold command, without what it says."""
    subprocess.run([sys.executable, "-m", "twofold", *map(str, words)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip


def pretrained(out: Path, name: str, vocabulary: int, *options: object) -> dict[str, Any]:
    """The results of a run in out/name, which is not done again when it is there."""
    text, tokenizer, folder = out / "text", out / f"tokenizer-{vocabulary}", out / name
    if not (folder / "results.json").exists():
        if not text.exists():
            call("data", "almanac", "--out", text)
        if not tokenizer.exists():
            call("tokenizer", text, "--vocab", vocabulary, "--out", tokenizer)
        call("pretrain", text, "--tokenizer", tokenizer / "tokenizer.json", "--out", folder, *options)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


def shape(layers: int, width: int, batch: int = 8) -> list[str]:
    choices = {"model.n_layers": layers, "model.d_model": width, "model.n_heads": width // 64, "train.batch": batch}
    return [word for place, value in choices.items() for word in ("--set", f"{place}={value}")]
