"""What a person sees while a model is made, on standard error: a line a chapter, and one panel that keeps up to date.

    text        reading sotu, factbook                                                    12 s
    training    5 minutes                                                           2 min 31 s
                ━━━━━━━━━━━━━━━━━━━━━━╸─────────────────  step 312 of 640, 2 min 40 s left
                loss       2.914 nats per token, 1.203 bits per byte   ▇▅▄▃▃▂▂▁

On anything but a terminal the same is told in plain lines, one about every ten seconds and one for each measure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live as Region
from rich.text import Text

from twofold.units import duration

if TYPE_CHECKING:
    from twofold.train.loop import Step

__all__ = ["Course", "Live", "Page", "clock", "printable", "sparkline"]

_EVERY = 10.0  # seconds between plain lines
_WIDEST = 100  # columns
_NAME, _LABEL = 12, 11
_RECENT = 20  # steps whose mean is shown
_SAMPLE_LINES = 3
_LEVELS, _PLAIN_LEVELS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def printable(text: str) -> str:
    """On one line, without signs that a terminal would obey."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


class Course:
    """Values in the order in which they came; of many, means of neighbours, so that it never grows past `most`."""

    def __init__(self, most: int = 256) -> None:
        self.most, self.each = most, 1
        self.values: list[float] = []
        self.waiting: list[float] = []

    def add(self, value: float) -> None:
        self.waiting.append(value)
        if len(self.waiting) < self.each:
            return
        self.values = [*self.values, sum(self.waiting) / len(self.waiting)]
        self.waiting = []
        if len(self.values) >= self.most:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values, self.each = [(a + b) / 2 for a, b in pairs], 2 * self.each


def sparkline(values: list[float], width: int, levels: str = _LEVELS) -> str:
    """At most `width` signs for the means of as many equal stretches.

    The tallest sign stands for all that is above what was reached after a tenth of the way: the first fall is steep,
    and would leave the rest flat.
    """
    n = min(width, len(values))
    if n < 1:
        return ""
    edges = [i * len(values) // n for i in range(n + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    low, high = min(means), max(means[len(means) // 10 :])
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(levels[min(len(levels) - 1, round((mean - low) * scale))] for mean in means)


@dataclass
class _Chapter:
    """What is known of a piece of the work, and how it stands on a screen."""

    name: str
    summary: str
    began: float
    notes: list[str] = field(default_factory=list)
    work: tuple[str, float] | None = None
    course: Course = field(default_factory=Course)
    recent: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    last: tuple[Step, Mapping[str, Any]] | None = None
    held: str = ""
    written: tuple[str, str] | None = None

    def lines(self, page: Page, now: float, ended: bool) -> Iterator[Text]:
        took = now - self.began
        yield page.line(self.name, self.summary, duration(took) if ended else clock(took))
        for note in self.notes:
            yield from page.wrapped("", Text(note, style="dim"))
        if self.last:
            yield from self._training(page, ended)
        elif self.work and not ended:
            yield page.bar(self.work[1], self.work[0])

    def _training(self, page: Page, ended: bool) -> Iterator[Text]:
        where, loss, rate, left = self.figures()
        if not ended:
            yield page.bar(self.share, f"{where}, {left}")
        yield from page.wrapped("loss", Text(f"{loss}{page.sparkline(self.course.values, len(loss))}"))
        if self.held:
            yield from page.wrapped("held out", Text(self.held))
        yield from page.wrapped("speed", Text(f"{rate}; {where}" if ended else rate))
        if self.written and not ended:
            prompt, text = self.written
            words = Text(text)
            words.stylize("bold", 0, len(prompt))
            yield from islice(page.wrapped("sample", words), _SAMPLE_LINES)

    @property
    def share(self) -> float:
        return (self.last[0].step + 1) / max(1, self.last[1]["steps"]) if self.last else 0.0

    def figures(self) -> tuple[str, str, str, str]:
        """Where the run is, the loss of its latest steps, how fast the last one went, the time that is left."""
        assert self.last
        step, info = self.last
        mean = {name: sum(each[name] for each in self.recent) / len(self.recent) for name in self.recent[-1]}
        in_bits = f"{mean['loss']:.3f} nats per token, {mean.get('bits', 0.0):.3f} bits per byte"
        busy = f", MFU {100 * info['mfu']:.0f} % of the measured peak" if "mfu" in info else ""
        return (
            f"step {step.step + 1:,} of {info['steps']:,}",
            in_bits if "bits" in mean else ", ".join(f"{name} {value:.3f}" for name, value in mean.items()),
            f"{info['tokens_per_second']:,.0f} tokens per second{busy}",
            f"{clock(info['seconds_left'])} left",
        )


class Live:
    """An observer of `make` that draws on `console`; `now` is the clock, in seconds. Use it as a context manager."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self.console, self.now, self.page = console, now, Page(console)
        self.chapter: _Chapter | None = None
        self.next_line = now()
        drawn = console.is_terminal and not console.is_dumb_terminal
        self.region = Region(console=console, get_renderable=self._block, refresh_per_second=4, transient=True,
                             redirect_stdout=False) if drawn else None  # fmt: skip

    def __enter__(self) -> Live:
        if self.region:
            self.region.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if self.region:
            self.region.stop()

    # What make tells

    def stage(self, name: str, summary: str) -> None:
        self._close()
        self.chapter = _Chapter(printable(name), printable(summary), self.now())
        self._say(f"{self.chapter.name}: {self.chapter.summary}")
        self.next_line = self.now()

    def progress(self, what: str, done: float, total: float) -> None:
        self._open().work = (printable(what), done / total if total > 0 else 0.0)
        if self._due():
            self._say(f"  {printable(what)}: {done:,.0f} of {total:,.0f}")

    def note(self, text: str) -> None:
        self._open().notes.append(printable(text))
        self._say(f"  {printable(text)}")

    def step(self, step: Step, info: Mapping[str, Any]) -> None:
        chapter = self._open()
        chapter.course.add(step.loss)
        other = info["shown"] if "shown" in info else {"bits": info["bits_per_byte"]}
        chapter.recent.append({"loss": step.loss, **other})
        chapter.last = (step, info)
        if self._due():
            self._say("  " + ", ".join(chapter.figures()))

    def evaluated(self, step: int, bits_per_byte: Mapping[str, float]) -> None:
        by_source = ", ".join(f"{printable(source)} {value:.3f}" for source, value in bits_per_byte.items())
        self._open().held = f"{by_source} bits per byte, after step {step:,}"
        self._say(f"  held out: {self._open().held}")

    def measured(self, step: int, words: str) -> None:
        self._open().held = f"{printable(words)}, after step {step:,}"
        self._say(f"  held out: {self._open().held}")

    def sample(self, step: int, prompt: str, text: str) -> None:
        whole = printable(prompt + text.removeprefix(prompt))
        self._open().written = (printable(prompt), whole)
        self._say(f"  sample after step {step:,}: {whole}")

    # How it gets to the screen

    def _open(self) -> _Chapter:
        """The chapter that is going on, or one without a name."""
        self.chapter = self.chapter or _Chapter("", "", self.now())
        return self.chapter

    def _close(self) -> None:
        """The chapter is over: what is worth keeping of it stays on the screen."""
        chapter, self.chapter = self.chapter, None
        if self.region and chapter:
            self.console.print(Group(*chapter.lines(self.page, self.now(), ended=True)))

    def _block(self) -> Group:
        chapter = self.chapter
        return Group(*chapter.lines(self.page, self.now(), ended=False)) if chapter else Group()

    def _due(self) -> bool:
        """Whether it is time for a plain line about work that goes on."""
        if self.region or self.now() < self.next_line:
            return False
        self.next_line = self.now() + _EVERY
        return True

    def _say(self, line: str) -> None:
        if not self.region:
            self.console.print(line, soft_wrap=True)


class Page:
    """Lines of a screen: names at the left, what there is to say, times at the right."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.plain = not console.encoding.lower().startswith("utf")

    @property
    def width(self) -> int:
        return min(_WIDEST, self.console.width)

    def line(self, name: str, text: str, aside: str) -> Text:
        """Cut to the width; what stands aside is never cut."""
        body = Text(text)
        body.truncate(max(8, self.width - _NAME - len(aside) - 2), overflow="ellipsis", pad=True)
        return Text().append(f"{name:<{_NAME}}", style="bold").append_text(body).append(f"  {aside}", style="dim")

    def wrapped(self, label: str, text: Text) -> Iterator[Text]:
        """As many lines as it takes, beside a label or, without one, where labels stand."""
        indent = _NAME + (_LABEL if label else 0)
        for i, line in enumerate(text.wrap(self.console, max(20, self.width - indent))):
            yield Text((" " * _NAME + label if i == 0 else "").ljust(indent)).append_text(line)

    def bar(self, share: float, text: str) -> Text:
        room = max(10, min(44, self.width - _NAME - len(text) - 2))
        full = round(max(0.0, min(1.0, share)) * room)
        on, off = "=-" if self.plain else "━─"
        line = Text(" " * _NAME, no_wrap=True, overflow="ellipsis")
        return line.append(on * full, style="cyan").append(off * (room - full), style="dim").append(f"  {text}")

    def sparkline(self, values: list[float], taken: int) -> str:
        """In what `taken` columns leave of a labelled line, or nothing where that is too little to show anything."""
        room = min(40, self.width - _NAME - _LABEL - taken - 3)
        return "   " + sparkline(values, room, _PLAIN_LEVELS if self.plain else _LEVELS) if room >= 8 else ""


def clock(seconds: float) -> str:
    """Whole seconds, so that nothing flickers."""
    return duration(round(seconds)) if seconds >= 10 else f"{max(0, round(seconds))} s"
