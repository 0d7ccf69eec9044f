"""What goes into the service and what comes out: requests, the pieces of an answer, and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from twofold.contracts import Sampling, Token

if TYPE_CHECKING:
    from twofold.engine.constrained import Constraint

__all__ = ["Finish", "Listener", "Piece", "Request", "Stats", "Ticket", "Usage"]

Finish = Literal["stop", "length", "cancelled", "error"]


@dataclass(frozen=True)
class Request:
    """What is asked for: at most `n` tokens that go on from the ids of `prompt`.

    stop            texts that end the answer; nothing of them is given out
    stop_ids        ids that end it, besides the model's own eos; they are no part of the text
    candidates      how many of the likeliest next tokens are wanted with each token
    logit_bias      added to the scores of tokens before one is drawn, by id
    prompt_scores   also the probability (and candidates) of each token of the prompt: the first Piece brings them
    overflow        past the model's context: "error" refuses a longer prompt and ends an answer there ("length");
                    "slide" reads the later half anew and goes on from there
    ignore_eos      goes on for all of `n`, which is for benchmarks
    show_special    special tokens are written out by name; otherwise they are no text
    """

    prompt: tuple[int, ...]
    n: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    candidates: int = 0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    constraint: Constraint | None = None
    prompt_scores: bool = False
    overflow: Literal["error", "slide"] = "error"
    ignore_eos: bool = False
    show_special: bool = False


@dataclass(frozen=True)
class Usage:
    """Counts of tokens, and seconds: waiting for a place, reading the prompt, and writing the answer.

    `cached_tokens` of the prompt's were known from earlier texts; `drafted_tokens` were guessed by speculation and
    `accepted_tokens` of them were right. An eos counts as a completion token.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    waited_seconds: float = 0.0
    prompt_seconds: float = 0.0
    completion_seconds: float = 0.0


@dataclass(frozen=True)
class Piece:
    """The next part of an answer: whole characters, and the tokens that end in this part.

    The text of all pieces together is the answer; a token comes no sooner than its text is sure to belong to it, so a
    piece may have several tokens, or text without one. `prompt` is set in the first piece where `prompt_scores` were
    asked for: one Token for each of the prompt's, the first with probability nan. The last piece has `finish`,
    `usage`, and, where finish is "error", `error`.
    """

    text: str = ""
    tokens: tuple[Token, ...] = ()
    finish: Finish | None = None
    error: Exception | None = None
    usage: Usage | None = None
    prompt: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Stats:
    """What there is now (running, waiting, kept) and what there has been since the start."""

    running: int = 0
    waiting: int = 0
    kept_prefixes: int = 0
    kept_bytes: int = 0
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    steps: int = 0
    busy_seconds: float = 0.0


Listener = Callable[[Piece], None]


@dataclass(frozen=True)
class Ticket:
    """A request on its way. `cancel` may be called at any time, from any thread, also after the end."""

    id: int
    cancel: Callable[[], None]
