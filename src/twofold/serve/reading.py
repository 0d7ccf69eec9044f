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

from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.descent import Settings
from twofold.neuron.images import Digits
from twofold.neuron.network import Network
from twofold.neuron.saved import AnyNetwork
from twofold.neuron.scoring import score
from twofold.serve import strokes, wire_digits
from twofold.serve.exhibit import OWN, Exhibit
from twofold.serve.problems import Problem
from twofold.serve.receiving import read
from twofold.serve.state import state_of
from twofold.serve.wire_digits import About, Look, Matrix, Question, Which

__all__ = ["about", "answer", "look", "matrix", "network", "packed"]

MOST_POINTS = 2000  # of a drawing
DECIMALS = 4  # of a pixel, and of what a map holds in its place


async def about(http: HTTPRequest) -> Response:
    return JSONResponse(await asyncio.to_thread(_about, state_of(http).exhibit))


def _about(exhibit: Exhibit) -> About:
    digits, usual = exhibit.digits(), Settings()
    train, held_out = len(digits.train), len(digits.held_out)
    networks: list[wire_digits.Kind] = [
        {"name": name, "title": recipe.title, "told": recipe.told, "takes": recipe.takes}
        for name, recipe in exhibit.recipes().items()
    ]
    networks.append({"name": OWN, "title": "yours", "told": "The one that you train under Learn.", "takes": "a moment"})
    return {
        "digits": {"name": digits.name, "side": digits.side, "train": train, "held_out": held_out},
        "networks": networks,
        "defaults": {"learning_rate": usual.learning_rate, "batch": usual.batch},
        "code": {"forward": _code(Network._forward), "backward": _code(Network.gradients)},
    }  # fmt: skip


async def network(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Which, state.settings)
    if asked.network == OWN:
        found = await state.exhibit.network(OWN, asked.client)
        scored = await asyncio.to_thread(score, found, state.exhibit.digits().held_out)
    else:
        found, scored = await state.exhibit.taught(asked.network)
    about_it = packed(found) if isinstance(found, Network) else _packed_convolution(found)
    return JSONResponse({**about_it, "accuracy": [scored.accuracy, scored.low, scored.high], "held_out": scored.n})


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
    if isinstance(found, Network):
        return look(found, pixels, label, asked.example)
    return _look_at_maps(found, pixels, label, asked.example)


def look(found: Network, pixels: np.ndarray, label: int | None, example: int | None, *, back: bool = False) -> Look:
    """One image [784] in a network, forward and, where asked for, `back` from the cost of reading it as its label."""
    activations = [each[0] for each in found.forward(pixels[None])]
    told: Look = {
        "pixels": _rounded(pixels), "label": label, "example": example,
        "sums": [(weight @ before + bias).tolist()
                 for weight, before, bias in zip(found.weights, activations, found.biases, strict=False)],
        "activations": [each.tolist() for each in activations[1:]], "gradient": None,
    }  # fmt: skip
    if back:
        by = found.gradients(pixels[None], np.array([label]))
        told["gradient"] = {
            "cost": by.cost, "activations": [each[0].tolist() for each in by.activations[1:]],
            "weights": [matrix(each) for each in by.weights], "biases": [each.tolist() for each in by.biases],
        }  # fmt: skip
    return told


def _look_at_maps(found: ConvolutionalNetwork, pixels: np.ndarray, label: int | None, example: int | None) -> Look:
    _, *maps, outputs = (each[0] for each in found.forward(pixels[None]))
    return {
        "pixels": _rounded(pixels), "label": label, "example": example, "sums": [], "activations": [outputs.tolist()],
        "gradient": None, "maps": [[_rounded(one.ravel()) for one in layer] for layer in maps],
    }  # fmt: skip


def _packed_convolution(found: ConvolutionalNetwork) -> wire_digits.Convolution:
    maps = found.forward(np.zeros((1, found.side**2)))[1:-1]
    first = found.kernels[0]
    return {
        "activation": found.activation, "loss": found.loss, "maps": [list(each.shape[1:]) for each in maps],
        "kernels": matrix(first.reshape(len(first), -1)),
    }  # fmt: skip


def _rounded(values: np.ndarray) -> list[float]:
    return list(np.round(values.astype(np.float64), DECIMALS).tolist())


def packed(found: Network) -> wire_digits.Network:
    return {
        "sizes": list(found.sizes), "activation": found.activation, "loss": found.loss,
        "weights": [matrix(each) for each in found.weights], "biases": [each.tolist() for each in found.biases],
    }  # fmt: skip


def matrix(values: np.ndarray) -> Matrix:
    rows, columns = values.shape
    return {"shape": (rows, columns), "data": base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")}


def _code(function: Any) -> str:
    return textwrap.dedent(inspect.getsource(function))
