"""Do the programs that can run a parameters file say the same? Greedy tokens of each, side by side.

    python benchmarks/agreement.py                          random weights, one model of each family
    python benchmarks/agreement.py runs/mine/parameters.gguf
    python benchmarks/agreement.py smollm2-135m --n 32

run.py, run.c, twofold's engine (torch), llama.cpp, and transformers on the exported folder each cut twenty prompts
into tokens with their own tokenizer and go on for 64 tokens, all from the same F32 numbers. They agree when ids and
tokens are the same; where a token differs, the two likeliest tokens' scores at that place must be closer than 1e-3.
Exit code 1 otherwise. What is not installed, or has no compiler, is left out, and it says so.

Then run.c on the file as it is packed: at each token of the text that the last of these wrote (transformers, where it
is installed), is its own first choice the same? Its scores lie about the exact ones by some noise, for vectors are
rounded to 8 bits there; a place is clear where the two likeliest lie further apart than four times that.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from types import ModuleType
from typing import Any

import numpy as np
import torch

import twofold.run
from twofold.engine import native_build
from twofold.engine.native import NativeCache, NativeModel
from twofold.engine.open import Engine, open_model
from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.train import train_bpe
from twofold.weights.hugging_face import export_folder
from twofold.weights.locate import locate
from twofold.weights.parameters import Parameters, load, save

__all__ = ["FAMILIES", "PROMPTS", "Comparison", "Packed", "as_packed", "compare", "programs", "random_parameters"]

CLOSE = 1e-3  # scores nearer than this may come in either order: float32 sums depend on their order
PROMPTS = (
    "Once upon a time", "The capital of France is", "My fellow citizens,", "def add(a, b):\n    return", "The", "A",
    "1984! 2 + 2 = ", "It's what they'd've said: we'll", "  two spaces, then\n\n\na gap", "Zürich, São Paulo, Kraków",
    "π ≈ 3.14159, ½ and Ⅷ", "日本語のテキスト", "Привет, мир", "שלום", "नमस्ते दुनिया", "😀👩‍👩‍👧 emoji",
    "\ttabs\tand \r\n line ends", "The quick brown fox jumps over the lazy dog", "e\u0301 and é are not the same",
    "http://example.org/?q=1&r=2#x_y",
)  # fmt: skip
GPT2 = {"positions": "learned", "norm": "layer", "mlp": "gelu", "bias": True, "qk_norm": False, "tied": True}
FAMILIES = {
    "gpt2": GPT2,
    "llama": {"n_kv_heads": 2, "qk_norm": False, "rope_base": 1e5, "norm_eps": 1e-5},
    "qwen3": {"n_kv_heads": 2, "d_head": 32, "tied": True},
    "arcee": {"n_kv_heads": 1, "mlp": "relu2", "qk_norm": False},
}

Logits = np.ndarray  # [v] float32
Reader = Callable[[list[int]], Logits]  # reads more ids, scores what follows
Written = tuple[list[int], list[Logits]]  # tokens, and the scores that each was chosen by


@dataclass(frozen=True)
class Program:
    """`encode` a text, with bos; `start` a text and get a reader of its ids."""

    name: str
    encode: Callable[[str], list[int]]
    start: Callable[[], Reader]


@dataclass(frozen=True)
class Comparison:
    """One program against the engine: how many prompts and tokens were the same, and every place where they part."""

    name: str
    prompts: int
    same: int
    tokens: int
    largest_difference: float
    partings: tuple[tuple[str, int, float], ...]
    seconds: float

    @property
    def agrees(self) -> bool:
        return all(margin < CLOSE for _, _, margin in self.partings)


@dataclass(frozen=True)
class Packed:
    """run.c on packed weights beside exact ones: tokens with the same first choice, and among those that are clear."""

    tokens: int
    same: int
    clear: int
    same_where_clear: int
    noise: float


def random_parameters(family: str, seed: int = 0, **changes: object) -> Parameters:
    """A small model of `family` whose scores lie far apart, with a tokenizer learned from Python's documentation."""
    tokenizer = train_bpe(list(topics.values())[:20], 512, "smollm" if family == "gpt2" else "qwen2")
    small = {"vocab_size": tokenizer.vocab_size, "n_layers": 3, "d_model": 64, "n_heads": 4, "context": 160}
    config = ModelConfig(**small | FAMILIES[family] | changes)  # type: ignore[arg-type]
    return Parameters(config, _random_state(config, seed), tokenizer)


def _random_state(config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in parameter_shapes(config).items():
        scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.1
        state[name] = np.float32(scale) * rng.standard_normal(shape, np.float32) + np.float32(name.endswith(".w"))
    return state


def programs(parameters: Parameters, folder: Path) -> Iterator[Program]:
    """What can run the model here, the engine first. Writes the model into `folder`, in F32, in both formats."""
    path = folder / "parameters.gguf"
    save(path, parameters.config, parameters.state, parameters.tokenizer, dtype="F32")
    engine = open_model(path, backend="torch", device="cpu")
    yield Program("engine (torch)", engine.prompt, lambda: _reader(engine))
    yield _run_py(path)
    if native_build.library() is None:
        print(f"run.c: {native_build.missing()}", file=sys.stderr)
    else:
        yield _run_c(path, engine)
    if parameters.config.architecture == "twofold":
        print("llama.cpp and transformers do not know this shape", file=sys.stderr)
        return
    for module, make in (("llama_cpp", _llama_cpp), ("transformers", _transformers)):
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed: left out", file=sys.stderr)
        else:
            yield make(parameters, folder)


def _reader(engine: Engine) -> Callable[[list[int]], np.ndarray]:
    cache = engine.backend.new_cache(engine.context)
    return lambda ids: engine.backend.step([(cache, ids)])[0]


def _run_py(path: Path) -> Program:
    """The file itself, loaded as a stranger would: on its own, not as a part of the package."""
    spec = importlib.util.spec_from_file_location("alone", Path(twofold.run.__file__).with_name("run.py"))
    assert spec is not None and spec.loader is not None
    run: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    gguf = run.GGUF(str(path))
    tokenizer, model = run.Tokenizer(gguf), run.Model(gguf)

    def start() -> Reader:
        cache = run.Cache(model)
        return lambda ids: model.forward(ids, cache)

    return Program("run.py", lambda text: tokenizer.first + tokenizer.encode(text), start)


def _run_c(path: Path, engine: Engine) -> Program:
    model = NativeModel(path)

    def start() -> Reader:
        cache = NativeCache(model, engine.context)
        return lambda ids: model.forward([(cache, ids)])[0]

    first = engine.prompt("a")[: -len(engine.tokenizer.encode("a"))]
    return Program("run.c", lambda text: [*first, *model.tokenize(text)], start)


def _llama_cpp(parameters: Parameters, folder: Path) -> Program:
    """llama.cpp with keys and values in F32 too."""
    import llama_cpp

    config = parameters.config
    model = llama_cpp.Llama(
        str(folder / "parameters.gguf"), n_ctx=min(config.context, 512), n_threads=torch.get_num_threads(),
        type_k=0, type_v=0, flash_attn=False, verbose=False,
    )  # fmt: skip

    def read(ids: list[int]) -> Logits:
        model.eval(ids)
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(model.ctx, -1), (config.vocab_size,)).copy()

    def start() -> Reader:
        model.reset()
        return read

    add_bos = parameters.tokenizer.add_bos
    return Program("llama.cpp", lambda text: model.tokenize(text.encode(), add_bos=add_bos), start)


def _transformers(parameters: Parameters, folder: Path) -> Program:
    import transformers

    export_folder(parameters, folder / "hf", "F32")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "hf")

    def start() -> Reader:
        past = None

        def read(ids: list[int]) -> Logits:
            nonlocal past
            with torch.inference_mode():
                out = model(torch.tensor([ids]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            return out.logits[0, -1].numpy()

        return read

    def encode(text: str) -> list[int]:
        first = [parameters.tokenizer.bos_id] if parameters.tokenizer.add_bos else []
        return first + tokenizer(text, add_special_tokens=False)["input_ids"]

    return Program("transformers", encode, start)


def _greedy(program: Program, ids: list[int], n: int) -> Written:
    read, new, scores = program.start(), list(ids), []
    tokens: list[int] = []
    for _ in range(n):
        scores.append(read(new))
        tokens.append(int(scores[-1].argmax()))
        new = tokens[-1:]
    return tokens, scores


def compare(parameters: Parameters, folder: Path, n: int = 64, prompts: tuple[str, ...] = PROMPTS) -> list[Comparison]:
    """Every program against the engine. Raises AssertionError where two of them cut a prompt differently."""
    first, *others = programs(parameters, folder)
    ids = {text: first.encode(text) for text in prompts}
    expected = {text: _greedy(first, ids[text], n) for text in prompts}
    found = []
    for other in others:
        print(f"comparing {other.name}", file=sys.stderr)
        found.append(_compare(other, ids, expected))
    return found


def as_packed(path: Path, parameters: Parameters, folder: Path, n: int = 64) -> Packed:
    """run.c on the file at `path`, along what the last of the programs makes of the same numbers in F32."""
    exact, model = list(programs(parameters, folder))[-1], NativeModel(path)
    print(f"run.c on {path.name} along the text of {exact.name}", file=sys.stderr)
    ours, theirs = [], []
    for text in PROMPTS:
        ids = exact.encode(text)
        tokens, scores = _greedy(exact, ids, n)
        cache = NativeCache(model, len(ids) + n)
        ours.append(model.forward([(cache, ids + tokens[:-1])], every=True)[len(ids) - 1 :])
        theirs.append(np.stack(scores))
    a, b = np.concatenate(ours), np.concatenate(theirs)
    noise, (second, top) = float(np.sqrt(np.mean((a - b) ** 2))), np.partition(b, -2, axis=-1)[:, -2:].T
    same, clear = a.argmax(-1) == b.argmax(-1), top - second > 4 * noise
    return Packed(len(a), int(same.sum()), int(clear.sum()), int((same & clear).sum()), noise)


def _compare(program: Program, ids: dict[str, list[int]], expected: dict[str, Written]) -> Comparison:
    begun, same, tokens, largest, partings = time.perf_counter(), 0, 0, 0.0, []
    for text, (theirs, scores) in expected.items():
        cut = program.encode(text)
        assert cut == ids[text], f"{program.name} cuts {text!r} into {cut}, not {ids[text]}"
        ours, our_scores = _greedy(program, ids[text], len(theirs))
        parting = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
        common = len(theirs) if parting is None else parting
        same, tokens = same + (parting is None), tokens + common
        for a, b in zip(our_scores[: common + 1], scores[: common + 1], strict=True):
            largest = max(largest, float(np.abs(a - b).max()))
        if parting is not None:
            top = np.sort(scores[parting])
            partings.append((text, parting, float(top[-1] - top[-2])))
    return Comparison(program.name, len(expected), same, tokens, largest, tuple(partings), time.perf_counter() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a folder, a GGUF file or a known name; random models if not given")
    parser.add_argument("--n", type=int, default=64, help="tokens for each prompt (64)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    models = {given.model: load(locate(given.model))} if given.model else {f: random_parameters(f) for f in FAMILIES}
    results: dict[str, list[Comparison]] = {}
    packed: Packed | None = None
    for name, parameters in models.items():
        with tempfile.TemporaryDirectory() as folder:
            results[name] = compare(parameters, Path(folder), given.n)
            if given.model and parameters.dtype != "F32" and native_build.library():
                packed = as_packed(locate(given.model), parameters, Path(folder), given.n)
        if not given.json:
            _show(name, results[name], given.n)
            if packed:
                _show_packed(packed, parameters.dtype)
    if given.json:
        figures: dict[str, Any] = {"packed": vars(packed)} if packed else {}
        for name, found in results.items():
            figures[name] = [vars(one) | {"agrees": one.agrees} for one in found]
        print(json.dumps(figures, indent=2))
    return 0 if all(one.agrees for found in results.values() for one in found) else 1


def _show(name: str, found: list[Comparison], n: int) -> None:
    print(f"{name}: greedy tokens against twofold's engine, F32, {found[0].prompts} prompts × {n} tokens")
    for one in found:
        verdict = "agrees" if one.agrees else "DISAGREES"
        print(f"  {one.name:14} {one.same:>3} of {one.prompts} the same to the end, {one.tokens:>5} tokens, "
              f"scores within {one.largest_difference:.1e}: {verdict}   ({one.seconds:.1f} s)")  # fmt: skip
        for text, place, margin in one.partings:
            print(f"      parts at token {place} of {text!r}, where the two likeliest differ by {margin:.1e}")


def _show_packed(one: Packed, dtype: str) -> None:
    print(f"  run.c on the file as it is, {dtype}: the same first choice at {one.same} of {one.tokens} tokens "
          f"({one.same / one.tokens:.2%}); its scores differ by {one.noise:.3f}, and where the two likeliest are "
          f"further apart than four times that, at {one.same_where_clear} of {one.clear}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
