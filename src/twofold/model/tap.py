"""Taps: the named places of the forward pass, where one can look at a value, or put another in its stead.

    q = tap("hook_q", q)        the module asks: what shall I go on with?

Where nobody looks, the answer is the value itself, and asking costs a function call; compiled code does not even ask. A
place is named by its module's name and its own, `blocks.3.attn.hook_pattern`, as TransformerLens names it, and a value
has the axes that it has there. `watching.py` opens taps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import get_ident

from torch import Tensor

from twofold.model.config import ModelConfig

__all__ = ["ON_REQUEST", "Act", "Owned", "Tap", "by_position", "places", "untouched"]

Act = Callable[[Tensor, str], Tensor | None]
Owned = tuple[int, Act, object]  # the thread that opened it, and what tells this opening from another of the same act
View = Callable[[Tensor], Tensor]

ON_REQUEST = "hook_result"  # every head's own output is n_heads times what the block adds up, so `*` leaves it out


def untouched(name: str, value: Tensor, view: View | None = None) -> Tensor:
    """The answer where nobody looks."""
    return value


class Tap:
    """What is done at the places of one module: by place, acts in order, each for the passes of one thread."""

    def __init__(self, module: str, acts: Mapping[str, tuple[Owned, ...]]) -> None:
        self.module, self.acts = module, acts

    def wants(self, *names: str) -> bool:
        """Whether anybody of this thread looks at one of these places."""
        here = get_ident()
        return any(thread == here for name in names for thread, *_ in self.acts.get(name, ()))

    def __call__(self, name: str, value: Tensor, view: View | None = None) -> Tensor:
        """The value to go on with: `value` itself unless an act gave another.

        Who looks sees `view(value)`, and what he gives is turned back by the same `view`, which undoes itself.
        """
        acts, here = self.acts.get(name, ()), get_ident()
        if not acts:
            return value
        shown = given = value if view is None else view(value)
        for thread, act, _ in acts:
            if thread == here and (answer := act(given, f"{self.module}.{name}" if self.module else name)) is not None:
                given = answer
        if given is shown:
            return value
        return given if view is None else view(given)


def by_position(x: Tensor) -> Tensor:
    """[b, h, s, ·] as [b, s, h, ·], and back."""
    return x.transpose(1, 2)


def places(config: ModelConfig) -> list[str]:
    """Every place of a model of this shape, in the order in which a pass comes by; `hook_result` too."""
    norm = ("hook_scale", "hook_normalized")
    attention = [f"attn.hook_{name}" for name in "qkv"]
    if config.qk_norm:
        attention += [f"attn.{name}_norm.{place}" for name in "qk" for place in norm]
    if config.positions == "rotary":
        attention += ["attn.hook_rot_q", "attn.hook_rot_k"]
    attention += [f"attn.hook_{name}" for name in ("attn_scores", "pattern", "z", "result")]
    block = ["hook_resid_pre", *(f"ln1.{place}" for place in norm), *attention, "hook_attn_out"]
    if config.mlp != "none":
        linear = ["mlp.hook_pre_linear"] if config.mlp == "swiglu" else []
        block += ["hook_resid_mid", *(f"ln2.{place}" for place in norm), "mlp.hook_pre", *linear, "mlp.hook_post"]
        block.append("hook_mlp_out")
    block.append("hook_resid_post")
    return [
        "hook_embed", *(["hook_pos_embed"] if config.positions == "learned" else []),
        *(f"blocks.{i}.{place}" for i in range(config.n_layers) for place in block),
        *(f"ln_final.{place}" for place in norm),
    ]  # fmt: skip
