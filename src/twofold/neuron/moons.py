"""Two half circles that reach into each other: points that no straight line parts.

    upper (label 1)   (cos t, sin t)           lower (label -1)   (1 - cos t, 1/2 - sin t),       0 ≤ t ≤ π
"""

from __future__ import annotations

import math
import random

from twofold.errors import ConfigError

__all__ = ["two_moons"]


def two_moons(n: int = 100, noise: float = 0.1, seed: int = 0) -> tuple[list[list[float]], list[int]]:
    """n points, half of them on each moon and shuffled, with normal `noise` on both coordinates, and their labels.

    Raises ConfigError for fewer than two points, and for noise that is no number from 0.
    """
    if n < 2 or not (math.isfinite(noise) and noise >= 0):
        raise ConfigError(f"two moons of n={n} points with noise={noise} cannot be: n is at least 2, noise at least 0")
    source, points = random.Random(seed), []
    for upper, count in ((True, n - n // 2), (False, n // 2)):
        for i in range(count):
            t = math.pi * i / max(1, count - 1)
            x, y = (math.cos(t), math.sin(t)) if upper else (1 - math.cos(t), 0.5 - math.sin(t))
            points.append(([x + source.gauss(0, noise), y + source.gauss(0, noise)], 1 if upper else -1))
    source.shuffle(points)
    return [point for point, _ in points], [label for _, label in points]
