"""`twofold complete`: a model goes on from a text, as it is drawn, token by token."""

from __future__ import annotations

import codecs
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.output import console, note, print_json

if TYPE_CHECKING:
    from twofold.contracts import Sampling, Token
    from twofold.engine.open import Engine

__all__ = ["complete"]


def complete(
    model: Annotated[str, typer.Argument(
        metavar="MODEL", help="A folder with parameters.gguf, a .gguf file, or smollm2-135m.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Where to begin; - reads it from standard input.")] = "",
    n: Annotated[int, typer.Option("-n", help="How many tokens to write at most.", min=0)] = 100,
    temperature: Annotated[float, typer.Option(
        help="0 takes the likeliest token, 1 draws as the model believes, above is bolder.")] = 0.8,
    top_k: Annotated[int, typer.Option(help="Keep this many of the likeliest tokens; 0 keeps all.")] = 40,
    top_p: Annotated[float, typer.Option(help="Keep the fewest tokens that hold this much of the chance.")] = 0.95,
    min_p: Annotated[float, typer.Option(
        help="Keep tokens at least this many times as likely as the likeliest.")] = 0.05,
    repeat: Annotated[float, typer.Option(
        help="Above 1, what was written lately is less likely to come again; 1.1 is a lot.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Which of the possible texts.")] = 0,
    show_probabilities: Annotated[bool, typer.Option(
        "--show-probabilities", help="Show the candidates for each token, with their chances.")] = False,
    special: Annotated[bool, typer.Option(
        "--special", help="Read <|im_start|> and the like in TEXT as special tokens.")] = False,
    backend: Annotated[str, typer.Option(help="native, numpy, torch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, or auto; other than cpu means torch.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Continue a text with a model.

    \b
    twofold complete runs/mine "Once upon a time" -n 200
    twofold complete smollm2-135m "The capital of France is" --temperature 0 -n 5
    twofold complete runs/mine "The" --show-probabilities -n 10

    The same model, text and seed give the same answer, here and in run.py. Tokens pass top-k, then top-p, then min-p;
    then temperature sharpens what is left and one is drawn. Ctrl-C stops.
    """
    from twofold.contracts import Sampling
    from twofold.engine.open import open_model

    sampling = Sampling(temperature, top_k, top_p, min_p, repeat, seed)
    if text == "-":
        text = sys.stdin.read()
    begun = time.perf_counter()
    engine = open_model(model, backend, device, tell=note)  # type: ignore[arg-type]
    prompt = engine.prompt(text, parse_special=special)
    loaded = time.perf_counter()
    tokens = engine.generate(prompt, n, sampling, candidates=10 if show_probabilities else 0)
    if as_json:
        print_json(_figures(engine, text, prompt, tokens, sampling, loaded - begun))
    elif show_probabilities:
        _show_probabilities(engine, text, tokens)
    else:
        _stream(engine, text, len(prompt), tokens)


def _stream(engine: Engine, text: str, n_prompt: int, tokens: Iterator[Token]) -> None:
    """Print whole characters as soon as there are any; Ctrl-C ends the line and goes through."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    written, times = 0, [time.perf_counter()]
    print(text, end="", flush=True)
    try:
        for token in tokens:
            written += 1
            times.append(time.perf_counter())
            print(utf8.decode(_bytes(engine, token)), end="", flush=True)
    finally:
        print(utf8.decode(b"", True), flush=True)
    rate = f", {(written - 1) / (times[-1] - times[1]):.1f} tokens/s" if written > 1 else ""
    first = f", the first after {times[1] - times[0]:.2f} s" if written else ""
    print(f"{written} tokens{first}{rate}", file=sys.stderr)
    if n_prompt + written > engine.context:
        print(f"past {engine.context} tokens, its context, the model saw the latest only", file=sys.stderr)


def _show_probabilities(engine: Engine, text: str, tokens: Iterator[Token]) -> None:
    """One line a token: what was drawn, its chance, and what might have been."""
    screen = console()
    screen.print(f"after {text!r}")
    for token in tokens:
        others = "  ".join(f"{_spelled(engine, one.id)} {one.probability:.1%}" for one in token.candidates)
        screen.print(f"{_spelled(engine, token.id):>16} {token.probability:6.1%}   of   {others}", soft_wrap=True)


def _figures(
    engine: Engine, text: str, prompt: list[int], tokens: Iterator[Token], sampling: Sampling, load_seconds: float
) -> dict[str, Any]:
    """Everything as data; after Ctrl-C, what there was until then."""
    drawn: list[Token] = []
    times = [time.perf_counter()]
    interrupted = False
    try:
        for token in tokens:
            drawn.append(token)
            times.append(time.perf_counter())
    except KeyboardInterrupt:
        interrupted = True
    ended = bool(drawn) and drawn[-1].id == engine.tokenizer.eos_id
    written = b"".join(_bytes(engine, token) for token in drawn)
    figures: dict[str, Any] = {
        "text": written.decode("utf-8", "replace"),
        "prompt": text,
        "tokens": len(drawn),
        "ids": [token.id for token in drawn],
        "probabilities": [token.probability for token in drawn],
        "stopped": "interrupted" if interrupted else "end of text" if ended else "length",
        "prompt_tokens": len(prompt),
        "time_to_first_token": times[1] - times[0] if drawn else None,
        "prompt_tokens_per_second": len(prompt) / (times[1] - times[0]) if drawn else None,
        "tokens_per_second": (len(drawn) - 1) / (times[-1] - times[1]) if len(drawn) > 1 else None,
        "load_seconds": load_seconds,
        "context": engine.context,
        "backend": engine.backend.name,
        "sampling": vars(sampling),
    }
    if drawn and drawn[0].candidates:
        decode = engine.tokenizer.decode
        figures["candidates"] = [
            [{"id": one.id, "text": decode([one.id]), "probability": one.probability} for one in token.candidates]
            for token in drawn
        ]
    return figures


def _bytes(engine: Engine, token: Token) -> bytes:
    """What a token adds to the text: special tokens add nothing."""
    special = token.id in engine.tokenizer.specials.values()
    return b"" if special else engine.tokenizer.decode_bytes([token.id])


def _spelled(engine: Engine, i: int) -> str:
    """A token on one line: quoted, so that spaces and line ends are seen; parts of a character as their bytes."""
    raw = engine.tokenizer.decode_bytes([i])
    try:
        return repr(raw.decode())
    except UnicodeDecodeError:
        return repr(raw)[1:]
