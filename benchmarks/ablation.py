"""What each choice is worth: one thing changed at a time, on the built-in almanac.

    python benchmarks/ablation.py [--tokens 0.8 | --minutes 2] [--seeds 2] [--only NAME …]

Each line is a run from prepared text to its end: held-out bits per byte of sotu and factbook, all of the held-out text,
at context 256. The first line is what the plan chooses for five minutes; its runs at several seeds say how much is
noise. With the same millions of tokens each, figures do not depend on what else the machine does, and the speed of a
choice is left to be weighed against it; with the same minutes each, on a machine that does nothing else, it is in them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from prepared import pretrained, shape

USUAL = (8192, shape(2, 192))  # vocabulary, and the rest
CHANGES = {
    "the plan": USUAL,
    "no shortlist": (8192, [*shape(2, 192), "--set", "train.shortlist.drawn=0"]),
    "no bigram start": (8192, [*shape(2, 192), "--set", "train.bigram_steps=0",
                               "--set", "train.optimiser.embedding_lr=0.3"]),
    "no heads that look back": (8192, [*shape(2, 192), "--set", "train.look_back=false"]),
    "Muon on whole matrices": (8192, [*shape(2, 192), "--set", "train.optimiser.block=0"]),
    "AdamW for all": (8192, [*shape(2, 192), "--set", "train.optimiser.kind=adamw",
                             "--set", "train.optimiser.lr=0.004"]),
    "vocabulary 4096": (4096, shape(2, 192)),
    "vocabulary 16384": (16384, shape(2, 192)),
    "one layer, wider": (8192, shape(1, 256)),
    "deeper, narrower": (8192, shape(4, 128)),
    "deeper": (8192, shape(4, 192)),
    "wider": (8192, shape(2, 256)),
    "half the batch": (8192, shape(2, 192, 4)),
    "twice the batch": (8192, shape(2, 192, 16)),
    "cooldown over a fifth": (8192, [*shape(2, 192), "--set", "train.schedule.cooldown=0.2"]),
    "ReLU², no gate": (8192, [*shape(2, 192), "--set", "model.mlp=relu2"]),
    "no QK-norm": (8192, [*shape(2, 192), "--set", "model.qk_norm=false"]),
    "tied head": (8192, [*shape(2, 192), "--set", "model.tied=true"]),
    "float32": (8192, [*shape(2, 192), "--dtype", "float32"]),
    "not compiled": (8192, [*shape(2, 192), "--no-compile"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=float, default=0.8, help="millions, for each line")
    parser.add_argument("--minutes", type=float, help="a time for each line instead, compiling and all")
    parser.add_argument("--seeds", type=int, default=2, help="runs of the first line")
    parser.add_argument("--only", nargs="*", help="names of lines")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    args = parser.parse_args()
    print(f"{'change':24} {'sotu':>7} {'factbook':>9} {'tokens':>10} {'tok/s':>7} {'parameters':>11}", flush=True)
    for name, (vocabulary, options) in CHANGES.items():
        if args.only and name not in args.only:
            continue
        for seed in range(args.seeds if name == "the plan" else 1):
            batch = next(int(word.split("=")[1]) for word in options if word.startswith("train.batch="))
            steps = round(args.tokens * 1e6 / 256 / batch)
            budget = ("--minutes", args.minutes) if args.minutes else ("--steps", steps)
            folder = f"{budget[1]}{budget[0]}-{name.replace(' ', '-').replace(',', '')}-{seed}"
            found = pretrained(args.out, folder, vocabulary, *budget, "--set", f"train.seed={seed}", *options)
            bits = {source: one["bits_per_byte"] for source, one in found["evaluation"].items()}
            print(f"{name:24} {bits['sotu']:7.3f} {bits['factbook']:9.3f} {found['tokens']:10,} "
                  f"{found['speed']['tokens_per_second']:7.0f} {found['parameters']:11,}", flush=True)


if __name__ == "__main__":
    main()
