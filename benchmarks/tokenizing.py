"""How fast vocabularies are learned and text is encoded, against the libraries that one would take instead.

    python benchmarks/tokenizing.py            speed, against those in ENCODERS that are installed
    python benchmarks/tokenizing.py --sizes    bytes per token by pre-tokenizer and vocabulary, on text held out

Every other document of the almanac is learned from, the rest is encoded. Rounds take turns, seconds are of the
processor on one thread, and ratios are of medians in the same run; each library's ids are compared with ours.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from twofold.data.builtin import factbook, sotu
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.sizes import bytes_per_token, shrink
from twofold.tokenizer.spelling import ALPHABET, unspell
from twofold.tokenizer.train import train_bpe

ROUNDS, PATIENCE = 3, 30
Encode = Callable[[list[str]], list[list[int]]]


def learn_with_tokenizers(texts: list[str], vocab_size: int, pre: str) -> list[tuple[str, str]]:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[pre]]
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    theirs.pre_tokenizer = pre_tokenizers.Sequence([*cuts, spelling])
    theirs.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, initial_alphabet=list(ALPHABET), show_progress=False))  # fmt: skip
    return [tuple(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]]


def published(ours: BPETokenizer) -> str:
    """The JSON with the pattern as Qwen and Llama publish it, by which some libraries know what to do."""
    return ours.to_json().replace(
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    )


def as_file(text: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False, encoding="utf-8") as file:
        file.write(text)
    return file.name


def with_twofold(ours: BPETokenizer) -> Encode:
    parts = (ours.tokens, ours.merges, ours.pre, ours.specials, ours.bos_id, ours.eos_id, ours.add_bos)
    afresh = BPETokenizer(*parts)
    return lambda texts: [ids.tolist() for ids in afresh.encode_batch(texts)]


def with_tokenizers(ours: BPETokenizer) -> Encode:
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_str(ours.to_json())
    return lambda texts: [one.ids for one in theirs.encode_batch_fast(texts, add_special_tokens=False)]


def with_tiktoken(ours: BPETokenizer) -> Encode:
    from tiktoken import Encoding

    if len(PATTERNS[ours.pre]) > 1:
        raise ValueError("it cuts with one pattern only")
    ranks = {unspell(letter): rank for rank, letter in enumerate(ALPHABET)}
    for left, right in ours.merges:
        ranks.setdefault(unspell(left + right), len(ranks))
    theirs = Encoding("ours", pat_str=PATTERNS[ours.pre][0], mergeable_ranks=ranks, special_tokens={})
    return lambda texts: [theirs.encode_ordinary(text) for text in texts]


def with_tokie(ours: BPETokenizer) -> Encode:
    import tokie

    theirs = tokie.Tokenizer.from_json(as_file(published(ours)))
    return lambda texts: [one.ids for one in theirs.encode_batch(texts, add_special_tokens=False)]


def with_splintr(ours: BPETokenizer) -> Encode:
    import splintr

    theirs = splintr.from_json_bytes(published(ours).encode())
    return lambda texts: [theirs.encode_ordinary(text) for text in texts]


def with_kitoken(ours: BPETokenizer) -> Encode:
    import kitoken

    theirs = kitoken.Kitoken.from_tokenizers(published(ours).encode())
    return lambda texts: theirs.encode_all(texts, False)


def with_gigatoken(ours: BPETokenizer) -> Encode:
    import gigatoken

    theirs = gigatoken.Tokenizer(as_file(published(ours)))
    return lambda texts: theirs.encode_batch(texts).to_list()


ENCODERS: dict[str, Callable[[BPETokenizer], Encode]] = {
    "twofold": with_twofold,
    "tokenizers": with_tokenizers,
    "tiktoken": with_tiktoken,
    "tokie": with_tokie,
    "splintr": with_splintr,
    "kitoken": with_kitoken,
    "gigatoken": with_gigatoken,
}


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def compare_learning(texts: list[str], vocab_size: int, pre: str) -> None:
    print(f"\nLearning {vocab_size:,} tokens from {megabytes(texts):.1f} MB, {pre}")
    took: dict[str, list[float]] = {"twofold": [], "tokenizers": []}
    for _ in range(ROUNDS):
        spent, ours = seconds(lambda: train_bpe(texts, vocab_size, pre, ()))
        took["twofold"].append(spent)
        spent, theirs = seconds(lambda: learn_with_tokenizers(texts, vocab_size, pre))
        took["tokenizers"].append(spent)
    show({name: statistics.median(times) for name, times in took.items()}, "s")
    print(f"  the same merges: {ours.merges == theirs}")


def compare_encoding(ours: BPETokenizer, texts: list[str]) -> list[str]:
    print(f"\nEncoding {megabytes(texts):.1f} MB of unseen text, {ours.vocab_size:,} tokens, {ours.pre}")
    fresh: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    results: dict[str, list[list[int]]] = {}
    for _ in range(ROUNDS):
        for name, make in ENCODERS.items():
            try:
                encode = make(ours)
                spent, results[name] = seconds(lambda encode=encode: encode(texts))
            except Exception as error:
                if name not in fresh:
                    print(f"  {name:11} left out: {str(error).splitlines()[0]:.70}")
                continue
            fresh.setdefault(name, []).append(spent)
            again.setdefault(name, []).append(seconds(lambda encode=encode: encode(texts))[0])
    size = megabytes(texts)
    print("  first time")
    show({name: size / statistics.median(times) for name, times in fresh.items()}, "MB/s")
    print("  again")
    show({name: size / statistics.median(times) for name, times in again.items()}, "MB/s")
    print(f"  other ids than ours: {[name for name in results if results[name] != results['twofold']] or 'none'}")
    return list(results)


def hard_texts(texts: Iterable[str]) -> dict[str, str]:
    rng = random.Random(0)
    million = 1_000_000
    return {
        "one letter": "a" * million,
        "spaces": " " * million,
        "line ends": "\n" * million,
        "digits": "".join(rng.choices("0123456789", k=million)),
        "text without spaces": "".join("".join(text.split()) for text in texts)[:million],
        "random letters": "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=million)),
        "Han": "".join(chr(rng.randrange(0x4E00, 0x9FFF)) for _ in range(million // 3)),
        "emoji": "🙂" * (million // 4),
        "punctuation": "!?" * (million // 2),
    }


def encode_alone(name: str, ours: BPETokenizer, text: str, out: Any) -> None:
    encode = ENCODERS[name](ours)
    encode(["a"])
    out.put(seconds(lambda: encode([text])[0]))


def compare_hard_texts(ours: BPETokenizer, texts: list[str], names: list[str]) -> None:
    print(f"\nOne megabyte of …, seconds ({ours.pre}; ≠: other ids than ours)")
    print(" " * 22 + "".join(f"{name:>12}" for name in names))
    for what, text in hard_texts(texts).items():
        row, expected = "", None
        for name in names:
            out: Any = multiprocessing.Queue()
            process = multiprocessing.Process(target=encode_alone, args=(name, ours, text, out))
            process.start()
            try:
                spent, ids = out.get(timeout=PATIENCE)
                expected = expected or ids
                row += f"{spent:10.2f} {' ' if ids == expected else '≠'}"
            except queue.Empty:
                row += f"{'crashed' if process.exitcode else f'over {PATIENCE}':>10}  "
            process.kill()
            process.join()
        print(f"  {what:20}{row}")


def compare_sizes(learn: list[str], held_out: dict[str, list[str]]) -> None:
    sizes = (1024, 2048, 4096, 8192, 16384)
    print("Bytes per token on text held out (larger: fewer tokens)\n")
    print(f"  {'':10} {'':10}" + "".join(f"{size:>9,}" for size in sizes))
    for pre in PATTERNS:
        largest = train_bpe(learn, max(sizes), pre)
        for source, texts in held_out.items():
            ratios = [bytes_per_token(shrink(largest, size), texts) for size in sizes]
            print(f"  {pre:10} {source:10}" + "".join(f"{ratio:9.3f}" for ratio in ratios), flush=True)


def show(values: dict[str, float], unit: str) -> None:
    for name, value in values.items():
        print(f"    {name:11} {value:8.2f} {unit:4}  {value / values['twofold']:6.2f} × ours")


def megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--pre", default="qwen2", choices=PATTERNS)
    parser.add_argument("--sizes", action="store_true", help="only the table of bytes per token")
    options = parser.parse_args()
    sources = {"sotu": [one.text for one in sotu()], "factbook": [one.text for one in factbook()]}
    learn = [text for texts in sources.values() for text in texts[::2]]
    held_out = {name: texts[1::2] for name, texts in sources.items()}
    if options.sizes:
        compare_sizes(learn, held_out)
        return
    unseen = [text for texts in held_out.values() for text in texts]
    compare_learning(learn + unseen, options.vocab, options.pre)
    ours = train_bpe([*learn, "aaaaaaaaaaaaaaaa " * 9], options.vocab, options.pre, ())
    names = compare_encoding(ours, unseen)
    compare_hard_texts(ours, unseen, names)


if __name__ == "__main__":
    main()
