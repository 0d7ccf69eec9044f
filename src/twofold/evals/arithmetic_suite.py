"""The arithmetic suite: sums, differences, products and quotients of whole numbers of one to six digits, from a seed.

A model alone learns the short ones by heart at best; with the calculator all of them are within reach.
"""

from __future__ import annotations

import random

from twofold.evals.questions import Question, Suite

__all__ = ["arithmetic"]

ASKED = {
    "sum": ("What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}."),
    "difference": ("What is {a} - {b}?", "What is {a} minus {b}?", "Subtract {b} from {a}."),
    "product": ("What is {a} * {b}?", "What is {a} times {b}?", "Multiply {a} by {b}."),
    "quotient": ("What is {a} / {b}?", "What is {a} divided by {b}?", "Divide {a} by {b}."),
}


def arithmetic(n: int = 200, seed: int = 0) -> Suite:
    """`n` questions, as many of each operation; operands have 1 to 6 digits, evenly, and quotients come out whole."""
    draw, questions = random.Random(seed), []
    for i in range(n):
        kind = tuple(ASKED)[i % len(ASKED)]
        digits = (draw.randint(1, 6), draw.randint(1, 6))
        a, b = (draw.randint(10 ** (d - 1), 10**d - 1) for d in digits)
        if kind == "quotient":
            a, right = a * b, a
        else:
            right = {"sum": a + b, "difference": a - b, "product": a * b}[kind]
        text = draw.choice(ASKED[kind]).format(a=a, b=b)
        questions.append(Question(({"role": "user", "content": text},), "number", right, group=kind))
    return Suite("arithmetic", tuple(questions), f"operands of 1 to 6 digits, seed {seed}")
