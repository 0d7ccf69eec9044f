"""Where things stand in a run's folder, beside the two files."""

from __future__ import annotations

__all__ = ["ASSISTANT", "BASE", "REWARDS"]

BASE = "base.gguf"  # what the assistant was before it was taught
ASSISTANT = "assistant"  # the folder of that second stage
REWARDS = "rewards"  # the folder of a third one, where there was time for it
