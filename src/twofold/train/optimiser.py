"""The optimiser: Muon for the matrices inside the blocks, AdamW for everything else.

    embedding, positions   AdamW, a large step: each row is touched only by its own token
    unembedding            AdamW, a small step
    gains and biases       AdamW
    W_Q W_K W_V W_O W_in W_gate W_out   Muon (or AdamW, for comparison)

AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from twofold.errors import ConfigError
from twofold.train.muon import Muon
from twofold.train.optimiser_settings import OptimiserSettings

__all__ = ["Optimiser"]

_EMBEDDINGS = ("W_E", "W_pos")


class Optimiser:
    """`step(scale)` updates the parameters at scale × the peak learning rates; `zero_grad` forgets the gradients."""

    def __init__(self, model: nn.Module, settings: OptimiserSettings, dtype: torch.dtype = torch.float32) -> None:
        self.settings = settings
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        groups: dict[float, list[tuple[str, nn.Parameter]]] = {}
        matrices = []
        for name, parameter in named:
            leaf = name.rsplit(".", 1)[-1]
            if parameter.ndim == 2 and "blocks." in name and settings.kind == "muon":
                matrices.append((name, parameter))
            else:
                groups.setdefault(self._peak(leaf, parameter), []).append((name, parameter))
        self.parameters = [parameter for _, parameter in named]
        self.names = {id(parameter): name for name, parameter in named}
        self.muon = Muon(matrices, settings.lr, settings.momentum, settings.weight_decay, settings.block, dtype)
        self.adamw = torch.optim.AdamW(
            [{"params": [p for _, p in members], "lr": peak, "peak": peak} for peak, members in groups.items()],
            betas=(settings.beta1, settings.beta2), eps=1e-10, weight_decay=settings.weight_decay, fused=True,
        )

    def _peak(self, leaf: str, parameter: nn.Parameter) -> float:
        if leaf in _EMBEDDINGS:
            return self.settings.embedding_lr
        if leaf == "W_U":
            return self.settings.unembedding_lr
        return self.settings.gain_lr if parameter.ndim == 1 else self.settings.lr

    def step(self, scale: float) -> None:
        for group in self.adamw.param_groups:
            group["lr"] = group["peak"] * scale
        self.adamw.step()
        self.muon.step(scale)

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Every number the optimiser carries from step to step, by `kind.name`."""
        state = {f"muon.{name}": momentum for name, momentum in self.muon.state().items()}
        for parameter, moments in self.adamw.state.items():
            state |= {f"adamw_{key}.{self.names[id(parameter)]}": value for key, value in moments.items()}
        return state

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave. Raises ConfigError when it belongs to another model or optimiser."""
        try:
            for name, momentum in self.muon.state().items():
                momentum.copy_(state[f"muon.{name}"])
            for group in self.adamw.param_groups:
                for parameter in group["params"]:
                    name = self.names[id(parameter)]
                    keys = ("step", "exp_avg", "exp_avg_sq")
                    self.adamw.state[parameter] = {key: state[f"adamw_{key}.{name}"].clone() for key in keys}
        except (KeyError, RuntimeError) as error:
            raise ConfigError(f"the checkpoint's optimiser state does not fit this model: {error}") from error
