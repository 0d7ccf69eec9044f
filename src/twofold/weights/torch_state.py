"""Parameters to a torch Decoder and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twofold.model.decoder import Decoder
from twofold.model.linear import LowRank
from twofold.weights.parameters import Parameters

__all__ = ["from_decoder", "to_decoder", "whole"]


def to_decoder(parameters: Parameters) -> Decoder:
    """A Decoder on the CPU in float32 that holds a copy of the parameters."""
    with torch.device("meta"):
        model = Decoder(parameters.config)
    state = {name: torch.from_numpy(np.array(array, np.float32)) for name, array in parameters.state.items()}
    if parameters.config.tied:
        state["W_U"] = state["W_E"]
    model.load_state_dict(state, assign=True)
    if parameters.config.tied:
        model.W_U = model.W_E
    return model.requires_grad_()


def from_decoder(model: Decoder) -> dict[str, np.ndarray]:
    """The parameters by name as float32 arrays on the CPU; a tied head is left out."""
    return {name: parameter.numpy().copy() for name, parameter in whole(model).items()}


@torch.no_grad()
def whole(model: Decoder) -> dict[str, Tensor]:
    """The same as tensors, which may be the model's own. Where a matrix has a low-rank addition, it is put into it."""
    additions = {name: module for name, module in model.named_modules() if isinstance(module, LowRank)}
    state = {}
    for name, parameter in model.named_parameters():  # one under two names comes once, under the first: W_E
        owner, _, leaf = name.rpartition(".")
        if owner not in additions:
            state[name] = parameter.detach().float().cpu()
        elif leaf == "W":
            one = additions[owner]
            state[owner] = (parameter.float() + one.scale * (one.B @ one.A)).detach().cpu()
    return state
