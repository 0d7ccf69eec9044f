"""What every test runs under: shapes checked by beartype, hypothesis without a clock, one fixed set of examples."""

from __future__ import annotations

import os

from hypothesis import settings
from jaxtyping import install_import_hook

ROOMS_WITH_SHAPES = ["twofold.model", "twofold.train", "twofold.engine", "twofold.evals", "twofold.weights"]

if os.environ.get("TWOFOLD_CHECK_SHAPES", "1") != "0":
    install_import_hook(ROOMS_WITH_SHAPES, "beartype.beartype")

settings.register_profile("twofold", deadline=None, derandomize=True)
settings.load_profile("twofold")
