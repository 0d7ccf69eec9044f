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
from twofold.engine.open import Engine, from_decoder
from twofold.errors import ConfigError, FileFormatError, SourceError
from twofold.make.answers import AnswerRun
from twofold.make.observer import Observer
from twofold.make.recipe import MachineSettings
from twofold.model.decoder import Decoder
from twofold.model.devices import pick_device
from twofold.tokenizer.chat import TEMPLATE
from twofold.train.distributed import join_group
from twofold.train.machine import Machine, measure
from twofold.tune.examples import Example, example
from twofold.tune.lora import adapter_of, wrap
from twofold.tune.packing import Rows, pack
from twofold.tune.settings import TuneSettings
from twofold.weights import adapters
from twofold.weights.locate import PARAMETERS, locate
from twofold.weights.parameters import Parameters, load, lossless_type, save
from twofold.weights.torch_state import from_decoder as arrays_of
from twofold.weights.torch_state import to_decoder
from twofold.weights.two_files import write_run_file

__all__ = ["TEXT", "finetune"]

_WISHES = "finetune.json"
TEXT = "text"  # of a run, to be gone on with
_CONTINUATIONS = 5_000  # of it
_LARGE = 50_000_000  # parameters
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
    model: str, settings: TuneSettings, machine: MachineSettings, folder: Path, observer: Observer,
    files: Path | None = None,
) -> dict[str, Any]:
    """Make the assistant in `folder`, its two files in `files` if that is another; return the results.

    Raises ConfigError when the folder holds another run or the choices do not fit the model, SourceError for
    conversations that cannot be read, GroupError, and Interrupted after Ctrl-C.
    """
    group = join_group(pick_device(machine.device))
    if group.world > 1:
        group.close()
        raise ConfigError("finetuning runs on one process; start it without torchrun")
    path = locate(model)
    base = adapters.fingerprint(path)
    begun = _begun(folder, settings, base)

    observer.stage("model", str(path))
    parameters = load(path)
    settings = _resolved(settings, parameters)
    engine = _engine(to_decoder(parameters), parameters)

    observer.stage("conversations", ", ".join(settings.data))
    material = _conversations(engine, settings, path.parent, observer)
    replay = _replay(parameters, path, settings, folder, observer)

    observer.stage("machine", "measuring this machine")
    if begun:  # the same bits as before need the same kind of arithmetic
        known = begun["machine"]
        machine = dataclasses.replace(machine, dtype=known["dtype"], threads=known["threads"],
                                      compiled=known["compiles"])
    found = measure(pick_device(machine.device), machine.threads, machine.dtype, None if machine.compiled else False)
    decoder = _learning(engine, settings, found)
    parents = [{"sha256": base, "lineage": parameters.lineage}]
    del parameters  # half a gigabyte of them is not needed while others learn
    atomic_write(folder / _WISHES, json.dumps({**_wishes(settings, base), "machine": found.to_dict()}, indent=1))

    time = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
    observer.stage("training", f"{time}, {_what_learns(decoder)}")
    run = AnswerRun(decoder, engine, settings, material.rows, material.held, replay, folder, found, observer,
                    material.asked, machine.save_seconds)  # fmt: skip
    before, after = run.go()

    target = files or folder
    observer.stage("two files", f"{target / PARAMETERS} and run.py")
    schedule = run.course.clock.schedule
    repeatable = dataclasses.replace(settings, steps=schedule.steps, revisions=schedule.revisions)
    lineage = {"code": __version__, "parents": parents, "tokens": run.tokens,
               "finetuning": dataclasses.asdict(repeatable), "tools": list(material.tools)}
    written = _files(decoder, load(path), settings, base, lineage, target)
    results = {
        "name": folder.name, "code_version": __version__, "base": {"path": str(path), "sha256": base},
        "settings": dataclasses.asdict(repeatable), "machine": found.to_dict(), "files": written,
        "tools": list(material.tools),
        "conversations": {"rows": len(material.rows.ids), "filled": material.rows.filled, "cut": material.rows.cut,
                          "left_out": material.rows.left_out},
        "learned_parameters": sum(p.numel() for p in decoder.parameters() if p.requires_grad),
        "steps": run.course.step, "tokens": run.tokens, "training_seconds": run.course.clock.spent,
        "bits_per_byte": {"before": before, "after": after},
    }  # fmt: skip
    atomic_write(folder / "results.json", json.dumps(results, indent=1))
    return results


def _engine(decoder: Decoder, parameters: Parameters) -> Engine:
    """Around the model in memory, with the template that its file has, or ours."""
    engine = from_decoder(decoder, parameters.tokenizer)
    engine.chat_template = parameters.chat_template
    return engine


def _resolved(settings: TuneSettings, parameters: Parameters) -> TuneSettings:
    """With what was left open decided by the model's size."""
    config = parameters.config
    context = settings.context or min(_LONGEST, config.context)
    if context > config.context:
        raise ConfigError(f"context={context} is more than the {config.context} that the model was made for")
    large = sum(array.size for array in parameters.state.values()) > _LARGE
    batch = settings.batch or max(1, (2048 if large else 4096) // context)
    lr = settings.lr or (1e-3 if settings.rank else 5e-5 if large else 0.01)
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
            if out and not asked and messages[-1]["role"] == "assistant":
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


def _learning(engine: Engine, settings: TuneSettings, machine: Machine) -> Decoder:
    """The decoder on its device; wrapped, where there is a rank, with what is frozen in the type of the products."""
    decoder = engine.backend.model.to(machine.device)  # type: ignore[attr-defined]
    if settings.rank:
        wrap(decoder, settings.rank, settings.alpha, settings.seed)
        for parameter in decoder.parameters():
            if not parameter.requires_grad and parameter.ndim == 2:
                parameter.data = parameter.data.to(machine.torch_dtype)
    return decoder  # type: ignore[no-any-return]


def _what_learns(decoder: Decoder) -> str:
    learns = sum(parameter.numel() for parameter in decoder.parameters() if parameter.requires_grad)
    return f"{learns:,} of {sum(parameter.numel() for parameter in decoder.parameters()):,} parameters learn"


def _files(
    decoder: Decoder, parameters: Parameters, settings: TuneSettings, base: str, lineage: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The two files, and with a rank the adapter, from which the first of them is made, in full precision."""
    if settings.rank:
        adapter = adapter_of(decoder, base)
        adapters.save(folder / adapters.ADAPTER, adapter)
        parameters = adapters.merged(parameters, adapter, base)
    else:
        parameters = dataclasses.replace(parameters, state=arrays_of(decoder))
    dtype = lossless_type(parameters)
    save(folder / PARAMETERS, parameters.config, parameters.state, parameters.tokenizer,
         dtype="BF16" if dtype == "F32" else dtype, chat_template=parameters.chat_template or TEMPLATE,
         lineage=lineage)  # fmt: skip
    program = write_run_file(folder)
    written = [folder / PARAMETERS, program, *([folder / adapters.ADAPTER] if settings.rank else [])]
    return {path.name: {"bytes": path.stat().st_size, "sha256": adapters.fingerprint(path)} for path in written}


def _wishes(settings: TuneSettings, base: str) -> dict[str, Any]:
    data = {name: adapters.fingerprint(name) for name in settings.data if Path(name).is_file()}
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return {"base": base, "data": data, "settings": plain}


def _begun(folder: Path, settings: TuneSettings, base: str) -> dict[str, Any] | None:
    """How the run in the folder was begun, if there is one: a folder belongs to one model, data and choices."""
    path = folder / _WISHES
    if not path.exists():
        if (folder / PARAMETERS).exists():
            raise ConfigError(f"{folder} holds another model; choose another folder with --out")
        return None
    try:
        begun: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept, _ = begun["settings"], begun["machine"]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} cannot be read ({error}); choose another folder with --out") from error
    now = _wishes(settings, base)
    open_ones = ("context", "batch", "lr")  # 0 was decided by the model
    same = begun["base"] == base and begun["data"] == now["data"] and all(
        kept.get(name) == value or (name in open_ones and not value) for name, value in now["settings"].items())
    if not same:
        raise ConfigError(
            f"{folder} holds a run that was begun with another model, other conversations or other choices "
            f"(see {path}); choose another folder with --out, or give the same ones to go on with that run"
        )
    return begun
