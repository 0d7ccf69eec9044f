"""What every stage after the first has in common: a model in, a changed model out, in a folder that belongs to it.

    alone -> wishes, begun -> measured -> begin -> learning … training … -> write_files

A folder belongs to one model, data and choices. They are written down before the first step with what the machine was
found to be, and a run that goes on takes the same again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from twofold.atomic import atomic_write
from twofold.engine.open import Engine, from_decoder, taught_tools
from twofold.errors import ConfigError, FileFormatError
from twofold.make.recipe import MachineSettings
from twofold.model.decoder import Decoder
from twofold.model.devices import pick_device
from twofold.tokenizer.chat import TEMPLATE
from twofold.train.distributed import join_group
from twofold.train.machine import Machine, measure
from twofold.tune.lora import adapter_of, wrap
from twofold.weights import adapters
from twofold.weights.locate import PARAMETERS
from twofold.weights.parameters import Parameters, lossless_type, save
from twofold.weights.torch_state import from_decoder as arrays_of
from twofold.weights.torch_state import to_decoder
from twofold.weights.two_files import write_run_file

__all__ = ["LARGE", "alone", "as_begun", "begin", "begun", "engine_of", "learning", "measured", "what_learns", "wishes",
           "write_files"]  # fmt: skip

LARGE = 50_000_000  # parameters, from which on a model is large
_OPEN = ("context", "batch", "lr")  # of these 0 was decided by the model


def alone(machine: MachineSettings) -> None:
    """Raises ConfigError where several processes were launched, and GroupError where they do not find each other."""
    group = join_group(pick_device(machine.device))
    if group.world > 1:
        group.close()
        raise ConfigError("a model is tuned on one process; start it without torchrun")


def engine_of(parameters: Parameters) -> Engine:
    """Around the model in memory, with the template that its file has, or ours."""
    engine = from_decoder(to_decoder(parameters), parameters.tokenizer)
    engine.chat_template, engine.tools = parameters.chat_template, taught_tools(parameters.lineage)
    return engine


def wishes(settings: Any, base: str, data: Sequence[str]) -> dict[str, Any]:
    """All that decides a run: the model, the settings (a dataclass), and the files of `data` as they are."""
    files = {name: adapters.fingerprint(name) for name in data if Path(name).is_file()}
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return {"base": base, "data": files, "settings": plain}


def begun(path: Path, now: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was written down when the run of this folder began, if there is one.

    Raises ConfigError for one of other wishes, or where another model is in the folder.
    """
    if not path.exists():
        if (path.parent / PARAMETERS).exists():
            raise ConfigError(f"{path.parent} holds another model; choose another folder with --out")
        return None
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept, _ = known["settings"], known["machine"]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} cannot be read ({error}); choose another folder with --out") from error
    same = known["base"] == now["base"] and known["data"] == now["data"] and all(
        kept.get(name) == value or (name in _OPEN and not value) for name, value in now["settings"].items())
    if not same:
        raise ConfigError(
            f"{path.parent} holds a run that was begun with another model, other data or other choices "
            f"(see {path}); choose another folder with --out, or give the same ones to go on with that run"
        )
    return known


def as_begun(machine: MachineSettings, known: Mapping[str, Any] | None) -> MachineSettings:
    """The same bits as before need the same kind of arithmetic."""
    if known is None:
        return machine
    was = known["machine"]
    return dataclasses.replace(machine, dtype=was["dtype"], threads=was["threads"], compiled=was["compiles"])


def measured(machine: MachineSettings) -> Machine:
    device = pick_device(machine.device)
    return measure(device, machine.threads, machine.dtype, None if machine.compiled else False)


def begin(path: Path, now: Mapping[str, Any], machine: Machine) -> None:
    """Write down what the run is."""
    atomic_write(path, json.dumps({**now, "machine": machine.to_dict()}, indent=1))


def learning(engine: Engine, rank: int, alpha: float, seed: int, machine: Machine) -> Decoder:
    """The decoder on its device; wrapped, where there is a rank, with what is frozen in the type of the products."""
    decoder = engine.backend.model.to(machine.device)  # type: ignore[attr-defined]
    if rank:
        wrap(decoder, rank, alpha, seed)
        for parameter in decoder.parameters():
            if not parameter.requires_grad and parameter.ndim == 2:
                parameter.data = parameter.data.to(machine.torch_dtype)
    return decoder  # type: ignore[no-any-return]


def what_learns(model: nn.Module) -> str:
    learns = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return f"{learns:,} of {sum(parameter.numel() for parameter in model.parameters()):,} parameters learn"


def write_files(
    decoder: Decoder, parameters: Parameters, wrapped: bool, base: str, lineage: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The two files, and of a wrapped model the adapter, from which the first of them is made, in full precision."""
    if wrapped:
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
    written = [folder / PARAMETERS, program, *([folder / adapters.ADAPTER] if wrapped else [])]
    return {path.name: {"bytes": path.stat().st_size, "sha256": adapters.fingerprint(path)} for path in written}
