"""How long the page "Look inside" waits for the server after an edit of the text: new texts, one after the other.

    python benchmarks/inside.py MODEL [--edits 12] [--threads 2]

Each edit adds a word, as typing does. `seen` is what must be there for the prediction to change, with `patterns` also
the pictures of all heads; `shares` and `stream` follow by themselves. Medians in milliseconds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import torch

from twofold.engine.open import open_model
from twofold.serve import inside_views
from twofold.serve.inside_models import Inside
from twofold.serve.shelf import Served
from twofold.serve.wire_inside import Asked

TEXT = "The capital of France is a city on the river that people from all over the world come to see"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--edits", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    words = TEXT.split(" ")
    service: Any = None  # nothing is generated
    served = Served(asked.model, open_model(asked.model, "numpy"), service)
    inside = Inside()
    views: dict[str, Callable[..., object]] = {
        "seen": inside_views.seen, "patterns": inside_views.patterns, "shares": inside_views.attribution,
        "stream": inside_views.lens,
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in views}
    for edit in range(asked.edits + 1):  # the first opens the model
        text = Asked(text=" ".join(words[: 3 + edit]))
        for name, view in views.items():
            began = perf_counter()
            view(inside, served, text)
            if edit:
                times[name].append(1000 * (perf_counter() - began))
    tokens = [len(inside.ids(served, " ".join(words[: 3 + edit]))) for edit in (1, asked.edits)]
    print(json.dumps({"model": asked.model, "tokens": tokens, "threads": asked.threads,
                      "milliseconds": {name: round(median(each), 1) for name, each in times.items()},
                      "most": {name: round(max(each), 1) for name, each in times.items()}}))  # fmt: skip


if __name__ == "__main__":
    main()
