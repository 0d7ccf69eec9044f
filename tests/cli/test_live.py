"""What a person sees while a model is made: calm lines, true figures, a terminal that is left as it was found."""

from __future__ import annotations

import io
import re
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from twofold.cli.live import Course, Live, printable, sparkline

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@dataclass
class Taken:
    step: int
    loss: float


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def info(steps=300, **changes):
    usual = {"bits_per_byte": 1.5, "tokens_per_second": 14_120.4, "mfu": 0.583, "seconds_left": 91.4}
    return {"steps": steps, **usual, **changes}


def lines(width=100, encoding="utf-8"):
    """A console that is no terminal, and what it was told."""
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", write_through=True)
    console = Console(file=raw, width=width, highlight=False, markup=False, emoji=False)
    return console, lambda: raw.buffer.getvalue().decode(encoding).splitlines()


def screen(width=100, encoding="utf-8"):
    """A console that believes to be a terminal; what stands in its live region; and all that was sent to it."""
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", write_through=True)
    console = Console(file=raw, width=width, height=40, force_terminal=True, highlight=False, markup=False, emoji=False)
    shown = Console(file=io.StringIO(), width=width, highlight=False)

    def region(live):
        with shown.capture() as capture:
            shown.print(live._block())
        return [line.rstrip() for line in capture.get().splitlines()]

    return console, region, lambda: raw.buffer.getvalue().decode(encoding)


def test_plain_lines_come_every_ten_seconds_and_with_each_measure():
    console, told = lines()
    clock = Clock()
    with Live(console, clock) as live:
        live.stage("training", "5 minutes")
        for step in range(300):
            live.step(Taken(step, 3.0), info())
            clock.seconds += 0.125
        live.evaluated(300, {"sotu": 1.25, "factbook": 0.7})
        live.sample(300, "The", " end")
    steps = [int(re.search(r"step (\d+) of 300", line)[1]) for line in told() if "step" in line and " of 300" in line]
    assert steps == [1, 81, 161, 241]
    assert told()[0] == "training: 5 minutes"
    assert told()[-2:] == ["  held out: sotu 1.250, factbook 0.700 bits per byte, after step 300",
                           "  sample after step 300: The end"]


def test_a_line_of_training_holds_its_figures_with_their_units():
    console, told = lines()
    Live(console, Clock()).step(Taken(11, 2.5), info())
    assert "".join(told()) == ("  step 12 of 300, 2.500 nats per token, 1.500 bits per byte, 14,120 tokens per second, "
                               "MFU 58 % of the measured peak, 1 min 31 s left")


def test_nothing_goes_to_standard_output(capfd):
    with Live(Console(stderr=True)) as live:
        live.stage("text", "reading pydoc")
        live.progress("reading", 1, 2)
        live.note("a note")
        live.step(Taken(0, 3.0), info())
        live.evaluated(1, {"pydoc": 1.0})
        live.sample(1, "a", "b")
    out, err = capfd.readouterr()
    assert out == ""
    assert "reading pydoc" in err


def test_what_is_not_a_terminal_gets_no_control_signs():
    console, told = lines()
    with Live(console) as live:
        live.stage("training", "now")
        live.step(Taken(0, 3.0), info())
    assert "\x1b" not in "".join(told())


@pytest.mark.parametrize("ending", [None, KeyboardInterrupt, ValueError])
def test_the_cursor_is_given_back_however_it_ends(ending):
    console, _, sent = screen()
    with pytest.raises(ending) if ending else nullcontext(), Live(console) as live:
        live.stage("training", "5 minutes")
        live.step(Taken(0, 3.0), info())
        if ending:
            raise ending
    assert sent().count(HIDE) == sent().count(SHOW) == 1
    assert sent().rindex(SHOW) > sent().rindex(HIDE)
    assert "3.000 nats per token" in sent()


def test_a_chapter_that_is_over_stays_with_the_time_it_took():
    console, _, sent = screen()
    clock = Clock()
    live = Live(console, clock)
    live.stage("text", "reading sotu")
    live.note("something to know")
    clock.seconds += 75
    live.stage("plan", "measuring")
    assert re.search(r"text .*reading sotu .*1 min 15 s", sent())
    assert sent().index("reading sotu") < sent().index("something to know")


def test_the_panel_shows_the_mean_of_the_latest_steps_and_how_far_it_is():
    console, region, _ = screen()
    live = Live(console, Clock())
    live.stage("training", "5 minutes")
    for step in range(150):
        live.step(Taken(step, float(step)), info(bits_per_byte=step / 2))
    live.evaluated(140, {"sotu": 1.25})
    live.sample(140, "The", " people")
    shown = "\n".join(region(live))
    recent = sum(range(130, 150)) / 20
    assert f"{recent:.3f} nats per token, {recent / 2:.3f} bits per byte" in shown
    assert "step 150 of 300, 1 min 31 s left" in shown
    bar = next(line for line in region(live) if "step 150" in line)
    assert bar.count("━") == bar.count("─") > 0
    assert "sotu 1.250 bits per byte, after step 140" in shown
    assert "The people" in shown


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    console, region, _ = screen(width)
    live = Live(console, Clock())
    live.stage("training", "a summary that is longer than a narrow terminal could ever show on a line of its own")
    live.note("a note that is longer than any narrow terminal could ever show, and of which nothing must be lost")
    for step in range(300):
        live.step(Taken(step, 9 - step / 50), info())
    live.evaluated(300, {f"source {i}": 1.0 for i in range(9)})
    live.sample(300, "Once", " upon a time" * 50)
    shown = region(live)
    assert max(map(len, shown)) <= min(width, 100)
    assert "nothing must be lost" in " ".join(" ".join(shown).split())


def test_a_terminal_without_unicode_gets_signs_that_it_has():
    console, region, _ = screen(encoding="ascii")
    live = Live(console, Clock())
    live.stage("training", "5 minutes")
    for step in range(100):
        live.step(Taken(step, 9 - step / 50), info())
    "\n".join(region(live)).encode("ascii")


@given(st.text())
def test_nothing_that_a_model_writes_can_command_the_terminal(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown.split() == "".join(sign if sign.isprintable() else " " for sign in text).split()


def test_a_sample_with_escapes_is_shown_as_text():
    console, region, _ = screen()
    live = Live(console, Clock())
    live.stage("training \x1b[2J", "\x1b]0;title\x07")
    live.step(Taken(0, 3.0), info())
    live.sample(1, "\x1b[31m", "a\rb\x9b2J[bold]c[/bold]\u202e")
    assert not {"\x1b", "\r", "\x9b", "\x07", "\u202e"} & set("".join(region(live)))
    assert "[bold]c[/bold]" in "".join(region(live))


@pytest.mark.slow
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=300), st.integers(1, 50))
def test_a_sparkline_is_as_wide_as_asked_and_higher_where_values_are(values, width):
    drawn = sparkline(values, width, "0123456789")
    assert len(drawn) == min(width, len(values))
    if len(values) <= width:
        for (a, shown_a), (b, shown_b) in pairwise(zip(values, drawn, strict=True)):
            assert (a <= b) <= (shown_a <= shown_b)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=2000))
def test_a_long_course_keeps_its_mean_in_little_room(values):
    course = Course(most=16)
    for value in values:
        course.add(value)
    assert len(course.values) < 16
    whole = course.each * len(course.values)
    assert whole + len(course.waiting) == len(values)
    if course.values:
        assert sum(course.values) / len(course.values) == pytest.approx(sum(values[:whole]) / whole, abs=1e-6)


def test_a_run_that_is_not_told_in_bits_shows_its_own_numbers():
    console, told = lines()
    clock = Clock()
    with Live(console, clock) as live:
        live.stage("training", "3 minutes")
        for step, reward in enumerate((0.25, 0.75)):
            clock.seconds += 60
            usual = info(shown={"reward": reward})
            live.step(Taken(step, 0.5), {name: usual[name] for name in usual if name not in ("bits_per_byte", "mfu")})
        live.measured(2, "right 61 %")
    assert "  step 2 of 300, loss 0.500, reward 0.500, 14,120 tokens per second, 1 min 31 s left" in told()
    assert "  held out: right 61 %, after step 2" in told()
