"""`twofold chat`: a conversation with a model in the terminal, or one question and its answer."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import AsJson
from twofold.cli.output import console, note, print_json, size
from twofold.errors import ConfigError, MissingExtra, UserError

if TYPE_CHECKING:
    from twofold.cli.talk import Answer, Talk
    from twofold.data.labels import Given
    from twofold.weights.locate import Known

__all__ = ["COMMANDS", "chat"]

COMMANDS = {
    "system": "TEXT: what every answer begins from; without TEXT, show it; - takes it away",
    "set": "NAME VALUE: temperature, top_k, top_p, min_p, repeat, seed or n; without, show them",
    "retry": "another answer to the last question",
    "undo": "take the last question and its answer back",
    "new": "begin anew",
    "forget": "where the context is full, leave out the oldest turns; off: no longer",
    "flag": "good or bad: what you think of the last answer; kept in the file of --labels",
    "correct": "TEXT: what the last answer should have been; kept, and gone on from",
    "save": "FILE: keep the conversation, for /load and for the chat page",
    "load": "FILE: go on from a conversation that was kept",
    "help": "this list",
    "quit": "end; so do Ctrl-D, and Ctrl-C twice",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a terminal might obey
REPLACED = "\ufffd"


def chat(
    model: Annotated[str, typer.Argument(
        metavar="MODEL", help="A folder with parameters.gguf, a .gguf file, or smollm2.")],
    question: Annotated[str, typer.Argument(
        metavar="[QUESTION]", help="One question, to be answered and no more; - reads it from standard input.")] = "",
    system: Annotated[str, typer.Option(help="The system prompt, which every answer begins from.")] = "",
    n: Annotated[int, typer.Option("-n", help="How many tokens an answer has at most.", min=1)] = 512,
    temperature: Annotated[float | None, typer.Option(
        help="0 takes the likeliest token, 1 draws as the model believes, above is bolder. Without, 0.8; and 0 for an "
             "assistant that was made here, which is small and right more often when it does not guess.",
        show_default=False)] = None,
    top_k: Annotated[int, typer.Option(help="Keep this many of the likeliest tokens; 0 keeps all.")] = 40,
    top_p: Annotated[float, typer.Option(help="Keep the fewest tokens that hold this much of the chance.")] = 0.95,
    min_p: Annotated[float, typer.Option(
        help="Keep tokens at least this many times as likely as the likeliest.")] = 0.05,
    repeat: Annotated[float, typer.Option(help="Above 1, what was written of late becomes less likely.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Which of the possible answers; without, another each time.")] = None,
    forget: Annotated[bool, typer.Option(
        "--forget", help="Where the context is full, leave out the oldest turns and go on.")] = False,
    load: Annotated[Path | None, typer.Option(help="Go on from a conversation that /save or the page wrote.")] = None,
    tools: Annotated[str, typer.Option(
        metavar="NAMES", help="What the model may call: calculator, none, or auto for what it was taught.")] = "auto",
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Where /flag and /correct keep what you say of answers.")] = None,
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who says it.")] = "",
    backend: Annotated[str, typer.Option(help="native, numpy, torch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, mps, or auto; other than cpu means torch.")] = "auto",
    yes: Annotated[bool, typer.Option("--yes", help="Download the model, if that is needed, without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Talk with a model in the terminal.

    \b
    twofold chat smollm2
    twofold chat runs/mine --temperature 0.5
    twofold chat smollm2 "What is 48213 * 377?" --tools calculator
    twofold chat smollm2 "Why is the sky blue?" --json
    twofold chat runs/mine --labels labels.jsonl
    printf 'Hello\\n/undo\\nGood day\\n' | twofold chat smollm2

    Enter sends, Alt+Enter makes a line, and /help lists what else there is. Ctrl-C stops an answer; a second one ends.
    A model without a chat template goes on from your text instead. From a pipe each line is a turn, and only answers go
    to standard output.
    """
    from twofold.contracts import Sampling

    if as_json and not question:
        raise UserError('--json answers one question; give it: twofold chat MODEL "…" --json')
    if question == "-":
        question = sys.stdin.read()
    path = _find(model, yes)
    from twofold.agent.offering import offered
    from twofold.cli.talk import Talk
    from twofold.engine.open import open_model
    from twofold.engine.sampling import check
    from twofold.engine.service import Service

    sampling = Sampling(top_k=top_k, top_p=top_p, min_p=min_p, repeat=repeat, seed=seed or 0)
    check(sampling if temperature is None else replace(sampling, temperature=temperature))
    begun = time.perf_counter()
    engine = open_model(path, backend, device, tell=note)  # type: ignore[arg-type]
    loaded = time.perf_counter() - begun
    sampling = replace(sampling, temperature=engine.usual.temperature if temperature is None else temperature)
    with Service(engine, slots=1) as service:
        talk = Talk(engine, service, sampling, n, seed, system, forget=forget)
        if load:
            talk.load(load)
        if labels:
            from twofold.cli.label import user
            from twofold.data.labels import LabelFile, check_name

            check_name(who or user())
            talk.labels, talk.by = LabelFile(labels), who or user()
        talk.tools, talk.tell = offered(tools, engine), lambda step: _tell(f"\n{CONTROL.sub(REPLACED, str(step))}")
        if not talk.chats:
            _tell(f"{model} has no chat template: it goes on from what you write, rather than answering.")
        if as_json:
            print_json({**_figures(talk, question), "model": model, "load_seconds": loaded})
        elif question:
            _answered(talk, talk.ask(question, _shower()))
        else:
            _converse(talk, model)


def _find(model: str, yes: bool) -> Path:
    """The model's file, downloaded where its name is known, it is not here, and the user agrees."""
    from twofold.weights.locate import KNOWN, locate

    try:
        return locate(model)
    except MissingExtra as missing:
        known = KNOWN[model.lower()]
        offer = f"it can be downloaded once, {size(known.size)}"
        if not yes:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise MissingExtra(f"{missing}; or {offer}: twofold chat {model} --yes") from None
            _tell(f"{model} is not here; {offer}, from the Hugging Face hub.")
            if not typer.confirm("Download it?", default=True, err=True):
                raise MissingExtra(str(missing)) from None
        return _download(known)


def _download(known: Known) -> Path:
    from twofold.weights.download import download, url_of

    _tell(f"fetching {url_of(known)}, {size(known.size)}")
    if not sys.stderr.isatty():
        return download(known)
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    with Progress(BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
                  console=console(stderr=True), transient=True) as bar:  # fmt: skip
        task = bar.add_task("", total=known.size)
        return download(known, lambda have: bar.update(task, completed=have))


def _converse(talk: Talk, model: str) -> None:
    """Turn after turn, until there is no more or the user ends it."""
    from twofold.cli.lines import editor, piped
    from twofold.weights.locate import downloads

    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    read = editor(downloads().parent / "chat-history", tuple(COMMANDS)) if terminal else piped
    if terminal:
        _tell(f"{model}, {talk.engine.context:,} tokens of context. It is small, so check what it says. /help, /quit")
    leaving = False  # after a Ctrl-C, until something is said
    while True:
        try:
            said = read()
            if said is None:
                return
            leaving = False
            if said.strip() and not _obey(talk, said):
                return
        except UserError as error:
            _tell(str(error))
        except KeyboardInterrupt:
            if leaving or not terminal:
                raise
            leaving = True
            print(flush=True)
            _tell("stopped; Ctrl-C again ends, as /quit does")


def _obey(talk: Talk, said: str) -> bool:
    """Do what a line says: a command after a single /, else a turn. False ends the conversation."""
    if not said.startswith("/") or said.startswith("//"):
        _answered(talk, talk.ask(said.removeprefix("/") if said.startswith("//") else said, _shower()))
        return True
    name, _, rest = said[1:].strip().partition(" ")
    rest = rest.strip()
    if name in ("quit", "exit", "bye"):
        return False
    if name == "help":
        _tell("\n".join(f"  /{command:<8}{what}" for command, what in COMMANDS.items()))
        _tell("  Enter sends; Alt+Enter makes a line; a line that begins with // is said with one /")
    elif name == "system":
        if rest:
            talk.system = "" if rest == "-" else rest
        _tell(f"system prompt: {talk.system or 'none'}")
    elif name == "set":
        if rest:
            setting, _, value = rest.replace("=", " ").partition(" ")
            talk.set(setting.replace("-", "_"), value.strip())
        _tell("  ".join(f"{setting} {value}" for setting, value in talk.settings.items()))
    elif name == "undo":
        _tell(f"taken back: {talk.undo().text}")
    elif name == "retry":
        _answered(talk, talk.retry(_shower()))
    elif name == "new":
        talk.turns.clear()
        _tell("a new conversation")
    elif name == "forget":
        if rest not in ("", "off"):
            raise ConfigError(f"it is /forget or /forget off, not /forget {rest:.40}")
        talk.forget = not rest
        _tell("the oldest turns are left out where the context is full" if talk.forget else "nothing is left out")
    elif name in ("flag", "correct"):
        _judge(talk, name, rest)
    elif name in ("save", "load"):
        if not rest:
            raise ConfigError(f"/{name} needs the name of a file, as in: /{name} talk.json")
        path = Path(rest).expanduser()
        if name == "save":
            talk.save(path)
        else:
            talk.load(path)
        _tell(f"{'kept in' if name == 'save' else 'going on from'} {path}, {len(talk.turns)} turns")
    else:
        raise ConfigError(f"there is no command /{name}; /help lists them, and // begins a text with a /")
    return True


def _judge(talk: Talk, name: str, rest: str) -> None:
    from twofold.data.labels import now

    if name == "flag" and rest not in ("good", "bad"):
        raise ConfigError(f"an answer is flagged good or bad, as in /flag bad, not {rest!r:.40}")
    if name == "correct" and not rest:
        raise ConfigError("/correct needs what the answer should have been, as in: /correct Porto-Novo.")
    given: Given = "corrected" if name == "correct" else "good" if rest == "good" else "bad"
    path = talk.judge(given, now(), rest if name == "correct" else "")
    _tell(f"{given}: kept in {path}")


def _shower() -> Callable[[str], None]:
    """Prints text as it comes. To a terminal, nothing that it would obey."""
    terminal = sys.stdout.isatty()
    return lambda text: print(CONTROL.sub(REPLACED, text) if terminal else text, end="", flush=True)


def _answered(talk: Talk, answer: Answer) -> None:
    print(flush=True)
    usage = answer.usage
    read = usage.prompt_tokens - usage.cached_tokens
    parts = [
        f"{usage.completion_tokens} tokens",
        answer.rate and f"{answer.rate:.1f} tokens/s",
        answer.first and f"the first after {answer.first:.2f} s",
        f"read {read} of {usage.prompt_tokens} tokens" if usage.cached_tokens else f"read {read} tokens",
        f"stopped at -n {talk.most}" if answer.finish == "length" and usage.completion_tokens >= talk.most
        else "the context is full" + ("" if talk.forget else ": /forget, /undo or /new") if answer.finish == "length"
        else "it wanted more calls than it may make" if answer.finish == "calls" else "",
        answer.forgotten and f"without the first {answer.forgotten} messages, for which there was no room",
    ]  # fmt: skip
    _tell(", ".join(part for part in parts if part))


def _figures(talk: Talk, question: str) -> dict[str, Any]:
    """One question and its answer as data."""
    answer = talk.ask(question, lambda _: None)
    return {
        "answer": answer.text,
        "question": question,
        "finish": answer.finish,
        "tokens": answer.usage.completion_tokens,
        "ids": [token.id for token in answer.tokens],
        "probabilities": [token.probability for token in answer.tokens],
        "calls": [
            {"tool": step.call.name, "arguments": step.call.arguments, "result": step.outcome.text,
             "failed": step.outcome.failed, "seconds": step.outcome.seconds}
            for step in answer.steps
        ],
        "prompt_tokens": answer.usage.prompt_tokens,
        "cached_tokens": answer.usage.cached_tokens,
        "forgotten_messages": answer.forgotten,
        "time_to_first_token": answer.first,
        "tokens_per_second": answer.rate,
        "seed": answer.seed,
        "sampling": {**vars(talk.sampling), "seed": answer.seed},
        "system": talk.system,
        "mode": "chat" if talk.chats else "text",
        "context": talk.engine.context,
        "backend": talk.engine.backend.name,
    }


def _tell(words: str) -> None:
    """On standard error, faint on a terminal: what is not the model's."""
    console(stderr=True).print(words, style="dim", soft_wrap=True)
