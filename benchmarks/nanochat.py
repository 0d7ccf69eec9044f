"""nanochat side by side: the same text, the same minutes of training, the same measure.

    python benchmarks/nanochat.py CHECKOUT [--python INTERPRETER] [--minutes 5] [--out runs/nanochat] [--only NAME …]

CHECKOUT is a work tree of karpathy/nanochat, and INTERPRETER a Python that has what it needs (torch, rustbpe, tiktoken,
wandb, psutil; by default this one). Its own scripts train its tokenizer and its model, as an outside program; nothing
of it is changed but the options. Both read the training documents that `twofold make` prepared, and both are measured
on all the held-out documents, each begun by bos, in rows of 256 tokens, every byte counted once.

Ours runs for all the minutes, compile included, and for a third of them: the claim is nanochat's best in a third of its
time. Theirs runs for all the minutes, compile and its first eleven steps not counted, in each of SETTINGS: bfloat16,
context 256, the documents cut to about a row's length, since its loader keeps a row's worth of each document. Its
number of steps is what fits at the speed of the fastest tenth of CALIBRATION steps before, so that a neighbour who
disturbs it costs it nothing. What is done is kept in --out and not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONTEXT = 256
CALIBRATION = 40
ROW_CHARACTERS = 900  # a little over a row of tokens
SETTINGS = {  # name: (vocabulary, depth, learning rates by what its script scales them to for so small a batch)
    "depth 4, 4096 tokens": (4096, 4, 1),
    "depth 4, 4096 tokens, rates x 8": (4096, 4, 8),
    "depth 4, 8192 tokens, rates x 8": (8192, 4, 8),
    "depth 3, 8192 tokens, rates x 8": (8192, 3, 8),
}
RATES = {"matrix-lr": 0.02, "embedding-lr": 0.3, "unembedding-lr": 0.008, "scalar-lr": 0.5}  # its defaults
ROWS = 8  # a step
COMMON = {"device-batch-size": ROWS, "total-batch-size": ROWS * CONTEXT, "head-dim": 64, "max-seq-len": CONTEXT,
          "window-pattern": "L", "device-type": "cpu", "warmup-steps": 10, "eval-every": -1, "core-metric-every": -1,
          "sample-every": -1}


class Theirs:
    """One setting of nanochat, in a folder of its own."""

    def __init__(self, name: str, args: argparse.Namespace, corpus: Path) -> None:
        self.name, self.args, self.corpus = name, args, corpus
        self.vocabulary, depth, times = SETTINGS[name]
        self.options = {**COMMON, "depth": depth, **{rate: times * value for rate, value in RATES.items()}}
        self.folder = args.out / re.sub(r"\W+", "-", name)
        self.environment = {**os.environ, "NANOCHAT_BASE_DIR": str(self.folder.resolve()),
                            "NANOCHAT_DTYPE": "bfloat16", "PYTHONPATH": str(args.checkout.resolve())}

    def prepare(self) -> None:
        """The training documents as its parquet files (the last of which it never trains on), and its tokenizer."""
        if (self.folder / "tokenizer" / "token_bytes.pt").exists():
            return
        import pyarrow
        from pyarrow import parquet

        files = self.folder / "base_data_climbmix"
        files.mkdir(parents=True, exist_ok=True)
        texts = [piece for _, text in documents(self.corpus, "train") for piece in pieces(text, ROW_CHARACTERS)]
        random.Random(0).shuffle(texts)
        for name, some in {"shard_00000": texts, "shard_06542": texts[:100]}.items():
            parquet.write_table(pyarrow.table({"text": some}), files / f"{name}.parquet", row_group_size=1000)
        self.run("-m", "scripts.tok_train", f"--vocab-size={self.vocabulary}")

    def trained(self) -> dict[str, Any]:
        """Calibrate and train; or read what came of it before."""
        path = self.folder / "trained.json"
        if not path.exists():
            steps = self.args.steps or round(60 * self.args.minutes * self.calibrated() / (ROWS * CONTEXT))
            found = self.train("model", steps + 11)
            path.write_text(json.dumps(found, indent=1))
        return json.loads(path.read_text())

    def measured(self) -> dict[str, Any]:
        """What training came to, with its bits per byte; or what was measured before."""
        path = self.folder / "result.json"
        if not path.exists():
            path.write_text(json.dumps({**self.trained(), "bits_per_byte": self.measure()}, indent=1))
        return json.loads(path.read_text())

    def calibrated(self) -> float:
        return self.train("calibration", CALIBRATION)["best_tokens_per_second"]

    def train(self, tag: str, steps: int) -> dict[str, Any]:
        options = {**self.options, "num-iterations": steps, "model-tag": tag}
        said = self.run("-m", "scripts.base_train", *(f"--{name}={value}" for name, value in options.items()))
        seconds = [float(ms) / 1000 for ms in re.findall(r"dt: ([\d.]+)ms", said)]
        counted, per_step = seconds[11:], ROWS * CONTEXT  # as its total_training_time counts
        return {"steps": steps, "seconds": sum(counted), "tokens": steps * per_step,
                "tokens_per_second": per_step / statistics.median(counted),
                "best_tokens_per_second": per_step / statistics.quantiles(counted, n=10)[0]}

    def measure(self) -> dict[str, float]:
        """Bits per byte by source, with bos before the document only or before each row, whichever suits it better."""
        texts = list(documents(self.corpus, "val"))
        n_bytes: Counter[str] = Counter()
        for source, text in texts:
            n_bytes[source] += len(text.encode())
        path = self.folder.resolve() / "val.json"
        path.write_text(json.dumps(texts))
        said = self.run("-P", str(Path(__file__).resolve()), "--inside", str(path), NANOCHAT_DTYPE="float32")
        found = [{source: nats / (math.log(2) * n_bytes[source]) for source, nats in way.items()}
                 for way in json.loads(said.splitlines()[-1])]
        return min(found, key=lambda way: sum(way.values()))

    def run(self, *words: str, **environment: str) -> str:
        done = subprocess.run([str(self.args.python), *words], cwd=self.args.checkout,
                              env={**self.environment, **environment}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"nanochat {' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout


def documents(corpus: Path, split: str) -> Iterator[tuple[str, str]]:
    """(source, text) of every document of a prepared corpus."""
    for path in sorted((corpus / "text" / split).glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield path.stem, json.loads(line)["text"]


def pieces(text: str, characters: int) -> Iterator[str]:
    """The text in pieces of about so many characters, cut after a line or a word."""
    while len(text) > 1.5 * characters:
        at = max(text.rfind("\n", characters // 2, characters), 0) or text.rfind(" ", 0, characters)
        at = at + 1 if at > 0 else characters
        yield text[:at]
        text = text[at:]
    yield text


def line(name: str, bits_per_byte: dict[str, float], seconds: float, tokens: int, rate: float) -> None:
    print(f"{name:32} {bits_per_byte['sotu']:6.3f} {bits_per_byte['factbook']:9.3f} {seconds:8.0f} {tokens:10,} "
          f"{rate:9,.0f}", flush=True)


def ours(args: argparse.Namespace, minutes: float) -> tuple[Path, dict[str, Any]]:
    """A run of `twofold make`: its folder and its results."""
    folder = args.out / f"ours-{minutes:.3g}-minutes"
    if not (folder / "results.json").exists():
        subprocess.run([sys.executable, "-m", "twofold", "make", "--minutes", f"{minutes:.4g}", "--out", str(folder),
                        "--json"], check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    return folder, json.loads((folder / "results.json").read_text())


def bits(found: dict[str, Any]) -> dict[str, float]:
    return {source: one["bits_per_byte"] for source, one in found["evaluation"].items()}


def evaluations(folder: Path) -> Iterator[tuple[float, dict[str, float]]]:
    """(seconds of training, bits per byte by source on a sample of the held-out rows) from a run's journal."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    results = json.loads((folder / "results.json").read_text())
    steps = {entry["step"]: entry["elapsed"] for entry in entries if entry["event"] == "step"}
    before = results["training_seconds"] - sum(steps.values())
    for entry in entries:
        if entry["event"] == "evaluation":
            yield before + sum(took for step, took in steps.items() if step < entry["step"]), entry["bits_per_byte"]
    yield results["training_seconds"], bits(results)


def inside(texts: Path) -> None:
    """In nanochat's environment: load the model that its script left, and print its nats by source, both ways."""
    import torch
    from nanochat.checkpoint_manager import load_model_from_dir
    from nanochat.common import get_base_dir

    model, tokenizer, _ = load_model_from_dir(str(Path(get_base_dir()) / "base_checkpoints"), torch.device("cpu"),
                                              phase="eval", model_tag="model")
    bos = tokenizer.get_bos_token_id()
    found = []
    for every_row in (False, True):
        rows: dict[tuple[str, int], list[list[int]]] = {}  # by source and length, so that they can be read together
        for source, text in json.loads(texts.read_text()):
            ids = tokenizer.encode(text)
            for at in range(0, len(ids), CONTEXT):
                row = [bos if every_row or not at else ids[at - 1], *ids[at : at + CONTEXT]]
                rows.setdefault((source, len(row)), []).append(row)
        nats: Counter[str] = Counter()
        for (source, _), table in rows.items():
            for at in range(0, len(table), 16):
                part = torch.tensor(table[at : at + 16])
                part = torch.cat([part, torch.zeros_like(part[:, :1])], 1)  # it reads two tokens at least
                targets = part[:, 1:].clone()
                targets[:, -1] = -1
                with torch.inference_mode():
                    nats[source] += float(model(part[:, :-1], targets, loss_reduction="sum"))
        found.append(dict(nats))
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, nargs="?")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, help="of nanochat, where its speed is known from a quieter hour")
    parser.add_argument("--out", type=Path, default=Path("runs/nanochat"))
    parser.add_argument("--only", nargs="*", help="names of settings", choices=SETTINGS)
    parser.add_argument("--stop-after", choices=["texts", "training", "theirs"], help="…, and measure another time")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside)
        return
    if not args.checkout or not (args.checkout / "scripts" / "base_train.py").exists():
        parser.error(f"{args.checkout} is no checkout of nanochat")
    subprocess.run([sys.executable, "-m", "twofold", "data", "almanac", "--out", str(args.out / "text")], check=True,
                   stdout=subprocess.DEVNULL)
    theirs = [Theirs(name, args, args.out / "text") for name in args.only or SETTINGS]
    for one in theirs:
        one.prepare()
    if args.stop_after == "texts":
        return
    for one in theirs:
        one.trained()
    if args.stop_after == "training":
        return

    print(f"{'':32} {'sotu':>6} {'factbook':>9} {'seconds':>8} {'tokens':>10} {'tokens/s':>9}", flush=True)
    found = {one.name: one.measured() for one in theirs}
    for name, one in found.items():
        line(f"nanochat, {name}", one["bits_per_byte"], one["seconds"], one["tokens"], one["tokens_per_second"])
    if args.stop_after == "theirs":
        return
    best = min((one["bits_per_byte"] for one in found.values()), key=lambda each: sum(each.values()))
    for minutes in (args.minutes, args.minutes / 3):
        folder, results = ours(args, minutes)
        line(f"twofold, {minutes:.3g} minutes", bits(results), results["training_seconds"], results["tokens"],
             results["speed"]["tokens_per_second"])
        reached = next((seconds for seconds, each in evaluations(folder)
                        if all(each[source] <= best[source] for source in best)), None)
        print("  " + (f"at or below nanochat's best in both sources after {reached:.0f} s, "
                      f"{60 * args.minutes / reached:.1f} times as fast" if reached else
                      "not at nanochat's best in both sources"), flush=True)


if __name__ == "__main__":
    main()
