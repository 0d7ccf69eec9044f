"""What each step let through and what it dropped: documents and bytes by source, with a few of the dropped, quoted.

    read -> normalise -> filter -> exact duplicates -> near duplicates -> train | val
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from twofold.data.documents import Document, LeftOut

__all__ = ["Sample", "Step", "Tally", "step", "warnings"]

_SNIPPET = 160


@dataclass(frozen=True)
class Sample:
    id: str
    reason: str
    snippet: str


@dataclass
class Tally:
    documents: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.documents += 1
        self.bytes += size


@dataclass
class Step:
    """One step of one source. `reasons` counts what was dropped and why; `into` and `out` what came and what went."""

    source: str
    name: str
    into: Tally = field(default_factory=Tally)
    out: Tally = field(default_factory=Tally)
    reasons: dict[str, Tally] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def step(source: str, name: str, kept: Iterable[Document], dropped: Sequence[tuple[Document | LeftOut, str]],
         into: Tally | None = None, samples: int = 5) -> Step:
    """Count one step. `into` is needed where a step changes the texts that it keeps; otherwise it is kept + dropped.

    The samples are neither the first nor picked by hand: they are those whose hashed names come first.
    """
    result = Step(source, name)
    for document in kept:
        result.out.add(document.size)
    lost = Tally()
    for item, reason in dropped:
        lost.add(item.size)
        result.reasons.setdefault(reason.split(":")[0], Tally()).add(item.size)
    result.into = into or Tally(result.out.documents + lost.documents, result.out.bytes + lost.bytes)
    result.reasons = dict(sorted(result.reasons.items(), key=lambda pair: (-pair[1].documents, pair[0])))
    chosen = sorted(sorted(dropped, key=lambda pair: _order(pair[0]))[:samples], key=lambda pair: pair[0].id)
    result.samples = [Sample(item.id, reason, _snippet(item)) for item, reason in chosen]
    return result


def warnings(steps: Sequence[Step]) -> list[str]:
    """What a person should look at: a rule that took more than half of a source, a source with nothing held out."""
    result = []
    for each in steps:
        if each.name == "hold out":
            if not each.reasons:
                result.append(f"{each.source}: one short text, too little to hold some out; it will have no figure")
            continue
        for reason, lost in each.reasons.items():
            if 2 * lost.documents > each.into.documents > 1:
                share = f"{lost.documents:,} of {each.into.documents:,} documents"
            elif 2 * lost.bytes > each.into.bytes and each.into.documents > 1:
                share = f"{lost.bytes:,} of {each.into.bytes:,} bytes"
            else:
                continue
            result.append(f"{each.source}: in the step {each.name!r}, {reason!r} took {share}")
    return result


def _order(document: Document | LeftOut) -> bytes:
    return hashlib.blake2b(f"{document.source}\0{document.id}".encode("utf-8", "replace"), digest_size=8).digest()


def _snippet(document: Document | LeftOut) -> str:
    text = " ".join(document.text[: 4 * _SNIPPET].split()) if isinstance(document, Document) else ""
    return text if len(text) <= _SNIPPET else text[:_SNIPPET].rstrip() + " …"
