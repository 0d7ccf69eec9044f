"""`twofold count`: what a shape costs, in parameters, operations and memory, without building it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.output import print_json, size
from twofold.errors import ConfigError, UserError

if TYPE_CHECKING:
    from twofold.model.config import ModelConfig

__all__ = ["count"]

STORED_AS = ("F32", "BF16", "Q8_0")
LARGEST_CONFIG = 1 << 20  # bytes


def count(
    what: Annotated[str, typer.Argument(
        metavar="CONFIG|MODEL", show_default=False,
        help="A known shape (such as gpt2), a .toml or .json file, a model's folder or .gguf file.")],
    changes: Annotated[list[str] | None, typer.Argument(
        metavar="[KEY=VALUE]...", show_default=False, help="Sizes to change, such as n_layers=24.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows trained on at once, for the memory.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count parameters, FLOPs and memory of a shape or a model.

    \b
    twofold count gpt3-175b
    twofold count gpt2 n_layers=24 d_model=1024 n_heads=16
    twofold count vocab_size=4096 n_layers=6 d_model=384 n_heads=6
    twofold count runs/mine
    """
    words = [what, *(changes or [])]
    pairs = [word for word in words if "=" in word]
    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise UserError(f"count one thing at a time, and write changes as key=value; got {', '.join(map(repr, names))}")
    config, stored = _find(names[0], _parse(pairs)) if names else (_from_pairs(_parse(pairs)), None)
    figures = _figures(names[0] if names else "this shape", config, stored, batch)
    if as_json:
        print_json(figures)
    else:
        _show(figures, config)


def _parse(pairs: list[str]) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (pair.partition("=") for pair in pairs)}


def _from_pairs(values: dict[str, str]) -> ModelConfig:
    from twofold.model.shapes import from_values

    return from_values(values, "the command")


def _find(name: str, changes: dict[str, str]) -> tuple[ModelConfig, dict[str, Any] | None]:
    """The shape that `name` means, and for a model what its file holds. A path that exists wins over a known name."""
    from twofold.model.shapes import changed, named

    path, stored = Path(name), None
    if path.suffix in (".toml", ".json") or (path / "config.json").is_file():
        config = _read(path)
    elif path.exists() or path.suffix == ".gguf":
        config, stored = _open(path)
    else:
        try:
            config = named(name)
        except ConfigError as error:
            raise ConfigError(f"{error} (and no file or folder has that name)") from None
    return changed(config, changes, "the command") if changes else config, stored


def _read(path: Path) -> ModelConfig:
    """A shape from a file of our fields (of a recipe's [model] too), or from the config.json of transformers."""
    import tomllib

    from twofold.model.shapes import from_values
    from twofold.weights.hugging_face_config import from_config
    from twofold.weights.strict_json import read_object

    if path.suffix == ".toml":
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise UserError(f"{path} is not TOML: {error}") from error
    else:
        path = path / "config.json" if path.is_dir() else path
        values = read_object(path, LARGEST_CONFIG)
        if "model_type" in values:
            return from_config(values, str(path))
    inner = values.get("model", values)
    if not isinstance(inner, dict):
        raise UserError(f"{path}: model is {inner!r:.60} where a table of sizes is meant")
    return from_values(inner, str(path))


def _open(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load

    file = locate(path)
    parameters = load(file, arrays=False)
    return parameters.config, {"path": str(file), "bytes": file.stat().st_size, "type": parameters.dtype}


def _figures(name: str, config: ModelConfig, stored: dict[str, Any] | None, batch: int) -> dict[str, Any]:
    from twofold.model.count import count as count_parameters
    from twofold.model.count import flops_per_token, kv_cache_bytes, training_bytes
    from twofold.weights.parameters import tensor_bytes

    parameters = count_parameters(config)
    training = training_bytes(config, batch)
    return {
        "name": name,
        "shape": {"architecture": config.architecture, **config.to_dict()},
        "parameters": parameters.eight,
        "total_of_eight": parameters.total_of_eight,
        "rest": parameters.rest,
        "shared": parameters.shared,
        "total": parameters.held,
        "flops_per_token": {
            "context": config.context,
            "training": flops_per_token(config),
            "reading": flops_per_token(config, backward=False),
        },
        "memory_bytes": {
            "training": {"batch": batch, "context": config.context, **training, "total": sum(training.values())},
            "weights": {kind: tensor_bytes(config, kind) for kind in STORED_AS},
            "kv_cache": {"token": kv_cache_bytes(config), "context": kv_cache_bytes(config, config.context)},
        },
        "file": stored,
    }


def _show(figures: dict[str, Any], config: ModelConfig) -> None:
    shape = f"{config.n_layers:,} layers, d_model {config.d_model:,}, {config.n_heads:,} heads of {config.d_head:,}"
    if config.n_kv_heads != config.n_heads:
        shape += f" on {config.n_kv_heads:,} key-value heads"
    print(f"{Path(figures['name']).name}: {shape}, d_ff {config.d_ff:,}, vocabulary {config.vocab_size:,}, "
          f"context {config.context:,} ({config.architecture})")  # fmt: skip
    if figures["file"]:
        print(f"{figures['file']['path']}, {size(figures['file']['bytes'])}, mostly {figures['file']['type']}")

    width = max(13, len(f"{figures['total_of_eight']:,}"), len(f"{figures['flops_per_token']['training']:,}"))

    def line(label: str, value: str, note: str = "") -> None:
        print(f"  {label:<22} {value:>{width}}   {note}".rstrip())

    print("\nParameters")
    for category, number in figures["parameters"].items():
        shared = category == "unembedding" and figures["shared"]
        line(category, f"{number:,}", "the embedding's own matrix, held once" if shared else _product(category, config))
    line("these eight", f"{figures['total_of_eight']:,}")
    for category, number in figures["rest"].items():
        line(category, f"{number:,}", _product(category, config))
    less = ", less the shared matrix" if figures["shared"] else ""
    line("in the file", f"{figures['total']:,}", f"the eight and the rest{less}")

    flops = figures["flops_per_token"]
    print(f"\nFLOPs per token in a context of {flops['context']:,}")
    line("training", f"{flops['training']:,}", "6 N + 6 · layers · context · heads · d_head; N without the embedding")
    line("reading", f"{flops['reading']:,}", "a third: forward alone")

    memory = figures["memory_bytes"]
    rows = f"{memory['training']['batch']:,} × {memory['training']['context']:,} tokens at a time"
    notes = {
        "weights": "float32",
        "gradients": "float32",
        "optimiser": "Muon for the blocks' matrices, AdamW for the rest",
        "activations": f"{rows}, compiled; eager keeps up to twice as much",
        "total": "",
    }
    print("\nMemory to train")
    for part, note in notes.items():
        line(part, size(memory["training"][part]), note)
    print("\nMemory to run")
    for kind, number in memory["weights"].items():
        line(f"weights in {kind}", size(number))
    line("keys and values", size(memory["kv_cache"]["token"]), "a token, 16 bits a number")
    line("", size(memory["kv_cache"]["context"]), "for the whole context")


def _product(category: str, c: ModelConfig) -> str:
    """How a category's number comes about."""
    layers, wide = f"{c.n_layers:,} layers × ", f"{c.d_ff:,} × {c.d_model:,}"
    heads = f"{c.n_heads:,} heads × {c.d_head:,} × {c.d_model:,}"
    key_heads = f"{c.n_kv_heads:,} heads × {c.d_head:,} × {c.d_model:,}"
    products = {
        "embedding": f"{c.vocab_size:,} × {c.d_model:,}",
        "unembedding": f"{c.vocab_size:,} × {c.d_model:,}",
        "key": layers + key_heads,
        "query": layers + heads,
        "value": layers + key_heads,
        "output": layers + heads,
        "up-projection": layers + wide,
        "down-projection": layers + wide,
        "gate": layers + wide,
        "positions": f"{c.context:,} × {c.d_model:,}",
    }
    return products.get(category, "")
