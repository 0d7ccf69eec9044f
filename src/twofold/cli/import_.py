"""`twofold import`: a Hugging Face folder or a GGUF file, checked and brought in as a model in two files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.export import report

__all__ = ["import_"]


def import_(
    source: Annotated[Path, typer.Argument(
        metavar="SOURCE", help="A Hugging Face folder with safetensors in it, or a .gguf file.")],
    out: Annotated[Path | None, typer.Option(help="The model's folder; runs/NAME when not given.")] = None,
    dtype: Annotated[str | None, typer.Option(
        "--type", help="f32, bf16, f16 or q8_0. A folder's own type when not given; a .gguf file is kept as it is.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring a Hugging Face folder or a GGUF file in as a model.

    \b
    twofold import downloads/Qwen3-0.6B
    twofold import some-model.Q8_0.gguf --out runs/other

    Every size in the files is checked before it is used, and nothing in them is run: pickle is never opened.
    """
    from twofold.atomic import writing
    from twofold.errors import ConfigError, SourceError
    from twofold.weights.hugging_face import import_folder
    from twofold.weights.locate import PARAMETERS
    from twofold.weights.parameters import load, lossless_type, save
    from twofold.weights.two_files import write_run_file

    if not source.exists():
        raise SourceError(f"there is no file or folder {source}")
    out = out or Path("runs") / (source.resolve().name if source.is_dir() else source.stem)
    target = out / PARAMETERS
    if target.exists():
        raise ConfigError(f"{target} exists already; choose another --out, or remove it first")
    parameters = import_folder(source) if source.is_dir() else load(source)
    if source.is_dir() or dtype:
        lineage = parameters.lineage or {"imported_from": source.resolve().name}
        save(target, parameters.config, parameters.state, parameters.tokenizer,
             dtype=dtype.upper() if dtype else lossless_type(parameters),
             chat_template=parameters.chat_template, lineage=lineage)
    else:
        with writing(target) as temporary:
            shutil.copyfile(source, temporary)
    report(parameters, [target, write_run_file(out)], out, as_json)
