"""Arithmetic on texts against Python's fractions, and texts that want to do harm."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.arithmetic import evaluate
from twofold.errors import UserError

SIGNS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: Fraction(a // b), "%": lambda a, b: a % b, "×": lambda a, b: a * b, "÷": lambda a, b: a / b,
}  # fmt: skip


def numbers():
    whole = st.integers(0, 10**9).map(lambda n: (str(n), Fraction(n)))
    grouped = st.integers(0, 10**12).map(lambda n: (f"{n:,}", Fraction(n)))
    decimal = st.decimals(0, 10**6, places=4).map(lambda n: (str(n), Fraction(n)))
    return whole | grouped | decimal


def joined(inner):
    """What Python's Fraction makes of two bracketed expressions and a sign; None where it divides by zero."""
    def join(left, sign, right):
        text = f"({left[0]}) {sign} ({right[0]})"
        if left[1] is None or right[1] is None or (sign in "//÷%" and not right[1]):
            return text, None
        return text, SIGNS[sign](left[1], right[1])

    negated = inner.map(lambda one: (f"-({one[0]})", None if one[1] is None else -one[1]))
    percent = inner.map(lambda one: (f"({one[0]})%", None if one[1] is None else one[1] / 100))
    return st.builds(join, inner, st.sampled_from(sorted(SIGNS)), inner) | negated | percent


@given(st.recursive(numbers(), joined, max_leaves=8))
def test_expressions_are_worth_what_pythons_fractions_say(one):
    text, value = one
    if value is None:
        with pytest.raises(UserError, match="division by zero"):
            evaluate(text)
    else:
        assert evaluate(text).value == value


@pytest.mark.slow
@given(st.lists(st.integers(1, 99), min_size=2, max_size=8), st.data())
def test_signs_bind_as_in_python(terms, data):
    signs = data.draw(st.lists(st.sampled_from(["+", "-", "*", "//", "%", " + -", " * -"]),
                               min_size=len(terms) - 1, max_size=len(terms) - 1))  # fmt: skip
    text = str(terms[0]) + "".join(f"{sign}{term}" for sign, term in zip(signs, terms[1:], strict=True))
    assert evaluate(text).value == eval(text)  # noqa: S307 - written above, of numbers and signs


@given(st.integers(-20, 20), st.integers(-12, 12))
def test_powers_are_exact(base, exponent):
    if not base and exponent < 0:
        with pytest.raises(UserError, match="division by zero"):
            evaluate(f"({base})^{exponent}")
    else:
        assert evaluate(f"({base})^{exponent}").value == Fraction(base) ** exponent


@given(st.decimals(-(10**9), 10**9, places=6))
def test_a_decimal_is_printed_in_full_and_reads_back_as_itself(number):
    printed = str(evaluate(str(number)))
    assert "≈" not in printed and "e" not in printed
    assert Fraction(printed) == Fraction(number)


@pytest.mark.parametrize(("text", "printed"), [
    ("0.1 + 0.2", "0.3"), ("1/3", "≈ 0.333333333333"), ("2/3", "≈ 0.666666666667"), ("sqrt(2)", "≈ 1.41421356237"),
    ("sqrt(1.44)", "1.2"), ("√16", "4"), ("-2^2", "-4"), ("2^3^2", "512"), ("2**-1", "0.5"), ("-7 // 2", "-4"),
    ("20% of 150", "30"), ("50%", "0.5"), ("10 % 3", "1"), ("200 + 10%", "200.1"), ("1,234,567.89 − .89", "1234567"),
    ("3 x 4 =", "12"), ("1e3 ÷ 8", "125"), ("2^200", str(2**200)), ("123456 * 654321", str(123456 * 654321)),
    ("(-1)^99999999999999999999", "-1"), ("0^99999999999", "0"), ("1/2^2000", "≈ 8.70980981622e-603"),
])  # fmt: skip
def test_how_results_are_printed(text, printed):
    assert str(evaluate(text)) == printed


def test_a_root_is_right_to_all_twelve_figures():
    for n in (2, 3, 7, 10**40 + 1, Fraction(1, 7)):
        root = Fraction(str(evaluate(f"sqrt({n})")).removeprefix("≈ "))
        assert abs(root * root / n - 1) < Fraction(1, 10**11)


@pytest.mark.parametrize(("text", "words"), [
    ("", "the end stands where a number"), ("1 / 0", "division by zero"), ("5 % 0", "division by zero"),
    ("0^-1", "division by zero"), ("(1 + 2", "not closed"), ("1)", "')' stands"), ("2(3)", "'(' stands"),
    ("1 2", "2 stands where a sign"), ("12,34", "three digits"), ("1.2.3", "stands where a sign"),
    ("__import__('os')", "is no number"), ("0xff", "is no number"), ("nan", "is no number"),
    ("1e9999", "too far from 1"),
    ("2^0.5", "not whole"), ("sqrt(-4)", "negative"), ("sqrt(2) // 1", "exact"), ("٣ + 1", "is no number"),
])  # fmt: skip
def test_what_cannot_be_computed_is_told_in_words(text, words):
    with pytest.raises(UserError) as raised:
        evaluate(text)
    assert words in str(raised.value)


@pytest.mark.parametrize("text", [
    "9**9**9", "9^9^9^9^9^9", "(" * 1_000_000, "(" * 999, "√" * 999, "-" * 999, "2^" * 499 + "1", "1" * 10**7,
    "10^1000 * " * 90 + "1", "1e1000^1e1000", "(1/3)^(9^9)", "1+" * 499 + "(", "1e-1000*" * 100 + "1", "%" * 900,
])  # fmt: skip
def test_hostile_texts_end_at_once_with_an_error(text):
    """Computing any of these would take minutes, or more memory than there is."""
    with pytest.raises(UserError):
        evaluate(text)


@given(st.text(alphabet="0123456789.,eE+-*/^%()x√ of=sqrt", max_size=60) | st.text(max_size=60))
def test_any_text_has_a_result_that_prints_or_is_an_error_of_the_user(text):
    with contextlib.suppress(UserError):
        assert str(evaluate(text))
