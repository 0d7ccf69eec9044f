"""How fast one training step is: against the machine's own matrix product, and against plain PyTorch.

    python benchmarks/training.py [--width 384 --layers 6 --context 256 --vocab 8192 --batch 16 --rounds 5]

Contenders, interleaved, the median of several rounds each:
    peak       bf16 and float32 matrix products of 2048 x 2048, the limit
    ours       the precision, threads and compilation that the machine's measurement picks; Muon and AdamW; most steps
               score a shortlist of the vocabulary, as `make` trains
    whole      the same, every step scoring the whole vocabulary
    plain      the same model in float32, eager, torch's own AdamW: what one would write first
A step is forward, backward, clipping and the optimiser. FLOPs are 6 N + attention, the unembedding counted and the
embedding not; the share of the peak is that of `whole`. With --breakdown, a profile of where an eager step's time goes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from twofold.model.config import ModelConfig
from twofold.model.count import flops_per_token
from twofold.model.decoder import Decoder, initialise
from twofold.model.devices import pick_device
from twofold.train.loop import run_steps
from twofold.train.losses import NextTokenLoss
from twofold.train.machine import matmul_flops, measure
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.shortlist import Shortlist
from twofold.train.shortlist_settings import ShortlistSettings


def stepper(
    config: ModelConfig, batch: int, dtype: torch.dtype, compiled: bool, device: torch.device, short: bool
) -> Callable[[], float]:
    """A function that takes one of our steps and says how many seconds it took."""
    model = initialise(Decoder(config), 0).to(device)
    rows = torch.randint(0, config.vocab_size, (batch, config.context + 1)).to(device)
    shortlist = Shortlist(torch.rand(config.vocab_size).to(device), ShortlistSettings(), 0)
    loss = NextTokenLoss(model, dtype, compiled)
    steps = run_steps(model, lambda batch: loss(*batch), Optimiser(model, OptimiserSettings(), dtype),
                      lambda step: (rows, shortlist.draw(step) if short else None), lambda step: 1.0)
    return lambda: next(steps).seconds


def plain_stepper(config: ModelConfig, batch: int, device: torch.device) -> Callable[[], float]:
    """What one would write first: float32, eager, torch.optim.AdamW as it comes."""
    model = initialise(Decoder(config), 0).to(device)
    rows = torch.randint(0, config.vocab_size, (batch, config.context + 1)).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> float:
        began = time.perf_counter()
        optimiser.zero_grad()
        logits = model(rows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()
        return time.perf_counter() - began

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"width": 384, "layers": 6, "context": 256, "vocab": 8192, "batch": 16, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--breakdown", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    config = ModelConfig(args.vocab, args.layers, args.width, max(1, args.width // 64), args.context)
    device = pick_device(args.device)
    machine = measure(device)
    plain = plain_stepper(config, args.batch, device)
    ours, whole = (stepper(config, args.batch, machine.torch_dtype, machine.compiles, device, short)
                   for short in (True, False))
    if args.breakdown:
        breakdown(stepper(config, args.batch, machine.torch_dtype, False, device, False))
    began = time.perf_counter()
    ours()
    compile_seconds = time.perf_counter() - began
    for warm_up in (ours, whole, ours, whole, plain):
        warm_up()

    seconds: dict[str, list[float]] = {"ours": [], "whole": [], "plain": []}
    peaks: dict[str, list[float]] = {machine.dtype: [], "float32": []}
    for _ in range(args.rounds):
        for name in peaks:
            peaks[name].append(matmul_flops(device, getattr(torch, name), seconds=0.4))
        seconds["ours"] += [ours() for _ in range(3)]
        seconds["whole"] += [whole() for _ in range(3)]
        seconds["plain"].append(plain())

    tokens, flops = args.batch * args.context, flops_per_token(config, args.context)
    peak = statistics.median(peaks[machine.dtype])
    rate = {name: tokens / statistics.median(times) for name, times in seconds.items()}
    result = {
        "shape": f"d_model {args.width}, {args.layers} layers, context {args.context}, vocabulary {args.vocab}, "
                 f"{args.batch} rows a step",
        "processor": machine.processor, "threads": machine.threads,
        "dtype": machine.dtype, "compiled": machine.compiles,
        "peak_gflops": {name: statistics.median(values) / 1e9 for name, values in peaks.items()},
        "tokens_per_second": rate,
        "share_of_peak": rate["whole"] * flops / peak,
        "plain_share_of_float32_peak": rate["plain"] * flops / statistics.median(peaks["float32"]),
        "ratio_to_plain": rate["ours"] / rate["plain"],
        "ratio_to_plain_whole": rate["whole"] / rate["plain"],
        "first_step_seconds": compile_seconds,
    }
    print(json.dumps(result, indent=2))
    print(f"{rate['ours']:.0f} tokens/s, {result['ratio_to_plain']:.2f} x plain float32 eager (wanted: 2.5); over the "
          f"whole vocabulary {rate['whole']:.0f}, {result['ratio_to_plain_whole']:.2f} x, and "
          f"{result['share_of_peak']:.0%} of the {machine.dtype} peak (wanted: 45 %)", file=sys.stderr)


def breakdown(step: Callable[[], float]) -> None:
    """Print where one eager step's time goes, by kind of operation."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25), file=sys.stderr)


if __name__ == "__main__":
    main()
