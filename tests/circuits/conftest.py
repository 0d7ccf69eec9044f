"""The tiny models of the model's own tests."""

from __future__ import annotations

from ..model.conftest import config, ids, random_model, small

__all__ = ["config", "ids", "random_model", "small"]
