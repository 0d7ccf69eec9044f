"""Sampling from a model in training: what it takes run.c to take the new parameters, and how quickly each writes then.

    python benchmarks/refresh.py [--rounds 9]

A 6M-parameter decoder (d 256, 6 layers, vocabulary 4096) in memory. Contenders, interleaved, medians: run.c after a
refresh, and the Decoder itself on torch, 64 tokens at batch 1.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pydoc_data.topics import topics

from twofold.contracts import Sampling
from twofold.engine.open import Engine, from_decoder
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.tokenizer.train import train_bpe


def rate(engine: Engine, n: int = 64) -> float:
    begun = time.perf_counter()
    made = sum(1 for _ in engine.generate([1], n, Sampling(top_k=0, min_p=0, top_p=1), candidates=0))
    return made / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    tokenizer = train_bpe(topics.values(), 4096)
    config = ModelConfig(vocab_size=4096, n_layers=6, d_model=256, n_heads=8, context=256)
    model = initialise(Decoder(config), 0)
    begun = time.perf_counter()
    native, torch = from_decoder(model, tokenizer, backend="native"), from_decoder(model, tokenizer)
    opened = time.perf_counter() - begun
    refreshes, rates = [], {"run.c": [], "torch": []}
    for _ in range(given.rounds):
        begun = time.perf_counter()
        native.refresh()
        refreshes.append(1000 * (time.perf_counter() - begun))
        rates["run.c"].append(rate(native))
        rates["torch"].append(rate(torch))
    print(json.dumps({
        "parameters": sum(one.numel() for one in model.parameters()), "open_seconds": opened,
        "refresh_milliseconds": statistics.median(refreshes),
        "tokens_per_second": {name: statistics.median(each) for name, each in rates.items()},
    }, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
