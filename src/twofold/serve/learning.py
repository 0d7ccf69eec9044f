"""The digits' second view: a client's own network is trained, and seen while it is.

A run is one streamed answer. It ends when the client leaves, when another run of the same client takes its turn, when
it diverges, or when the server closes; the network stays as it is, for the next run to go on with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.errors import Diverged
from twofold.neuron.descent import Settings
from twofold.serve.bench import Bench, Choice, Told
from twofold.serve.events import DONE, EventStream, event
from twofold.serve.exhibit import Exhibit
from twofold.serve.problems import Problem
from twofold.serve.reading import look, matrix, packed
from twofold.serve.receiving import read
from twofold.serve.state import state_of
from twofold.serve.wire_digits import Asked, Begun, Course, Own, Slice, Train

__all__ = ["landscape", "own", "train"]

BURST = 0.25  # seconds between events
EPOCHS = 2000  # after which a run ends by itself: a page that was forgotten must not keep a machine busy


async def own(http: HTTPRequest) -> Response:
    """The client's network and all of its descent; made, or made anew. A run of it ends."""
    state = state_of(http)
    asked = await read(http, Own, state.settings)
    return JSONResponse(await asyncio.to_thread(_own, asked, state.exhibit))


def _own(asked: Own, exhibit: Exhibit) -> Begun:
    _check(exhibit, asked.example)
    choice = Choice(**asked.plan.model_dump())
    bench = exhibit.bench(asked.client, choice)
    with bench.lock:
        bench.take_turn()
        if asked.fresh:
            bench.begin(choice)
        course, usual = _course(bench, asked.example, bench.costs, bench.accuracies), bench.choice.plan.settings
        return {
            **course, "began": matrix(bench.began), "held_out": len(bench.held_out),
            "usual": {"learning_rate": usual.learning_rate, "batch": usual.batch, "momentum": usual.momentum},
        }  # fmt: skip


async def train(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked, exhibit = await read(http, Train, state.settings), state.exhibit
    await asyncio.to_thread(_check, exhibit, asked.example)
    images = len(exhibit.digits().train)
    if asked.batch > images:
        raise Problem(400, f"batch={asked.batch}: there are {images} images to learn from", param="batch")
    settings = Settings(asked.learning_rate, asked.batch, EPOCHS, asked.momentum, cooldown=0)
    bench = await asyncio.to_thread(exhibit.bench, asked.client)
    turn = await asyncio.to_thread(bench.take_turn)
    exhibit.run_begins(asked.client, turn)
    return EventStream(_run(exhibit, bench, turn, settings, asked), state.settings.unread_seconds,
                       lambda: exhibit.run_ends(asked.client, turn))  # fmt: skip


async def _run(
    exhibit: Exhibit, bench: Bench, turn: int, settings: Settings, asked: Train
) -> AsyncGenerator[bytes, None]:
    clock, left = asyncio.get_running_loop().time, asked.steps
    while left is None or left > 0:
        begun = clock()
        most = max(1, round(asked.pace * BURST)) if asked.pace else 10**6
        now = most if left is None else min(most, left)
        try:
            told, course = await asyncio.to_thread(_burst, bench, turn, settings, now, asked.example)
        except Diverged as error:
            await asyncio.to_thread(bench.begin, bench.choice)
            yield event({"stopped": f"{error}. The network was begun anew.", "anew": True})
            break
        if told is None:
            yield event({"stopped": "This network is trained from another page now."})
            break
        yield event(course)
        left = None if left is None else left - told.taken
        if told.ended or exhibit.closing:
            why = f"{EPOCHS:,} epochs are the most" if told.ended else "the server is closing"
            yield event({"stopped": f"Training ended: {why}."})
            break
        if left != 0:
            await asyncio.sleep(max(0.0, most / asked.pace - (clock() - begun)) if asked.pace else 0)
    yield DONE


def _burst(bench: Bench, turn: int, settings: Settings, most: int, example: int) -> tuple[Told | None, Course | None]:
    with bench.lock:
        if bench.turn != turn:
            return None, None
        told = bench.burst(settings, most, BURST)
        return told, _course(bench, example, told.costs, [told.measured])


def _course(bench: Bench, example: int, costs: list, accuracies: list) -> Course:
    images = bench.digits.train
    return {
        "network": packed(bench.network),
        "look": look(bench.network, images.pixels[example], int(images.labels[example]), example, back=True),
        "step": bench.step, "epoch": bench.epoch, "cost": costs[-1][1] if costs else None, "costs": costs,
        "accuracies": accuracies,
    }  # fmt: skip


async def landscape(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Asked, state.settings)
    return JSONResponse(await asyncio.to_thread(_landscape, state.exhibit.bench(asked.client)))


def _landscape(bench: Bench) -> Slice:
    steps, found = bench.slice()
    return {
        "xs": found.xs.tolist(), "ys": found.ys.tolist(), "costs": found.costs.tolist(),
        "path": [(float(x), float(y)) for x, y in found.path], "steps": steps, "share": found.share,
        "images": len(bench.on_slice),
        "parameters": sum(parameter.size for parameter in bench.network.parameters),
    }  # fmt: skip


def _check(exhibit: Exhibit, example: int) -> None:
    n = len(exhibit.digits().train)
    if example >= n:
        raise Problem(400, f"there are {n} images to learn from, from 0", param="example")
