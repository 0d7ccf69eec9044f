"""/metrics: what the server did and how quickly, in the text format that Prometheus reads.

    # TYPE twofold_requests_total counter
    twofold_requests_total{path="/v1/chat/completions",status="200"} 12

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from twofold.serve.shelf import Shelf

__all__ = ["Histogram", "Meter", "exposition"]

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
OF_SERVICE = {  # an entry of the service's Stats: its kind, and what it counts
    "running": ("gauge", "answers that are being written"),
    "waiting": ("gauge", "answers that wait for a place"),
    "kept_prefixes": ("gauge", "texts whose keys and values are kept"),
    "kept_bytes": ("gauge", "memory of the keys and values that are kept"),
    "finished": ("counter", "answers that ended"),
    "cancelled": ("counter", "answers that were stopped by the client's leaving or a limit"),
    "failed": ("counter", "answers that failed"),
    "prompt_tokens": ("counter", "tokens that were asked with"),
    "cached_tokens": ("counter", "of these, tokens that needed no reading"),
    "completion_tokens": ("counter", "tokens that were written"),
    "drafted_tokens": ("counter", "tokens that were guessed ahead"),
    "accepted_tokens": ("counter", "of these, tokens that were right"),
    "steps": ("counter", "passes through the model"),
    "busy_seconds": ("counter", "time that the model ran"),
}


@dataclass
class Histogram:
    """Counts of seconds, by bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, labels: str) -> Iterator[str]:
        bounds = [*map(str, SECONDS), "+Inf"]
        for bound, count in zip(bounds, accumulate(self.counts), strict=True):
            yield f'{name}_bucket{{{labels},le="{bound}"}} {count}'
        yield f"{name}_sum{{{labels}}} {self.sum:.6f}"
        yield f"{name}_count{{{labels}}} {sum(self.counts)}"


@dataclass
class Meter:
    """What is counted as it happens. Only the event loop's thread writes."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    open_requests: int = 0
    first: dict[str, Histogram] = field(default_factory=dict)
    between: dict[str, Histogram] = field(default_factory=dict)

    def first_token(self, model: str, seconds: float) -> None:
        self.first.setdefault(model, Histogram()).observe(seconds)

    def next_token(self, model: str, seconds: float) -> None:
        self.between.setdefault(model, Histogram()).observe(seconds)


def exposition(meter: Meter, shelf: Shelf) -> str:
    """Everything as text."""
    return "".join(f"{line}\n" for line in _lines(meter, shelf))


def _lines(meter: Meter, shelf: Shelf) -> Iterator[str]:
    yield from _family("twofold_requests_total", "counter", "requests answered", (
        f'path="{path}",status="{status}"' + f"}} {count}" for (path, status), count in sorted(meter.requests.items())
    ))  # fmt: skip
    yield "# HELP twofold_requests_open requests that are being answered"
    yield "# TYPE twofold_requests_open gauge"
    yield f"twofold_requests_open {meter.open_requests}"
    stats = {_label(served.name): served.service.stats for served in shelf}
    for entry, (kind, told) in OF_SERVICE.items():
        name = f"twofold_{entry}_total" if kind == "counter" else f"twofold_{entry}"
        yield from _family(name, kind, told, (f"{label}}} {getattr(one, entry)}" for label, one in stats.items()))
    for name, told, histograms in (
        ("twofold_first_token_seconds", "from the request to the first token", meter.first),
        ("twofold_next_token_seconds", "from one token to the next", meter.between),
    ):
        yield f"# HELP {name} {told}"
        yield f"# TYPE {name} histogram"
        for model, histogram in histograms.items():
            yield from histogram.lines(name, _label(model))


def _family(name: str, kind: str, told: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"
    for sample in samples:
        yield f"{name}{{{sample}"


def _label(model: str) -> str:
    escaped = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'model="{escaped}"'
