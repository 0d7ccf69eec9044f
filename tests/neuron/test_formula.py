"""`twofold neuron`: formulas as people type them, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.cli import main as command
from twofold.errors import UserError
from twofold.neuron.expression import build


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        command.main(["neuron", *arguments])
    return leaving.value.code


@st.composite
def formulas(draw, depth=0):
    if depth > 4 or draw(st.booleans()):
        return draw(st.sampled_from(["a", "b", "2", "0.5", "1e-3"]))
    left, right = draw(formulas(depth + 1)), draw(formulas(depth + 1))
    return draw(st.sampled_from([f"({left} + {right})", f"{left} - ({right})", f"({left}) * ({right})", f"-({left})",
                                 f"({left}) / 2", f"({right}) ** 2", f"+({left})"]))  # fmt: skip


@pytest.mark.slow
@given(formulas(), st.floats(-3, 3), st.floats(-3, 3))
def test_a_formula_means_what_it_means_in_python(formula, a, b):
    result, inputs = build(formula, {"a": a, "b": b})
    assert result.data == eval(formula, {}, {"a": a, "b": b})  # noqa: S307  (its own three letters)
    assert all(inputs[name].data == {"a": a, "b": b}[name] for name in inputs)


def test_functions_stand_before_or_after():
    for name in ("exp", "log", "relu", "sigmoid", "tanh"):
        assert build(f"{name}(a)", {"a": 2.0})[0] == build(f"a.{name}()", {"a": 2.0})[0]


def test_lines_name_their_results():
    result, inputs = build("e = a*b\n  d = e + c; L = d * f", {"a": 2, "b": -3, "c": 10, "f": -2})
    assert (result.data, result.label, list(inputs)) == (-8.0, "L", ["a", "b", "c", "f"])
    result, inputs = build("a = 2; b = -3; c = a * b; d = c; d + c", {})
    assert (result.data, list(inputs), result.label) == (-12.0, ["a", "b"], "y")


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("a +", "no formula"),
        ("a + c", "c has no number; give it one after the formula: c=2"),
        ("__import__('os').system('true')", "not understood"),
        ("a.__class__", "'a.__class__' is not understood"),
        ("(lambda: a)()", "not understood"),
        ("[a for a in b]", "not understood"),
        ("a if a else b", "not understood"),
        ("a < b", "not understood"),
        ("a % b", "'a % b' is not understood"),
        ("a^2", "'a^2': a power is written **"),
        ("'a' * 3", "\"'a'\" is not understood"),
        ("True + a", "'True' is not understood"),
        ("1j", "not understood"),
        ("tanh", "tanh is a function"),
        ("tanh(a, b)", "not understood"),
        ("cos(a)", "'cos(a)' is not understood"),
        ("import os", "neither a formula nor NAME = formula"),
        ("a, b = 1, 2", "neither"),
        ("a = b = 1", "neither"),
        ("a = 3", "a is computed here and given as 2 too"),
        ("c = a; c = b", "c has a meaning already"),
        ("a + 1; a = 3", "a has a meaning already"),
        ("1 / (a - 2)", "'1 / (a - 2)' cannot be computed: 1 / 0: nothing can be divided by 0"),
        ("log(a - 2)", "cannot be computed: log(0)"),
        ("exp(1000 * a)", "'exp(1000 * a)' cannot be computed"),
        ("(0 - 8) ** 0.5", "cannot be computed"),
        ("10 ** 400", "cannot be computed"),
        ("1e308 * 10 * a", "comes to inf"),
        ("1e999", "'1e999' is larger than a float can hold"),
        ("9" * 400, "larger than a float can hold"),
        ("9" * 6000, "no formula"),
        ("a" + " + a" * 6000, "characters"),
        ("a" + " + a" * 1000, "nested more than 400 deep"),
        ("(" * 5000 + "a" + ")" * 5000, "nest"),
        ("a\0", "no formula"),
    ],
)
def test_what_is_no_formula_is_refused_and_quoted(formula, says):
    with pytest.raises(UserError) as error:
        build(formula, {"a": 2, "b": -3})
    assert says in str(error.value) and len(str(error.value)) < 300


def test_the_command_shows_the_result_and_each_gradient(capsys):
    assert run("a * b + c", "a=2", "b=-3", "c=10") == 0
    out = capsys.readouterr().out
    assert out.endswith("y =  4\na =  2   ∂y/∂a = −3\nb = −3   ∂y/∂b = 2\nc = 10   ∂y/∂c = 1\n")
    assert "step 1: y = v1 + c = −6 + 10 = 4" in out
    assert run("a * b", "a=2", "b=-3", "--no-trace") == 0
    assert "step" not in capsys.readouterr().out


def test_json_is_one_object_with_the_steps(capsys, tmp_path):
    assert run("tanh(w*x + b)", "w=1", "x=0.5", "b=0", "--json", "--svg", str(tmp_path / "neuron.svg")) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["inputs"]["x"] == {"value": 0.5, "gradient": pytest.approx(1 - found["value"] ** 2)}
    assert [step["result"] for step in found["steps"]] == ["y", "v2", "v1"]
    assert (tmp_path / "neuron.svg").read_text("utf-8").startswith("<svg") and "neuron.svg" in err


def test_a_number_alone_is_a_formula(capsys):
    assert run("2") == 0 and run("a", "a=1") == 0
    assert "∂a/∂a = 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("a * b", "a=2"), "b has no number"),
        (("a", "a=x"), "'a=x' is not of the form NAME=NUMBER"),
        (("a", "a=nan"), "'a=nan'"),
        (("a", "a=inf"), "'a=inf'"),
        (("a", "2"), "'2' is not of the form"),
        (("a", "a=1", "a=2"), "a is given twice"),
        (("a", "a=1", "b=2"), "b does not occur in the formula"),
        (("a", "a=1", "--svg", "/"), "/ is a folder"),
        (("a.b", "a=1"), "not understood"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, says):
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.count("\n") == 1
