"""What each choice is worth: the same budget with one thing changed at a time, on the built-in almanac.

    python benchmarks/ablation.py [--minutes 2] [--seeds 1] [--only NAME …]

Each line is a whole `twofold make`: held-out bits per byte of sotu and factbook, all of the held-out text, at context
256. The first line is the plan's own choice; its runs at several seeds say how much is noise. Text, tokenizers and
tokens are shared, so only training is timed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

CHANGES = {
    "the plan": [],
    "no bigram start": ["--set", "train.bigram_steps=0", "--set", "train.optimiser.embedding_lr=0.3"],
    "no heads that look back": ["--set", "train.look_back=false"],
    "Muon on whole matrices": ["--set", "train.optimiser.block=0"],
    "AdamW for all": ["--set", "train.optimiser.kind=adamw", "--set", "train.optimiser.lr=0.004"],
    "vocabulary 2048": ["--vocab", "2048"],
    "vocabulary 8192": ["--vocab", "8192"],
    "deeper, narrower": ["--layers", "8", "--width", "192"],
    "shallower, wider": ["--layers", "3", "--width", "320"],
    "half the batch": ["--batch", "4"],
    "twice the batch": ["--batch", "16"],
    "cooldown over all": ["--set", "train.schedule.cooldown=1.0"],
    "cooldown over a fifth": ["--set", "train.schedule.cooldown=0.2"],
    "ReLU², no gate": ["--set", "model.mlp=relu2"],
    "no QK-norm": ["--set", "model.qk_norm=false"],
    "tied head": ["--set", "model.tied=true"],
    "float32": ["--dtype", "float32"],
    "not compiled": ["--no-compile"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=1, help="runs of the first line")
    parser.add_argument("--only", nargs="*", help="names of lines")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    args = parser.parse_args()
    print(f"{'change':24} {'sotu':>7} {'factbook':>9} {'tokens':>10} {'tok/s':>7} {'parameters':>11}", flush=True)
    for name, options in CHANGES.items():
        if args.only and name not in args.only:
            continue
        for seed in range(args.seeds if name == "the plan" else 1):
            folder = args.out / f"{args.minutes:g}min-{name.replace(' ', '-').replace(',', '')}-{seed}"
            results = folder / "results.json"
            if not results.exists():
                subprocess.run([sys.executable, "-m", "twofold", "make", "--minutes", str(args.minutes), "--out",
                                str(folder), "--seed", str(seed), "--json", *options], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
            found = json.loads(results.read_text())
            bits = {source: one["bits_per_byte"] for source, one in found["evaluation"].items()}
            print(f"{name:24} {bits['sotu']:7.3f} {bits['factbook']:9.3f} {found['tokens']:10,} "
                  f"{found['speed']['tokens_per_second']:7.0f} {found['parameters']:11,}", flush=True)


if __name__ == "__main__":
    main()
