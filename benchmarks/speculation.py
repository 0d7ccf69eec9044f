"""What speculation gains: tokens a second with and without, on texts that repeat themselves and on ones that don't.

    python benchmarks/speculation.py [MODEL] [--draft MODEL] [--rounds 3] [--tokens 96]

Contenders, interleaved, medians at batch 1: none; look-up; and a draft model: the one that is named, or else the first
third of the model's own layers, which is the only smaller model of the same vocabulary that comes with one. The text is
the same token by token, which is checked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from twofold.contracts import Sampling
from twofold.engine.conversation import chat_prompt
from twofold.engine.open import Engine, open_model
from twofold.engine.service import Request, Service
from twofold.engine.speculative import DraftModel, Lookup
from twofold.weights.locate import locate
from twofold.weights.parameters import load, save

CODE = """def area(width, height):
    return width * height

def volume(width, height, depth):
    return width * height * depth
"""
TASKS = {
    "repeat a code with a change": f"Repeat this code, with `width` renamed to `breadth`:\n\n{CODE}",
    "list numbers": "Write the numbers from 1 to 60, each on a line of its own as 'Number N.'",
    "tell a story": "Tell a short story about a lighthouse keeper.",
}


def shorter(model: str, folder: Path) -> Path:
    """The first third of the layers."""
    whole = load(locate(model))
    config = replace(whole.config, n_layers=max(1, whole.config.n_layers // 3))
    state = {name: one for name, one in whole.state.items()
             if not name.startswith("blocks.") or int(name.split(".")[1]) < config.n_layers}  # fmt: skip
    save(folder / "draft.gguf", config, state, whole.tokenizer, dtype="Q8_0")
    return folder / "draft.gguf"


def measure(engine: Engine, draft: Engine, rounds: int, n: int) -> dict[str, dict[str, dict[str, float]]]:
    services = {"none": Service(engine), "look-up": Service(engine, drafter=Lookup()),
                "draft": Service(engine, drafter=DraftModel(draft, engine))}  # fmt: skip
    found: dict[str, dict[str, dict[str, float]]] = {}
    for task, text in TASKS.items():
        prompt = tuple(chat_prompt(engine, [{"role": "user", "content": text}]))
        for temperature in (0.0, 0.8):
            rates: dict[str, list[float]] = {name: [] for name in services}
            shares: dict[str, list[float]] = {name: [] for name in services}
            for seed in range(rounds):
                request = Request(prompt, n, Sampling(temperature=temperature, seed=seed), ignore_eos=True)
                written = set()
                for name, service in services.items():
                    pieces = list(service.stream(request))
                    usage = pieces[-1].usage
                    assert usage is not None
                    written.add("".join(piece.text for piece in pieces))
                    rates[name].append((usage.completion_tokens - 1) / usage.completion_seconds)
                    shares[name].append(usage.accepted_tokens / max(1, usage.drafted_tokens))
                if len(written) > 1:
                    print(f"{task}, seed {seed}: the texts differ, as sums in another order allow")
            found[f"{task}, temperature {temperature}"] = {
                name: {"tokens_per_second": statistics.median(rates[name]), "accepted": statistics.median(shares[name]),
                       "times_as_quick": statistics.median(rates[name]) / statistics.median(rates["none"])}
                for name in services
            }  # fmt: skip
    for service in services.values():
        service.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--draft")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96)
    given = parser.parse_args()
    engine = open_model(given.model)
    with tempfile.TemporaryDirectory() as folder:
        draft = open_model(given.draft or shorter(given.model, Path(folder)))
        found = measure(engine, draft, given.rounds, given.tokens)
    print(json.dumps({"model": given.model, "draft": given.draft or "its first third of layers",
                      "backend": engine.backend.name, "tasks": found}, indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
