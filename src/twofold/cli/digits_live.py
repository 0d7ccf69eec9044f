"""What a person sees while a network learns to read digits, on standard error.

    digits      784-16-16-10, 13,002 parameters: sigmoid, squared error                4 s
                ━━━━━━━━━━━━━━━━━━━━━━╸─────────────────  epoch 12 of 30, 6 s left
                cost       0.214 an image   ▇▅▄▃▃▂▂▁
                held out   88.3 % of 1,000 images read right

On anything but a terminal the same is told in plain lines.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live as Region
from rich.text import Text

from twofold.cli.live import Course, Page, clock
from twofold.neuron.descent import Step
from twofold.neuron.experiment import Plan, begin
from twofold.neuron.images import Digits
from twofold.units import duration

__all__ = ["Live", "described"]

_EVERY = 10.0  # seconds between plain lines
_RECENT = 200  # steps whose mean cost is shown


def described(plan: Plan, side: int) -> str:
    """784-16-16-10, 13,002 parameters: sigmoid, squared error."""
    size = sum(each.size for each in begin(plan, side).parameters)
    if plan.convolution:
        return f"convolutional, {size:,} parameters: relu, cross-entropy"
    layers = "-".join(map(str, (side**2, *plan.hidden, 10)))
    loss = "squared error" if plan.loss == "squared" else "cross-entropy"
    return f"{layers}, {size:,} parameters: {plan.activation}, {loss}"


class Live:
    """Draws on `console`; `now` is the clock, in seconds. Use it as a context manager."""

    def __init__(
        self, console: Console, plan: Plan, digits: Digits, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.plan, self.now, self.page = console, plan, now, Page(console)
        self.what, self.n_held_out = described(plan, digits.side), len(digits.held_out)
        self.began = self.next_line = now()
        self.first_step = 0
        self.course, self.recent = Course(), deque[float](maxlen=_RECENT)
        self.last: Step | None = None
        self.held = ""
        drawn = console.is_terminal and not console.is_dumb_terminal
        self.region = Region(console=console, get_renderable=self._block, refresh_per_second=8, transient=True,
                             redirect_stdout=False) if drawn else None  # fmt: skip

    def __enter__(self) -> Live:
        if self.region:
            self.region.start()
        else:
            self.console.print(f"digits: {self.what}", soft_wrap=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.region:
            self.region.stop()
            self.console.print(Group(*self._lines(ended=True)))

    def step(self, step: Step) -> None:
        if self.last is None:
            self.began, self.first_step = self.now(), step.step - 1
        self.last = step
        self.course.add(step.cost)
        self.recent.append(step.cost)
        if step.accuracy is not None:
            self.held = f"{100 * step.accuracy:.1f} % of {self.n_held_out:,} images read right"
        if not self.region and (self.now() >= self.next_line or step.step == step.steps):
            self.next_line = self.now() + _EVERY
            held = f", held out {self.held}" if self.held else ""
            self.console.print(f"  {self._where(step)}, cost {self._cost()}{held}", soft_wrap=True)

    def _block(self) -> Group:
        return Group(*self._lines(ended=False))

    def _lines(self, ended: bool) -> Iterator[Text]:
        took = self.now() - self.began
        yield self.page.line("digits", self.what, duration(took) if ended else clock(took))
        if self.last is None:
            return
        if not ended:
            left = took / max(1, self.last.step - self.first_step) * (self.last.steps - self.last.step)
            yield self.page.bar(self.last.step / self.last.steps, f"{self._where(self.last)}, {clock(left)} left")
        cost = f"{self._cost()} an image"
        yield from self.page.wrapped("cost", Text(cost + self.page.sparkline(self.course.values, len(cost))))
        if self.held:
            yield from self.page.wrapped("held out", Text(self.held))

    def _where(self, step: Step) -> str:
        each = step.steps // self.plan.settings.epochs
        return f"epoch {(step.step - 1) // each + 1} of {self.plan.settings.epochs}"

    def _cost(self) -> str:
        return f"{sum(self.recent) / len(self.recent):.4f}"
