"""How sure a share is that was counted: Wilson's score interval (1927).

It holds the shares p for which k right out of n lies within z = 1.96 standard deviations √(p (1 − p) / n) of p. Unlike
k/n ± z √(…) it stays between 0 and 1 and is not empty at k = n.
"""

from __future__ import annotations

import math

__all__ = ["Z", "wilson"]

Z = 1.959963984540054  # of a 95 % interval


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share; (0, 1) where nothing was asked."""
    if n == 0:
        return 0.0, 1.0
    share, extra = right / n, Z * Z / n
    middle = (share + extra / 2) / (1 + extra)
    half = Z * math.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
