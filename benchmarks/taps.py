"""What looking costs: a forward pass with nobody looking, and with everything recorded, beside TransformerLens.

    python benchmarks/taps.py [--tokens 128] [--rounds 9] [--only SmolLM2]

Two models: SmolLM2-135M, and one of 6M parameters with random weights. Contenders, interleaved, medians: our pass, our
pass with every activation recorded, and the same two of TransformerLens holding the same weights, where a 3.x of it is
installed (pip install 'twofold[oracles]'; later ones have no HookedTransformer). Wanted: nobody looking costs under
1 % of a pass, recording everything under 1.3 passes.

What nobody's looking costs is not a difference of two noisy times, since it is far below their noise: the questions
that a pass asks are counted, and so many are timed by themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from twofold.model import attention, block, decoder, mlp, norm
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder
from twofold.model.tap import untouched
from twofold.model.watching import recording
from twofold.weights.locate import locate
from twofold.weights.parameters import load
from twofold.weights.torch_state import to_decoder

sys.path.insert(0, str(Path(__file__).parents[1]))
ASKING = (attention, block, decoder, mlp, norm)  # modules that ask taps


def models() -> dict[str, Decoder]:
    small = Decoder(ModelConfig(vocab_size=4096, n_layers=6, d_model=256, n_heads=4, context=512))
    with torch.no_grad():
        for parameter in small.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return {"SmolLM2-135M": to_decoder(load(locate("smollm2"))), "6M, random": small}


def off_cost(model: Decoder, ids: torch.Tensor) -> tuple[int, float]:
    """How many questions a pass asks, and the seconds that they take: finding the tap, and asking it."""
    asked = 0

    def counting(name: str, value: torch.Tensor, view: Any = None) -> torch.Tensor:
        nonlocal asked
        asked += 1
        return value

    for module in ASKING:
        module.untouched = counting  # type: ignore[attr-defined]
    try:
        model(ids)
    finally:
        for module in ASKING:
            module.untouched = untouched  # type: ignore[attr-defined]
    finders = [module for module in model.modules() if hasattr(module, "tap")]
    value, times = ids, []
    for _ in range(50):
        began = time.perf_counter()
        for module in finders:
            tap = module.tap or untouched
        for _ in range(asked):
            tap("hook_z", value)
        times.append(time.perf_counter() - began)
    return asked, statistics.median(times)


def contenders(model: Decoder, ids: torch.Tensor) -> dict[str, Callable[[], object]]:
    def recorded() -> None:
        with recording(model):
            model(ids)

    found: dict[str, Callable[[], object]] = {"ours": lambda: model(ids), "ours, all recorded": recorded}
    try:
        from transformer_lens import HookedTransformer  # noqa: F401
    except ImportError as error:
        print(f"without TransformerLens ({error})", file=sys.stderr)
        return found
    from tests.model.hooked import hooked

    theirs = hooked(model, context=ids.shape[1], results=False)
    torch.testing.assert_close(theirs(ids), model(ids), rtol=1e-3, atol=1e-3)
    return {**found, "TransformerLens": lambda: theirs(ids),
            "TransformerLens, all cached": lambda: theirs.run_with_cache(ids, return_cache_object=False)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", help="a part of a model's name")
    args = parser.parse_args()
    results = {}
    with torch.inference_mode():
        for name, model in models().items():
            if args.only not in name:
                continue
            seed = torch.Generator().manual_seed(0)
            ids = torch.randint(0, model.config.vocab_size, (1, args.tokens), generator=seed)
            running = contenders(model, ids)
            seconds = {contender: list[float]() for contender in running}
            for round_ in range(args.rounds + 1):
                for contender, run in running.items():
                    began = time.perf_counter()
                    run()
                    if round_:  # the first is a warm-up
                        seconds[contender].append(time.perf_counter() - began)
            medians = {contender: statistics.median(times) for contender, times in seconds.items()}
            asked, off = off_cost(model, ids)
            results[name] = {
                "tokens": args.tokens, "threads": torch.get_num_threads(), "milliseconds":
                    {contender: 1e3 * value for contender, value in medians.items()},
                "questions": asked, "nobody_looking_share": off / medians["ours"],
                "all_recorded_ratio": medians["ours, all recorded"] / medians["ours"],
            }  # fmt: skip
            if "TransformerLens" in medians:
                results[name]["their_ratio"] = medians["TransformerLens, all cached"] / medians["TransformerLens"]
                results[name]["theirs_to_ours"] = medians["TransformerLens, all cached"] / medians["ours, all recorded"]
    print(json.dumps(results, indent=2))
    for name, one in results.items():
        line = (f"{name}: nobody looking {100 * one['nobody_looking_share']:.2f} % of a pass (wanted: under 1), "
                f"all recorded {one['all_recorded_ratio']:.2f} passes (wanted: under 1.3)")  # fmt: skip
        if "their_ratio" in one:
            line += f"; TransformerLens {one['their_ratio']:.2f} of its own, {one['theirs_to_ours']:.2f} × ours"
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
