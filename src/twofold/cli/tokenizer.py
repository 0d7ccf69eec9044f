"""`twofold tokenizer`: learn a vocabulary from text, and look at what a tokenizer makes of a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import AsJson
from twofold.cli.output import console, duration, print_json, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twofold.data.corpus import Corpus
    from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["tokenizer"]

FILE = "tokenizer.json"
ROWS, WIDEST = 100, 12  # tokens in the table of `show`; longest tokens that a report names
VISIBLE = {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥"}


def tokenizer(
    sources: Annotated[list[str], typer.Argument(
        metavar="SOURCE... | show MODEL TEXT", show_default=False,
        help="A folder that `twofold data` made, or any sources that it takes; "
             "or the word show, then a model or a tokenizer.json, then a text.")],
    vocab: Annotated[int, typer.Option(help="Tokens in the vocabulary, special ones included.")] = 4096,
    pre: Annotated[str, typer.Option(help="Where text is cut first: qwen2, smollm (digits one by one), llama-bpe or "
                                          "gpt-2.")] = "qwen2",
    out: Annotated[Path, typer.Option(help="Where tokenizer.json goes.")] = Path("runs/tokenizer"),
    as_json: AsJson = False,
) -> None:
    """Train a tokenizer on prepared text.

    \b
    twofold tokenizer runs/data --vocab 4096 --out runs/tokenizer
    twofold tokenizer my-texts/ --vocab 2048
    twofold tokenizer show runs/tokenizer "It's 1984!"
    twofold tokenizer show smollm2-135m "It's 1984!"

    Sources that are not prepared yet are prepared first, as `twofold data` does. The part that is held out tells how
    many bytes of text a token stands for. show prints the tokens of a text, their ids and their bytes.
    """
    if sources[0] == "show":
        _show(sources[1:], as_json)
    else:
        _train(sources, vocab, pre, out, as_json)


def _train(sources: Sequence[str], vocab: int, pre: str, out: Path, as_json: bool) -> None:
    import time

    from twofold.atomic import atomic_write
    from twofold.tokenizer.sizes import bytes_per_token
    from twofold.tokenizer.train import check_wishes, train_bpe

    check_wishes(vocab, pre)
    with console(stderr=True).status("reading") as status:
        corpus = _corpus(sources, out, status)
        status.update(f"learning {vocab:,} tokens from {size(corpus.bytes('train'))}")
        start = time.perf_counter()
        learned = train_bpe((document.text for document in corpus.documents("train")), vocab, pre)
        seconds = time.perf_counter() - start
        atomic_write(out / FILE, learned.to_json())
        held_out = {source: bytes_per_token(learned, (document.text for document in corpus.documents("val", source)))
                    for source in corpus.sources}
    longest = sorted((i for i in range(learned.vocab_size) if i not in learned.specials.values()),
                     key=lambda i: len(learned.decode_bytes([i])), reverse=True)[:WIDEST]
    if as_json:
        print_json({
            "out": out / FILE, "vocab_size": learned.vocab_size, "pre": pre, "specials": learned.specials,
            "seconds": seconds, "bytes_per_token": held_out, "longest": [_visible(learned, i) for i in longest],
        })
        return
    screen = console()
    screen.print(f"{learned.vocab_size:,} tokens from {size(corpus.bytes('train'))} of text in {duration(seconds)}")
    if learned.vocab_size < vocab:
        screen.print(f"Note: fewer than {vocab:,}, since no pair of tokens occurs twice any more", style="yellow")
    screen.print("\nBytes per token on text held out:")
    for source, ratio in held_out.items():
        screen.print(f"  {source:12} {ratio:.2f}")
    screen.print(f"\nLongest tokens: {'  '.join(_visible(learned, i) for i in longest)}", soft_wrap=True)
    screen.print(f"\nThe tokenizer is in {out / FILE}")


def _corpus(sources: Sequence[str], out: Path, status: Any) -> Corpus:
    from twofold.data.corpus import Corpus
    from twofold.data.prepare import prepare

    prepared = Path(sources[0])
    if len(sources) == 1 and (prepared / "manifest.json").is_file():
        return Corpus.open(prepared)
    return prepare(sources, out / "text", progress=lambda what, done, total: status.update(what))


def _show(words: Sequence[str], as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from twofold.errors import ConfigError

    if len(words) != 2:
        raise ConfigError('show takes a model or a tokenizer.json, and a text: twofold tokenizer show MODEL "text"')
    opened = _open(words[0])
    ids = opened.encode(words[1])
    n_bytes = len(opened.decode_bytes(ids))
    ratio = n_bytes / max(1, len(ids))
    if as_json:
        tokens = [{"id": i, "text": _visible(opened, i), "bytes": opened.decode_bytes([i]).hex()} for i in ids]
        print_json({"tokens": tokens, "count": len(ids), "bytes": n_bytes, "bytes_per_token": ratio,
                    "vocab_size": opened.vocab_size, "pre": opened.pre})
        return
    line = Text()
    for n, i in enumerate(ids):
        line.append("" if n == 0 else "│", style="dim")
        line.append(_visible(opened, i), style=("cyan", "magenta")[n % 2])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in (("id", "right"), ("token", "left"), ("bytes", "left")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for i in ids[:ROWS]:
        table.add_row(str(i), _visible(opened, i), opened.decode_bytes([i]).hex(" "))
    screen = console()
    screen.print(line, soft_wrap=True)
    screen.print(f"\n{len(ids):,} tokens, {n_bytes:,} bytes, {ratio:.2f} bytes per token "
                 f"(vocabulary {opened.vocab_size:,}, pre-tokenizer {opened.pre})\n")
    screen.print(table)
    if len(ids) > ROWS:
        screen.print(f"… and {len(ids) - ROWS:,} more; --json prints them all")


def _open(place: str) -> BPETokenizer:
    """The tokenizer of a tokenizer.json, of a folder that holds one, or of a model."""
    from twofold.tokenizer.bpe import BPETokenizer
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load

    path = Path(place)
    if path.is_dir() and (path / FILE).is_file():
        path /= FILE
    if path.suffix == ".json" and path.is_file():
        return BPETokenizer.from_json(path)
    return load(locate(place), arrays=False).tokenizer


def _visible(opened: BPETokenizer, i: int) -> str:
    """The token so that one can see it: whitespace as a sign, what is no UTF-8 or not printable as \\x.."""
    text = opened.decode_bytes([i]).decode("utf-8", "backslashreplace")
    return "".join(VISIBLE.get(letter, letter if letter.isprintable() else _escaped(letter)) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
