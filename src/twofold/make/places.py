"""Where things stand in a run's folder, beside the two files."""

from __future__ import annotations

__all__ = ["ASSISTANT", "BASE"]

BASE = "base.gguf"  # what the assistant was before it was taught
ASSISTANT = "assistant"  # the folder of that second stage
