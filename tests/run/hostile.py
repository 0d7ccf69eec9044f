"""run.c under sanitisers, given damaged and hostile files: many in one process, which ends at the first mistake.

    target, process = hostile(folder)     what tests/weights/mutations.py can damage, and the process it goes through

Sound examples hold all forms of weights, both kinds of tokenizers and all shapes. A refusal is what run.c says with an
error; a failure is anything that AddressSanitizer or UndefinedBehaviorSanitizer finds, a crash, or no answer.
"""

from __future__ import annotations

import random
import select
import struct
import subprocess
from pathlib import Path

import numpy as np

from twofold.errors import UserError
from twofold.model.config import ModelConfig
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.chat import TEMPLATE
from twofold.tokenizer.spelling import ALPHABET
from twofold.weights import gguf
from twofold.weights.parameters import save

from ..tokenizer.examples import CORNERS
from ..weights.models import OWN_SHAPES, SHAPES, random_state, small_tokenizer, tiny_parameters
from ..weights.mutations import Target, put_together, take_apart
from .compiled import SOURCE, build

__all__ = ["Hostile", "hostile", "seeds"]

SANITISERS = ("-O1", "-g", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PACKED = {2: 18 / 32, 3: 20 / 32, 6: 22 / 32, 7: 24 / 32, 8: 34 / 32, 12: 144 / 256, 13: 176 / 256, 14: 210 / 256}
KEEP, USE = 0, 1


def seeds(folder: Path) -> list[bytes]:
    """Sound files."""
    found = []
    for name in (*SHAPES, *OWN_SHAPES):
        one = tiny_parameters(name, small_tokenizer())
        dtype = ("F32", "BF16", "F16", "Q8_0")[len(found) % 4]
        save(folder / "seed.gguf", one.config, one.state, one.tokenizer, dtype=dtype, chat_template=TEMPLATE)
        found.append((folder / "seed.gguf").read_bytes())
    found += [_packed(folder, number) for number in PACKED]
    return [*found, _sentencepiece(found[1])]


def _packed(folder: Path, number: int) -> bytes:
    """Matrices in a small form, whose bytes may mean anything."""
    tokens = [*ALPHABET, *(f"{left}{right}" for left in ALPHABET[:4] for right in ALPHABET[:64])]
    merges = [(token[0], token[1]) for token in tokens[256:]]
    config = ModelConfig(512, n_layers=1, d_model=256, n_heads=4, d_ff=256, context=64, tied=True)
    tokenizer = BPETokenizer(tokens, merges, "llama-bpe", {}, None, None, False)
    save(folder / "seed.gguf", config, random_state(config), tokenizer, dtype="F32")
    keys, tensors, data = take_apart((folder / "seed.gguf").read_bytes())
    rng, whole, packed = random.Random(number), bytearray(), []
    for name, dims, kind, offset in tensors:
        size = int(np.prod(dims))
        if len(dims) == 2:
            kind, raw = number, rng.randbytes(int(size * PACKED[number]))
        else:
            raw = data[offset : offset + 4 * size]
        packed.append((name, dims, kind, len(whole)))
        whole += raw.ljust(-(-len(raw) // 32) * 32, b"\0")
    return put_together(keys, packed, bytes(whole))


def _sentencepiece(seed: bytes) -> bytes:
    """The same model with a tokenizer of Gemma's kind over as many tokens."""
    keys, tensors, data = take_apart(seed)
    n = len(small_tokenizer().tokens)
    names = ["<pad>", "<eos>", "<bos>", "\n\n", *(f"<0x{i:02X}>" for i in range(256)), "▁", "t", "h", "▁t", "th"]
    names = (names + [f"x{i}" for i in range(n)])[:n]
    kinds = [3, 3, 3, 4, *[6] * 256, *[1] * n][:n]

    def strings(texts: list[str]) -> bytes:
        return b"".join(struct.pack("<Q", len(text.encode())) + text.encode() for text in texts)

    new = {
        "tokenizer.ggml.model": struct.pack("<IQ", gguf.STRING, 5) + b"llama",
        "tokenizer.ggml.tokens": struct.pack("<IIQ", gguf.ARRAY, gguf.STRING, n) + strings(names),
        "tokenizer.ggml.token_type": struct.pack(f"<IIQ{n}i", gguf.ARRAY, 5, n, *kinds),
        "tokenizer.ggml.scores": struct.pack(f"<IIQ{n}f", gguf.ARRAY, 6, n, *(-float(i) for i in range(n))),
    }
    kept = [(name, value) for name, value in keys if name not in new and not name.endswith(".merges")]
    return put_together([*kept, *new.items()], tensors, data)


class Hostile:
    """The process; it is begun anew after a failure."""

    def __init__(self, folder: Path, sound: list[bytes]) -> None:
        here = Path(__file__).with_name("hostile.c")
        self.program = build(here, folder / "hostile", *SANITISERS, f'-DRUN_C="{SOURCE}"')
        self.sound, self.log, self.rng = sound, folder / "log", random.Random(0)
        self.process: subprocess.Popen[bytes] | None = None

    def attempt(self, content: bytes) -> None:
        """Raise UserError for a file that is refused, AssertionError for a mistake that it brings out."""
        if self.process is None:
            with self.log.open("wb") as log:
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
                self.process = subprocess.Popen([str(self.program)], **pipes)
            for one in self.sound:
                self._ask(KEEP, one, b"")
        answer = self._ask(USE, content, _text(self.rng))
        if answer[:1] == b"0":
            raise UserError(answer[2:].decode("utf-8", "replace"))

    def _ask(self, what: int, content: bytes, text: bytes) -> bytes:
        assert self.process and self.process.stdin and self.process.stdout
        try:
            threads = self.rng.choice((1, 1, 2)) if what == USE else 1
            self.process.stdin.write(struct.pack("<4I", what, threads, len(content), len(text)) + content + text)
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], 600)
            answer = self.process.stdout.readline() if ready else b""
        except BrokenPipeError:
            answer = b""
        if answer[:1] not in (b"0", b"1"):
            self.process.kill()
            self.process = None
            raise AssertionError(self.log.read_text("utf-8", "replace")[:2000] or "no answer")
        return answer

    def close(self) -> None:
        """Raise AssertionError if it ends badly: memory that was never freed, for one."""
        process, self.process = self.process, None
        if process:
            process.communicate()
            assert process.returncode == 0, self.log.read_text("utf-8", "replace")[:2000]


def _text(rng: random.Random) -> bytes:
    """Words, corners, special names, and bytes that are no text."""
    kinds = [rng.choice(CORNERS).encode(), rng.randbytes(rng.randrange(9)), b"<|im_end|>", b"a" * rng.randrange(50)]
    return b"".join(rng.choice(kinds) for _ in range(rng.randrange(12)))


def hostile(folder: Path) -> tuple[Target, Hostile]:
    """The sound files, to be damaged, and the process that they go through."""
    sound = seeds(folder)
    place, process = folder / "damaged-for-run-c.gguf", Hostile(folder, sound[:8])
    return Target("gguf for run.c", tuple(sound), place, lambda: process.attempt(place.read_bytes())), process
