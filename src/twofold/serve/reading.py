"""The digits' first view: a drawing is read, and every number on the way is told.

    z = W a′ + b,   a = f(z)         of every layer, by twofold.neuron.network
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import textwrap
from typing import Any

import numpy as np
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.neuron.convolution import ConvolutionalNetwork, convolve, convolve_back, convolve_back_to_input, patches
from twofold.neuron.images import Digits
from twofold.neuron.network import Network
from twofold.neuron.saved import AnyNetwork
from twofold.serve import strokes, wire_digits
from twofold.serve.exhibit import Exhibit
from twofold.serve.problems import Problem
from twofold.serve.receiving import read
from twofold.serve.state import state_of
from twofold.serve.wire_digits import About, Look, Matrix, Question, Which

__all__ = ["about", "answer", "code", "look", "matrix", "network", "packed"]

MOST_POINTS = 2000  # of a drawing
DECIMALS = 4  # of a pixel


async def about(http: HTTPRequest) -> Response:
    return JSONResponse(await asyncio.to_thread(_about, state_of(http).exhibit))


def _about(exhibit: Exhibit) -> About:
    digits = exhibit.digits()
    train, held_out = len(digits.train), len(digits.held_out)
    return {
        "digits": {"name": digits.name, "side": digits.side, "train": train, "held_out": held_out},
        "networks": exhibit.kinds(),
        "code": {
            "connected": {"forward": code(Network._forward), "backward": code(Network.gradients)},
            "convolutional": {
                "forward": code(ConvolutionalNetwork._forward, convolve, patches),
                "backward": code(ConvolutionalNetwork.gradients, convolve_back, convolve_back_to_input),
            },
        },
    }  # fmt: skip


async def network(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Which, state.settings)
    shown = await state.exhibit.shown(asked.network, asked.client)
    scored = shown.score
    return JSONResponse({**packed(shown.network), "told": shown.told, "held_out": scored.n,
                         "accuracy": [scored.accuracy, scored.low, scored.high]})  # fmt: skip


async def answer(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Question, state.settings)
    if sum(part is not None for part in (asked.strokes, asked.example, asked.noise)) > 1:
        raise Problem(400, "one of strokes, example and noise is read at a time")
    if sum(map(len, asked.strokes or ())) > MOST_POINTS:
        raise Problem(400, f"the strokes have more than {MOST_POINTS} points; leave some out", param="strokes")
    found = await state.exhibit.network(asked.network, asked.client)
    return JSONResponse(await asyncio.to_thread(_read, asked, found, state.exhibit.digits()))


def _read(asked: Question, found: AnyNetwork, digits: Digits) -> Look:
    label = None
    if asked.example is not None:
        if asked.example >= len(digits.held_out):
            raise Problem(400, f"there are {len(digits.held_out)} held-out images, from 0", param="example")
        pixels, label = digits.held_out.pixels[asked.example], int(digits.held_out.labels[asked.example])
    elif asked.noise is not None:
        pixels = np.random.default_rng(asked.noise).random(digits.side**2)
    else:
        pixels = strokes.image(asked.strokes or [], digits.side).ravel()
    return look(found, pixels, label, asked.example)


def look(found: AnyNetwork, pixels: np.ndarray, label: int | None, example: int | None, *, back: bool = False) -> Look:
    """One image [784] in a network, forward and, where asked for, `back` from the cost of reading it as its label."""
    inputs, *layers = (each[0] for each in found.forward(pixels[None]))
    maps, activations = _parted(layers)
    before = [(maps or [inputs])[-1].ravel(), *activations]
    connected = list(zip(found.parameters[::2], found.parameters[1::2], strict=True))[len(maps) :]
    told: Look = {
        "pixels": [*np.round(pixels.astype(np.float64), DECIMALS).tolist()], "label": label, "example": example,
        "sums": [(weight @ a + bias).tolist() for (weight, bias), a in zip(connected, before, strict=False)],
        "activations": [each.tolist() for each in activations], "maps": [matrix(each) for each in maps],
        "gradient": None,
    }  # fmt: skip
    if back:
        by = found.gradients(pixels[None], np.array([label]))
        by_maps, by_activations = _parted([each[0] for each in by.activations[-len(layers) :]])
        told["gradient"] = {
            "cost": by.cost, "maps": [matrix(each) for each in by_maps],
            "activations": [each.tolist() for each in by_activations],
            "weights": [matrix(each) for each in by.weights], "biases": [each.tolist() for each in by.biases],
        }  # fmt: skip
    return told


def _parted(layers: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Those that have maps [channels, height, width], and those that have neurons."""
    return [each for each in layers if each.ndim > 1], [each for each in layers if each.ndim == 1]


def packed(found: AnyNetwork) -> wire_digits.Network:
    """A network over the wire."""
    maps: list[list[int]] = []
    if isinstance(found, ConvolutionalNetwork):
        seen = found.forward(np.zeros((1, found.side**2)))[1:-1]
        maps = [[*each.shape[1:], pool] for each, pool in zip(seen, found.pools, strict=True)]
    sizes = found.sizes if isinstance(found, Network) else (found.side**2, len(found.bias))
    return {
        "sizes": list(sizes), "maps": maps, "activation": found.activation, "loss": found.loss,
        "weights": [matrix(each) for each in found.parameters[::2]],
        "biases": [each.tolist() for each in found.parameters[1::2]],
    }  # fmt: skip


def matrix(values: np.ndarray) -> Matrix:
    """An array as rows of numbers: all but its first axis are laid out one after the other."""
    rows = values.reshape(len(values), -1)
    return {"shape": rows.shape, "data": base64.b64encode(rows.astype("<f4").tobytes()).decode("ascii")}


def code(*functions: Any) -> str:
    """The source of functions of this package, for people to read."""
    return "\n".join(textwrap.dedent(inspect.getsource(function)) for function in functions)
