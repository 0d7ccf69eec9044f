"""Parameters to a torch Decoder and back."""

from __future__ import annotations

import numpy as np
import torch

from twofold.model.decoder import Decoder
from twofold.weights.parameters import Parameters

__all__ = ["from_decoder", "to_decoder"]


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
    named = model.named_parameters()  # a parameter under two names comes once, under the first: W_E
    return {name: parameter.detach().float().cpu().numpy().copy() for name, parameter in named}
