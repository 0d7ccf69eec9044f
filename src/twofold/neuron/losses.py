"""How wrong the outputs are, as one number to make small.

    squared error   Σ (output - target)²
    hinge           mean of max(0, 1 - label · score)       labels are -1 and 1: a score should pass 1 on its side
    cross-entropy   log Σ e^score - score of the right one   how surprised softmax is by the right answer, in nats
    decay           Σ parameter²                             added with a small factor, it keeps weights small
"""

from __future__ import annotations

from collections.abc import Sequence

from twofold.errors import ConfigError
from twofold.neuron.value import Value

__all__ = ["cross_entropy", "decay", "hinge", "mean", "softmax", "squared_error"]

Numbers = Sequence[Value | float]


def mean(values: Numbers) -> Value:
    """Raises ConfigError when there are none."""
    if not values:
        raise ConfigError("there is no mean of no values")
    return _total(values) * (1.0 / len(values))


def squared_error(outputs: Numbers, targets: Numbers) -> Value:
    """Σ (output - target)². Raises ConfigError when there are not as many of one as of the other."""
    pairs = _paired(outputs, targets, "targets")
    return _total([(output - target) ** 2 for output, target in pairs])  # type: ignore[operator]


def hinge(scores: Numbers, labels: Numbers) -> Value:
    """The mean of max(0, 1 - label · score) over examples, with labels -1 and 1 (Rosasco et al. 2004)."""
    return mean([(1 - score * label).relu() for score, label in _paired(_values(scores), labels, "labels")])


def cross_entropy(scores: Numbers, right: int) -> Value:
    """-log softmax(scores)[right], in nats. Raises ConfigError when there is no score number `right`."""
    if not 0 <= right < len(scores):
        raise ConfigError(f"right={right}, but the scores are numbered 0 to {len(scores) - 1}")
    shifted, total = _exponentials(scores)
    return total.log() - shifted[right]


def softmax(scores: Numbers) -> list[Value]:
    """e^score / Σ e^score: positive, and 1 together."""
    shifted, total = _exponentials(scores)
    return [each.exp() / total for each in shifted]


def decay(parameters: Numbers) -> Value:
    """Σ parameter²."""
    return _total([parameter * parameter for parameter in parameters])


def _exponentials(scores: Numbers) -> tuple[list[Value], Value]:
    """The scores less the largest of them, which changes no result and lets nothing overflow, and Σ e^ of them."""
    if not scores:
        raise ConfigError("there are no scores")
    largest = max(float(score) for score in scores)
    shifted = [score - largest for score in _values(scores)]
    return shifted, _total([each.exp() for each in shifted])


def _values(numbers: Numbers) -> list[Value]:
    return [number if isinstance(number, Value) else Value(number) for number in numbers]


def _total(values: Numbers) -> Value:
    first, *rest = _values(values)
    for each in rest:
        first = first + each
    return first


def _paired(outputs: Numbers, others: Numbers, what: str) -> list[tuple[Value, Value | float]]:
    if len(outputs) != len(others) or not outputs:
        raise ConfigError(f"{len(outputs)} outputs do not go with {len(others)} {what}; there must be one for each")
    return list(zip(_values(outputs), others, strict=True))
