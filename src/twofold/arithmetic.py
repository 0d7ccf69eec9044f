"""Exact arithmetic on a text, by a parser that knows nothing but numbers and the signs between them.

    4821 × 377     1,234.5 + 1e3     2^10     -7 // 2     10 % 3     20% of 150     sqrt(2)

    first     ( )  sqrt( )  and % after a number: percent, a hundredth
    then      ^ **  from the right: 2^3^2 is 2^9, -2^2 is -4
    then      * × · x of   / ÷   // (floor)   % between two operands: what floor division leaves
    then      + - −

Numbers are fractions of whole numbers, so 0.1 + 0.2 is 0.3. A result is printed in full where its decimals end soon,
and otherwise to 12 figures after a ≈. Only roots that do not come out are rounded on the way, to 100 figures.

Length, depth, exponents and sizes are limited, so that any text ends in milliseconds, with a result or a UserError.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from math import isqrt

from twofold.errors import UserError

__all__ = ["Result", "evaluate"]

LENGTH = 1000  # characters of a text
DEPTH = 50  # of brackets, and of powers of powers
BITS = 4096  # of a numerator or a denominator, about 1200 digits
EXPONENT = 1000  # of ten, in 1e1000
DECIMALS = 50  # after the point, printed in full
FIGURES = 12  # of a result that is not
ROOT = Context(prec=100, Emin=MIN_EMIN, Emax=MAX_EMAX)
ROUNDED = Context(prec=FIGURES, Emin=MIN_EMIN, Emax=MAX_EMAX)

TOKEN = re.compile(r"\s*(?:(?P<number>(?:[0-9][0-9,_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
                   r"|(?P<sign>\*\*|//|[-+*/^%()×·÷−√]|(?:of|sqrt|[xX])(?![a-zA-Z])))")  # fmt: skip
GROUPED = re.compile(r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)+")
SAME = {"×": "*", "·": "*", "x": "*", "X": "*", "of": "*", "÷": "/", "−": "-", "**": "^", "√": "sqrt"}
BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "^": 4}
UNARY = 3
OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": lambda a, b: Fraction(a // b), "%": operator.mod,
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """`exact` is False where a root was rounded on the way."""

    value: Fraction
    exact: bool = True

    def __str__(self) -> str:
        n, d = self.value.numerator, self.value.denominator
        twos = fives = 0
        while d % 2 == 0:
            d, twos = d // 2, twos + 1
        while d % 5 == 0:
            d, fives = d // 5, fives + 1
        places = max(twos, fives)
        if self.exact and d == 1 and places <= DECIMALS:
            if not places:
                return str(n)
            digits = str(abs(n) * 10**places // self.value.denominator).zfill(places + 1)
            return f"{'-' * (n < 0)}{digits[:-places]}.{digits[-places:]}"
        near = ROUNDED.divide(Decimal(n), Decimal(self.value.denominator))
        near = near.normalize(ROUNDED)
        return f"≈ {near:f}" if -7 <= near.adjusted() < 2 * FIGURES else f"≈ {near:e}"


def evaluate(text: str) -> Result:
    """The value of an expression. Raises UserError, with words that say what is wrong and where."""
    if len(text) > LENGTH:
        raise UserError(f"the expression has {len(text)} characters; at most {LENGTH} are computed")
    parser = _Parser(_tokens(text.strip().removesuffix("=")))
    value = parser.value(0)
    if parser.sign is not None:
        raise UserError(f"{_shown(parser.sign)} stands where a sign such as + or the end should be")
    return Result(value, parser.exact)


def _tokens(text: str) -> list[str | Fraction]:
    found: list[str | Fraction] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = TOKEN.match(text, at)
        if match is None:
            unknown = text[at:].strip()[:20]
            raise UserError(f"{unknown!r} is no number and no sign that is known; + - * / // % ^ ( ) and sqrt( ) are")
        at = match.end()
        found.append(_number(match["number"]) if match["number"] else SAME.get(match["sign"], match["sign"]))
    return found


def _number(text: str) -> Fraction:
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    if whole and not GROUPED.fullmatch(whole):
        raise UserError(f"{text!r} is no number: a comma stands before each three digits")
    power = int(exponent or 0) if len(exponent) <= 6 else EXPONENT + 1
    if abs(power) > EXPONENT:
        raise UserError(f"{text!r} is too far from 1: at most e{EXPONENT} is computed")
    digits = whole.replace(",", "").replace("_", "")
    return _small(Fraction(int((digits + part) or 0)) * Fraction(10) ** (power - len(part)))


class _Parser:
    """Precedence climbing: `value(least)` reads as far as signs bind at least that tightly."""

    def __init__(self, tokens: list[str | Fraction]) -> None:
        self.tokens, self.at, self.depth, self.exact = tokens, 0, 0, True

    @property
    def sign(self) -> str | Fraction | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def value(self, least: int) -> Fraction:
        self.depth += 1
        if self.depth > DEPTH:
            raise UserError(f"the expression is nested more than {DEPTH} deep")
        left = self._operand()
        while isinstance(sign := self.sign, str) and BINDS.get(sign, -1) >= least:
            self.at += 1
            right = self.value(BINDS[sign] + (sign != "^"))
            left = self._apply(sign, left, right)
        self.depth -= 1
        return left

    def _operand(self) -> Fraction:
        negative = False
        while self.sign in ("-", "+"):
            negative ^= self.sign == "-"
            self.at += 1
            if self.sign not in ("-", "+"):
                value = self.value(UNARY)
                return -value if negative else value
        sign, self.at = self.sign, self.at + 1
        if isinstance(sign, Fraction):
            value = sign
        elif sign == "(":
            value = self._inside()
        elif sign == "sqrt":
            value = self._root(self.value(UNARY + 2))
        else:
            raise UserError(f"{_shown(sign)} stands where a number should be")
        while self.sign == "%" and not self._begins(self.at + 1):
            value, self.at = _small(value / 100), self.at + 1
        return value

    def _inside(self) -> Fraction:
        value = self.value(0)
        if self.sign != ")":
            raise UserError(f"a bracket is not closed: {_shown(self.sign)} stands where ) should be")
        self.at += 1
        return value

    def _begins(self, at: int) -> bool:
        """An operand begins there (so that a % before it stands between two)."""
        return at < len(self.tokens) and (isinstance(self.tokens[at], Fraction) or self.tokens[at] in ("(", "sqrt"))

    def _apply(self, sign: str, left: Fraction, right: Fraction) -> Fraction:
        if sign == "^":
            return _power(left, right)
        if sign in ("/", "//", "%") and not right:
            raise UserError("division by zero")
        if sign in ("//", "%") and not self.exact:
            raise UserError(f"{sign} needs exact numbers, and a root was rounded before it")
        return _small(OPERATIONS[sign](left, right))

    def _root(self, value: Fraction) -> Fraction:
        if value < 0:
            raise UserError(f"the root of a negative number, {Result(value)}, is no real number")
        n, d = isqrt(value.numerator), isqrt(value.denominator)
        if Fraction(n * n, d * d) == value:
            return Fraction(n, d)
        self.exact = False
        near = ROOT.sqrt(ROOT.divide(Decimal(value.numerator), Decimal(value.denominator)))
        return _small(Fraction(near))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise UserError(f"the exponent {Result(exponent)} is not whole; for a square root write sqrt( )")
    if not base and exponent < 0:
        raise UserError("division by zero")
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if base in (-1, 0, 1):  # however large the exponent is
        return base ** (int(exponent % 2) if base else min(int(exponent), 1))
    if (size - 1) * abs(exponent) > BITS:
        raise UserError(f"the power has more than {BITS} binary digits, which is not computed")
    return _small(base ** int(exponent))


def _small(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > BITS:
        raise UserError(f"a number on the way has more than {BITS} binary digits, which is not computed")
    return value


def _shown(sign: str | Fraction | None) -> str:
    return "the end" if sign is None else str(Result(sign)) if isinstance(sign, Fraction) else repr(sign)
