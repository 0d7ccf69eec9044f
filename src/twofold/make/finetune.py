"""`finetune`, the table of contents: a model and conversations in, an assistant in two files out.

    model -> conversations -> text to replay -> training -> two files -> measures

    RUN/finetune.json        all that decides the run          RUN/log.jsonl       what happened, step by step
    RUN/parameters.gguf      the first file, merged            RUN/checkpoints     where to go on from
    RUN/run.py, RUN/run.c    the second file                   RUN/results.json    what was reached
    RUN/adapter.safetensors  with a rank: what was learned, by itself

An unfinished run goes on from its last checkpoint to the losses that it would have had.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold import __version__
from twofold.atomic import atomic_write
from twofold.data.almanac_chat.almanac import KINDS, conversations
from twofold.data.continuations import continuations
from twofold.data.conversation_files import read
from twofold.data.conversations import Conversation
from twofold.data.corpus import Corpus
from twofold.data.prepare import prepare
from twofold.data.tokens import TokenStore, tokenise
from twofold.engine.open import Engine
from twofold.errors import ConfigError, SourceError
from twofold.make import report_assistant, stage
from twofold.make.answers import AnswerRun
from twofold.make.examination import asked_both, suite_for
from twofold.make.observer import Observer
from twofold.make.recipe import MachineSettings
from twofold.tune.examples import Example, example
from twofold.tune.packing import Rows, pack
from twofold.tune.settings import TuneSettings
from twofold.weights import adapters
from twofold.weights.locate import PARAMETERS, locate
from twofold.weights.parameters import Parameters, load

__all__ = ["TEXT", "finetune", "teach"]

_WISHES = "finetune.json"
TEXT = "text"  # of a run, to be gone on with
_CONTINUATIONS = 5_000  # of it
_LONGEST = 512  # tokens in a row, unless another length is wished for

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class _Material:
    """What is learned from, and what is held out; `asked` is a held-out question, `tools` are those that are called."""

    rows: Rows
    held: Rows | None
    asked: Messages
    tools: tuple[str, ...]


def finetune(
    model: str, settings: TuneSettings, machine: MachineSettings, folder: Path, observer: Observer
) -> dict[str, Any]:
    """Make the assistant in `folder`; return the results.

    Raises ConfigError when the folder holds another run or the choices do not fit the model, SourceError for
    conversations that cannot be read, GroupError, and Interrupted after Ctrl-C.
    """
    stage.alone(machine)
    results = teach(model, settings, machine, folder, observer)
    suite = suite_for(settings.data)
    if suite:
        observer.stage("questions", f"{len(suite.questions):,} that were held out, of the {suite.name} suite")
        results["questions"] = asked_both(suite, locate(model), folder / PARAMETERS, observer)
        atomic_write(folder / "results.json", json.dumps(results, indent=1))
    observer.stage("report", str(report_assistant.write_report(folder)))
    return results


def teach(
    model: str, settings: TuneSettings, machine: MachineSettings, folder: Path, observer: Observer,
    files: Path | None = None,
) -> dict[str, Any]:
    """The same, whichever other processes there are; the two files go to `files`, if that is another folder."""
    path = locate(model)
    base = adapters.fingerprint(path)
    begun = stage.begun(folder / _WISHES, stage.wishes(settings, base, settings.data))

    observer.stage("model", str(path))
    parameters = load(path)
    settings = _resolved(settings, parameters)
    engine = stage.engine_of(parameters)

    observer.stage("conversations", ", ".join(settings.data))
    material = _conversations(engine, settings, path.parent, observer)
    replay = _replay(parameters, path, settings, folder, observer)

    observer.stage("machine", "measuring this machine")
    found = stage.measured(stage.as_begun(machine, begun))
    decoder = stage.learning(engine, settings.rank, settings.alpha, settings.seed, found)
    parents = [{"sha256": base, "lineage": parameters.lineage}]
    tools = sorted({*material.tools, *parameters.lineage.get("tools", [])})  # what it was taught before, it still can
    del parameters  # half a gigabyte of them is not needed while others learn
    stage.begin(folder / _WISHES, stage.wishes(settings, base, settings.data), found)

    time = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
    observer.stage("training", f"{time}, {stage.what_learns(decoder)}")
    run = AnswerRun(decoder, engine, settings, material.rows, material.held, replay, folder, found, observer,
                    material.asked, machine.save_seconds)  # fmt: skip
    before, after = run.go()

    target = files or folder
    observer.stage("two files", f"{target / PARAMETERS} and run.py")
    schedule = run.course.clock.schedule
    repeatable = dataclasses.replace(settings, steps=schedule.steps, revisions=schedule.revisions)
    lineage = {"code": __version__, "parents": parents, "tokens": run.tokens,
               "finetuning": dataclasses.asdict(repeatable), "tools": tools}
    written = stage.write_files(decoder, load(path), bool(settings.rank), base, lineage, target)
    results = {
        "name": folder.name, "code_version": __version__, "base": {"path": str(path), "sha256": base},
        "settings": dataclasses.asdict(repeatable), "machine": found.to_dict(), "files": written,
        "tools": tools,
        "conversations": {"rows": len(material.rows.ids), "filled": material.rows.filled, "cut": material.rows.cut,
                          "left_out": material.rows.left_out},
        "parameters": sum(p.numel() for p in decoder.parameters()),
        "learned_parameters": sum(p.numel() for p in decoder.parameters() if p.requires_grad),
        "steps": run.course.step, "tokens": run.tokens, "training_seconds": run.course.clock.spent,
        "bits_per_byte": {"before": before, "after": after},
    }  # fmt: skip
    atomic_write(folder / "results.json", json.dumps(results, indent=1))
    return results


def _resolved(settings: TuneSettings, parameters: Parameters) -> TuneSettings:
    """With what was left open decided by the model's size."""
    config = parameters.config
    context = settings.context or min(_LONGEST, config.context)
    if context > config.context:
        raise ConfigError(f"context={context} is more than the {config.context} that the model was made for")
    large = sum(array.size for array in parameters.state.values()) > stage.LARGE
    batch = settings.batch or max(1, 2048 // context)
    lr = settings.lr or (1e-3 if settings.rank else 5e-5 if large else 0.015)
    return dataclasses.replace(settings, context=context, batch=batch, lr=lr)


def _conversations(engine: Engine, settings: TuneSettings, home: Path, observer: Observer) -> _Material:
    """Each conversation goes to one side by a hash of what it says, so that a copy never stands on both."""
    learned: list[Example] = []
    held: list[Example] = []
    asked: Messages = []
    tools: set[str] = set()
    for name in settings.data:
        for number, one in enumerate(_read(name, settings.seed, home), 1):
            tools.update(call.name for message in one.messages for call in message.tool_calls)
            messages = [message.to_dict() for message in one.messages]
            digest = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).digest()
            out = int.from_bytes(digest[:4], "big") < settings.held_out * 2**32
            (held if out else learned).append(example(engine, messages, f"{name}, conversation {number}"))
            if out and not asked and [one["role"] for one in messages[-2:]] == ["user", "assistant"]:
                asked = messages[:-1]
            if number % 1000 == 0:
                observer.progress("reading conversations", number, number)
    rows = pack(learned, settings.context)
    words = f"{len(learned):,} conversations in {len(rows.ids):,} rows of {settings.context} tokens"
    observer.note(f"{words}, {100 * rows.filled:.0f} % full; {len(held):,} held out")
    if rows.cut or rows.left_out:
        observer.note(f"{rows.cut:,} are longer than a row and were cut at their end, of which {rows.left_out:,} "
                      "had no answer within it and were left out")  # fmt: skip
    try:
        held_rows = pack(held, settings.context)
    except SourceError:
        held_rows = None
    return _Material(rows, held_rows, asked, tuple(sorted(tools)))


def _read(name: str, seed: int, home: Path) -> Iterator[Conversation]:
    """A file's conversations, a built-in set, or passages of the text that the model in the folder `home` learned."""
    if not Path(name).exists():
        if name in KINDS:
            return conversations(seed, name=name)
        if name == TEXT:
            return continuations(Corpus.open(home / "text").documents("train"), _CONTINUATIONS, seed)
    return read(Path(name))


def _replay(
    parameters: Parameters, path: Path, settings: TuneSettings, folder: Path, observer: Observer
) -> TokenStore | None:
    """The text against forgetting: what was named, or that of the run which made the model."""
    if settings.replay_from:
        observer.stage("text", f"reading {', '.join(settings.replay_from)}, to replay")
        corpus = prepare(settings.replay_from, folder / "text", progress=observer.progress)
        store = tokenise(corpus, parameters.tokenizer, folder / "tokens", 0, observer.progress)
    else:
        try:
            store = TokenStore.open(path.parent / "tokens")
        except SourceError:
            if settings.replay:
                raise ConfigError(
                    f"there is no text beside {path} to replay; name some with --replay-from, such as almanac"
                ) from None
            return None
        if store.manifest["vocab_size"] != parameters.tokenizer.vocab_size:
            return None
    return store
