"""What a person can choose about the way from sources to a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from twofold.errors import ConfigError

__all__ = ["DataSettings", "Rules"]

Rules = Literal["auto", "light", "web", "none"]


@dataclass(frozen=True)
class DataSettings:
    """`val_share`: the part of each source's documents that is held out. `rules`: which quality rules apply; "auto"
    goes by the kind of writing. The others concern records and hubs: the field that holds the text (found when None),
    a data set's configuration and split, and after how many bytes of text a streamed data set is enough.
    """

    val_share: float = 0.05
    rules: Rules = "auto"
    text_field: str | None = None
    config: str | None = None
    split: str = "train"
    limit: int = 100_000_000

    def __post_init__(self) -> None:
        if not 0 <= self.val_share < 1:
            raise ConfigError(f"val_share={self.val_share} must be at least 0 and below 1; the usual is 0.05")
        if self.rules not in get_args(Rules):
            raise ConfigError(f"rules={self.rules!r} is not one of {', '.join(get_args(Rules))}")
        if self.limit < 1:
            raise ConfigError(f"limit={self.limit} must be at least 1 byte")
