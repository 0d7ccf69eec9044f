"""How many tokens a second does a model of six million parameters write, in run.c and in llama.cpp?

    python benchmarks/small_model.py --type Q4_0 --rounds 9

A random model (width 256, 6 layers, vocabulary 4,096, tied) writes 200 tokens at a time, sampled by both with top-k 40,
top-p, min-p and temperature; Q4_0 is made by llama.cpp. The contenders take turns, so that what else the machine does
hits all alike; llama.cpp runs in its own loop over llama_decode and llama_sampler_sample, without the text. Prints one
JSON object: the median and the best of each, and the ratio of the best medians.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from twofold.contracts import Sampling
from twofold.engine.native import NativeCache, NativeModel
from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.train import train_bpe
from twofold.weights.parameters import save

VOCABULARY, TOKENS, PROMPT = 4096, 200, [0, 300, 301]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--type", default="Q4_0", choices=("Q4_0", "Q8_0", "BF16", "F16", "F32"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.gguf"
        parameters = write(path, options.type)
        kernel = NativeModel(path).kernel
        contenders: dict[str, Callable[[int], float]] = {}
        for threads in options.threads:
            contenders[f"run.c, {threads} threads"] = native(path, threads)
            contenders[f"llama.cpp, {threads} threads"] = llama_cpp(path, threads)
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(options.rounds + 1):
            for name, write_tokens in contenders.items():
                taken = write_tokens(turn)
                if turn:  # the first is to warm up
                    seconds[name].append(taken)
    speeds = {name: [TOKENS / one for one in taken] for name, taken in seconds.items()}
    median = {name: statistics.median(speed) for name, speed in speeds.items()}
    best = {engine: max(speed for name, speed in median.items() if name.startswith(engine))
            for engine in ("run.c", "llama.cpp")}  # fmt: skip
    print(json.dumps({
        "parameters": parameters, "type": options.type, "kernel": kernel,
        "tokens_per_second": {name: round(speed) for name, speed in median.items()},
        "best_round": {name: round(max(speed)) for name, speed in speeds.items()},
        "ratio": round(best["run.c"] / best["llama.cpp"], 2),
    }, indent=2))  # fmt: skip
    return 0


def write(path: Path, dtype: str) -> int:
    tokenizer = train_bpe(list(topics.values()), VOCABULARY, "qwen2")
    config = ModelConfig(VOCABULARY, n_layers=6, d_model=256, n_heads=4, context=512, qk_norm=False, tied=True)
    rng = np.random.default_rng(0)
    state = {name: np.float32(name.endswith(".w")) + rng.standard_normal(shape, np.float32) / 16
             for name, shape in parameter_shapes(config).items()}  # fmt: skip
    save(path, config, state, tokenizer, dtype="BF16" if dtype == "Q4_0" else dtype)
    if dtype == "Q4_0":
        quantise(path)
    return sum(array.size for array in state.values())


def quantise(path: Path) -> None:
    """To Q4_0, in place."""
    import llama_cpp as c

    c.llama_log_set(SILENT, ctypes.c_void_p())
    settings = c.llama_model_quantize_default_params()
    settings.ftype = 2
    whole = path.rename(path.with_suffix(".bf16"))
    assert not c.llama_model_quantize(str(whole).encode(), str(path).encode(), ctypes.byref(settings))


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def SILENT(level: int, message: bytes, data: int) -> None:
    pass


def native(path: Path, threads: int) -> Callable[[int], float]:
    model = NativeModel(path, threads)
    cache = NativeCache(model, 512)

    def write_tokens(seed: int) -> float:
        begun, made = time.perf_counter(), 0
        while made < TOKENS:  # a text that ends is begun again
            cache.keep(0)
            made += len(model.generate(PROMPT, TOKENS - made, Sampling(seed=seed + made), cache=cache))
        return time.perf_counter() - begun

    return write_tokens


def llama_cpp(path: Path, threads: int) -> Callable[[int], float]:
    import llama_cpp as c

    opened = c.Llama(str(path), n_ctx=512, n_threads=threads, n_threads_batch=threads, verbose=False)
    batch = c.llama_batch_get_one
    chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
    filters = c.llama_sampler_init_top_k(40), c.llama_sampler_init_top_p(0.95, 1), c.llama_sampler_init_min_p(0.05, 1)
    for one in (*filters, c.llama_sampler_init_temp(0.8), c.llama_sampler_init_dist(1)):
        c.llama_sampler_chain_add(chain, one)
    prompt, single = (ctypes.c_int * len(PROMPT))(*PROMPT), (ctypes.c_int * 1)()

    def write_tokens(seed: int) -> float:
        context = opened.ctx
        c.llama_memory_clear(c.llama_get_memory(context), False)
        begun = time.perf_counter()
        c.llama_decode(context, batch(prompt, len(prompt)))
        for _ in range(TOKENS - 1):
            single[0] = c.llama_sampler_sample(chain, context, -1)
            c.llama_decode(context, batch(single, 1))
        c.llama_sampler_sample(chain, context, -1)
        return time.perf_counter() - begun

    return write_tokens


if __name__ == "__main__":
    sys.exit(main())
