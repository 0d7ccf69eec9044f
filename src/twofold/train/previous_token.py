"""Begin with heads that look one, two and three tokens back.

Previous-token heads are what induction heads are built on (Elhage et al. 2021, "Induction Heads"), and they form late:
a model that starts with them has them from the first step. A head attends d tokens back when its query and key do not
depend on the token, and the key is the query turned by d positions:

    q = a,  k = R(d) a   =>   q at i · k at j = sum_p |a_p|² cos(theta_p (i - j - d)),   largest at i - j = d

Both read a constant direction that is added to every row of W_E. Only quick pairs of channels (theta > 0.05) take
part: slow ones cannot tell neighbours apart. Nothing is fixed: training may turn the heads to other uses.
"""

from __future__ import annotations

from typing import cast

import torch

from twofold.model.attention import Attention
from twofold.model.decoder import Decoder
from twofold.model.positions import rotary_table

__all__ = ["look_back"]

DISTANCES = (1, 2, 3)
_CONSTANT = 0.5  # RMS of the constant direction, where embeddings have RMS 1
_OTHER = 0.1  # what is left of the heads' random start


@torch.no_grad()
def look_back(model: Decoder, seed: int) -> int:
    """Turn the first heads of the first block; returns how many.

    At least one key-value head stays free. Without rotary positions and QK-norm, which bounds the scores, none turn.
    """
    config = model.config
    if config.positions != "rotary" or not config.qk_norm or not model.blocks or config.tied:
        return 0
    attention, d_head = cast(Attention, model.blocks[0].attn), config.d_head
    constant = torch.randn(config.d_model, generator=torch.Generator().manual_seed(seed + 1)).to(model.W_E)
    constant = constant / constant.norm()
    model.W_E.add_(constant, alpha=_CONSTANT * config.d_model**0.5)
    cos, sin = rotary_table(max(DISTANCES) + 1, d_head, config.rope_base, device=model.W_E.device)
    quick = (torch.atan2(sin[1], cos[1]).abs() > 0.05).to(model.W_E)
    group = config.n_heads // config.n_kv_heads
    turned = DISTANCES[: config.n_kv_heads - 1]
    for head, distance in enumerate(turned):
        query = torch.cat((quick, torch.zeros_like(quick)))
        key = torch.cat((quick * cos[distance], quick * sin[distance]))
        for weight, row, vector in ((attention.W_Q, head * group, query), (attention.W_K, head, key)):
            rows = weight[row * d_head : (row + 1) * d_head]
            rows *= _OTHER
            rows += torch.outer(vector * (d_head**0.5 / vector.norm()), constant)
    return len(turned)
