"""Sums through the calculator: the question, the call, its result, the answer.

    What is 4821 times 377?  ->  calculator(4821 * 377)  ->  1817517  ->  4821 * 377 = 1817517.

The call repeats the question's numbers as they are asked, and the answer repeats the call and its result: what a small
model has to do is to copy. Numbers from 10 on are for training or for measuring, by their hash; results may be either.
"""

from __future__ import annotations

from twofold.arithmetic import evaluate
from twofold.data.almanac_chat.draw import Draw, is_held
from twofold.data.almanac_chat.phrasings import kept
from twofold.data.conversations import Message, ToolCall

__all__ = ["LARGEST_DIGITS", "Sum", "answered", "asked_again", "draw_sum", "is_held_number"]

HELD = 0.1
LARGEST_DIGITS = 6
FRAMES = (
    "What is {e}?", "What's {e}?", "Calculate {e}.", "Compute {e}.", "How much is {e}?", "What does {e} come to?",
    "{e}",
    "{e} = ?", "{e} =", "Work out {e}.", "Please calculate {e}.", "Can you compute {e}?", "I need {e}.", "Tell me {e}.",
    "Solve {e}.", "What do I get for {e}?", "Help me with {e}.", "Do you know what {e} is?", "Find {e}.",
    "Evaluate {e}.",
    "Can you work out {e} for me?", "Quick: {e}?", "What would {e} be?", "How much would {e} be?",
    "I have to know {e}.",
    "Give me the result of {e}.", "Could you calculate {e}, please?", "Use the calculator: {e}.", "Hi, what is {e}?",
    "My homework asks for {e}.", "What comes out of {e}?", "Check {e} for me.",
)  # fmt: skip
WAYS: dict[str, tuple[str, ...]] = {  # the expression, and how people say it
    "{a} + {b}": ("{a} + {b}", "{a}+{b}", "{a} plus {b}", "the sum of {a} and {b}", "{a} and {b} together"),
    "{a} - {b}": ("{a} - {b}", "{a}-{b}", "{a} minus {b}", "the difference of {a} and {b}", "{a} less {b}"),
    "{a} * {b}": ("{a} * {b}", "{a}*{b}", "{a} × {b}", "{a} x {b}", "{a} times {b}", "the product of {a} and {b}",
                  "{a} multiplied by {b}"),
    "{a} / {b}": ("{a} / {b}", "{a}/{b}", "{a} ÷ {b}", "{a} divided by {b}", "the quotient of {a} and {b}"),
    "{a}% of {b}": ("{a}% of {b}", "{a} % of {b}", "{a} percent of {b}"),
    "({a} + {b}) * {c}": ("({a} + {b}) * {c}", "({a}+{b})*{c}", "({a} plus {b}) times {c}"),
    "{a} * {b} + {c}": ("{a} * {b} + {c}", "{a}*{b}+{c}", "{a} times {b} plus {c}"),
}  # fmt: skip
WEIGHTS = {"{a} + {b}": 4.0, "{a} - {b}": 4.0, "{a} * {b}": 5.0, "{a} / {b}": 3.0, "{a}% of {b}": 1.5,
           "({a} + {b}) * {c}": 0.7, "{a} * {b} + {c}": 0.7}  # fmt: skip
STORIES: dict[str, tuple[str, ...]] = {
    "{a} + {b}": ("I have {a} coins and find {b} more. How many do I have?",
                  "A library has {a} books and buys {b}. How many books does it have then?",
                  "{a} people live in one town and {b} in another. How many is that?"),
    "{a} - {b}": ("There are {a} people and {b} leave. How many stay?",
                  "I had {a} dollars and spent {b}. How much is left?",
                  "A farmer has {a} sheep and sells {b}. How many are left?"),
    "{a} * {b}": ("A shop sells {a} books at {b} dollars each. How much is that?",
                  "A hall has {a} rows of {b} seats. How many seats are there?",
                  "There are {a} boxes with {b} apples in each. How many apples are there?"),
    "{a} / {b}": ("{a} sweets are shared by {b} children. How many does each get?",
                  "I drive {a} kilometres in {b} days. How far is that a day?",
                  "{a} dollars are split among {b} people. How much does each get?"),
}  # fmt: skip
AGAIN = {"{r} + {b}": ("Now add {b}.", "And if I add {b}?", "Plus {b}?", "Add {b} to that."),
         "{r} - {b}": ("Now take away {b}.", "Minus {b}?", "And less {b}?", "Subtract {b} from that."),
         "{r} * {b}": ("Times {b}?", "Now multiply that by {b}.", "And {b} times that?")}  # fmt: skip

Sum = tuple[str, str, str]  # the question, the expression, its result


def is_held_number(number: int) -> bool:
    """Whether a number may stand in questions for measuring, and in no question for training."""
    return number >= 10 and is_held(HELD, "number", number)


def draw_sum(draw: Draw, *, held_numbers: bool, held_phrasing: bool) -> Sum:
    """A question with operands of up to LARGEST_DIGITS digits, and what the calculator makes of it."""
    stories = {form: own for form, all_of in STORIES.items() if (own := kept(all_of, held_phrasing, 1 / 3))}
    if stories and draw.chance(0.12):
        form = draw.of(tuple(stories))
        asked = draw.of(stories[form])
    else:
        form = draw.weighted(WEIGHTS)
        asked = draw.of(kept(FRAMES, held_phrasing)).replace("{e}", draw.of(WAYS[form]))
    a = _percent(draw, held_numbers) if "%" in form else _number(draw, held_numbers, LARGEST_DIGITS)
    b = _number(draw, held_numbers, 3 if "/" in form or "{c}" in form else LARGEST_DIGITS)
    if form == "{a} - {b}" and a < b and draw.chance(0.8):
        a, b = b, a
    numbers = {"{a}": a, "{b}": b, "{c}": _number(draw, held_numbers, 3) if "{c}" in form else 0}
    expression, commas = form, draw.chance(0.08)
    for place, number in numbers.items():
        expression = expression.replace(place, str(number))
        asked = asked.replace(place, f"{number:,}" if commas else str(number))
    return asked[0].upper() + asked[1:], expression, str(evaluate(expression))


def asked_again(draw: Draw, result: str) -> Sum | None:
    """A further step from a result that is a whole number, in training only; None where there is none."""
    if not result.lstrip("-").isdigit() or len(result) > LARGEST_DIGITS + 1:
        return None
    form = draw.of(tuple(AGAIN))
    b = _number(draw, False, 3)
    expression = form.replace("{r}", result).replace("{b}", str(b))
    return draw.of(AGAIN[form]).replace("{b}", str(b)), expression, str(evaluate(expression))


def answered(asked: Sum) -> tuple[Message, ...]:
    """The question, the call, the result and the answer."""
    question, expression, result = asked
    told = f"{expression} {result}." if result.startswith("≈") else f"{expression} = {result}."
    call = ToolCall("calculator", {"expression": expression})
    return (Message("user", question), Message("assistant", "", (call,)), Message("tool", result),
            Message("assistant", told))  # fmt: skip


def _number(draw: Draw, held: bool, digits: int) -> int:
    """As many numbers of each length; zero is none of them, so that nothing is divided by it."""
    while True:
        length = 1 + draw.below(digits)
        if held and length == 1:
            continue
        number = 10 ** (length - 1) + draw.below(9 * 10 ** (length - 1))
        if is_held_number(number) == held:
            return number


def _percent(draw: Draw, held: bool) -> int:
    while True:
        number = 1 + draw.below(100)
        if is_held_number(number) == held:
            return number
