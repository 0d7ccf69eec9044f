"""`twofold export`: a model as a Hugging Face folder or as a GGUF file of another number type."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import console, number, print_json, size

if TYPE_CHECKING:
    from twofold.weights.parameters import Parameters

__all__ = ["export", "report"]


def export(
    model: Annotated[str, typer.Argument(
        metavar="MODEL", help="A folder with parameters.gguf, a .gguf file, or smollm2-135m.")],
    to: Annotated[str, typer.Option(help="hf (a Hugging Face folder) or gguf (one file).")],
    out: Annotated[Path | None, typer.Option(help="Where it goes; beside the model when not given.")] = None,
    dtype: Annotated[str | None, typer.Option(
        "--type", help="f32, bf16, f16, or for gguf also q8_0. The model's own when not given.")] = None,
    adapter: Annotated[Path | None, typer.Option(
        metavar="FILE", help="What `twofold finetune --lora` learned of this model, to be merged into it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a model as a Hugging Face folder or a GGUF file.

    \b
    twofold export runs/mine --to hf
    twofold export runs/mine --to gguf --type q8_0
    twofold export smollm2-135m --to hf --out smollm2
    twofold export smollm2 --to gguf --adapter runs/mine/adapter.safetensors --out mine.gguf

    transformers loads the folder, llama.cpp the file. Shapes that transformers lacks are kept in GGUF only.
    """
    from twofold.errors import ConfigError
    from twofold.weights import adapters
    from twofold.weights.hugging_face import export_folder
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load, lossless_type, save

    if to not in ("hf", "gguf"):
        raise ConfigError(f"--to {to} is not known; choose hf or gguf")
    path = locate(model)
    parameters = load(path)
    if adapter:
        parameters = adapters.merged(parameters, adapters.load(adapter), adapters.fingerprint(path))
    place, name = (Path(model), Path(model).resolve().name) if Path(model).is_dir() else (Path(), Path(model).stem)
    chosen = dtype.upper() if dtype else lossless_type(parameters)
    if to == "hf":
        files = export_folder(parameters, out or place / f"{name}-hf", dtype.upper() if dtype else None)
    else:
        target = out or place / f"{name}-{chosen.lower()}.gguf"
        if target.exists() and target.samefile(path):
            raise ConfigError(f"{target} is the model itself; choose another --out")
        save(target, parameters.config, parameters.state, parameters.tokenizer, dtype=chosen,
             chat_template=parameters.chat_template, lineage=parameters.lineage)
        files = [target]
    report(parameters, files, out or (files[0].parent if to == "hf" else files[0]), as_json)


def report(parameters: Parameters, files: list[Path], out: Path, as_json: bool) -> None:
    """Say what was written, for a person or as JSON."""
    count = sum(array.size for array in parameters.state.values())
    sizes = {file.name: file.stat().st_size for file in files}
    if as_json:
        print_json({"out": out, "architecture": parameters.config.architecture, "parameters": count, "files": sizes})
        return
    screen = console()
    for name, n_bytes in sizes.items():
        screen.print(f"{name:28} {size(n_bytes):>9}")
    screen.print(f"{number(count)} parameters, {parameters.config.architecture}, in {out}")
