"""The model's own answers, as it is now: what on-policy learning learns from.

    prompt -> drawn … <tool_call>{…}</tool_call><|im_end|> -> the result's turn, which nobody draws -> drawn …

Answers are written side by side, each behind a cache of its own; a prompt is read once for all answers to it. What was
drawn is kept as the tokens that were drawn, never encoded again from text: another spelling of the same words is
another choice. Which numbers the draws take depends on the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twofold.engine.backend import Cache
from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.engine.tool_calls import ToolCall, tool_calls
from twofold.errors import ConfigError, Diverged
from twofold.tokenizer import chat
from twofold.tune.examples import Example

__all__ = ["Answer", "Tools", "answers"]

Messages = Sequence[Mapping[str, Any]]
Tools = Mapping[str, Callable[[Mapping[str, Any]], str]]  # by name: arguments to the text that the model is told
SIDE_BY_SIDE = 64  # answers that are written at a time
MOST_CALLS = 4
ROOM_FOR_RESULTS = 256  # tokens, of tools in one answer


@dataclass
class Answer:
    """`ids` are the prompt, what was drawn and what tools said; `own` marks what was drawn.

    `text` is what the model said last, after its calls; `ended`, whether it ended its turn before its tokens did.
    """

    ids: list[int]
    own: list[bool]
    text: str = ""
    ended: bool = False
    calls: list[tuple[ToolCall, str]] = field(default_factory=list)

    def example(self) -> Example:
        return Example(np.array(self.ids, np.int32), np.array(self.own, bool))

    @property
    def drawn(self) -> int:
        return sum(self.own)


@dataclass
class _Writing:
    """An answer on its way: `turn` are the tokens of this stretch, `owed` those that the cache has not read."""

    answer: Answer
    numbers: np.ndarray
    owed: list[int]
    cache: Cache | None = None
    turn: list[int] = field(default_factory=list)


def answers(
    engine: Engine, prompts: Sequence[Messages], each: int, longest: int, *, seed: Sequence[int] = (0,),
    temperature: float = 1.0, tools: Tools | None = None,
) -> list[list[Answer]]:
    """`each` answers to each of `prompts`, of at most `longest` drawn tokens.

    At a temperature of 1 (and no filter) a token is drawn with the probability that the model gives it. Raises
    ConfigError for a prompt that leaves no room for an answer in the context.
    """
    if each < 1 or longest < 1:
        raise ConfigError(f"{each} answers of {longest} tokens cannot be written; give 1 or more of each")
    random = np.random.default_rng([*seed])
    groups = []
    for messages in prompts:
        ids = chat_prompt(engine, messages)
        if len(ids) + longest > engine.context:
            raise ConfigError(
                f"a prompt of {len(ids)} tokens and an answer of {longest} do not fit the context of {engine.context}; "
                f"ask for shorter answers, or leave it out: {messages[-1]['content']!r:.60}"
            )
        numbers = random.random((each, longest))
        groups.append([_Writing(Answer(list(ids), [False] * len(ids)), row, list(ids)) for row in numbers])
    waiting = [one for group in groups for one in group]
    for at in range(0, len(waiting), SIDE_BY_SIDE):
        _write(engine, waiting[at : at + SIDE_BY_SIDE], temperature, longest, tools or {})
    return [[one.answer for one in group] for group in groups]


def _write(engine: Engine, texts: list[_Writing], temperature: float, longest: int, tools: Tools) -> None:
    """All of these to their ends."""
    ends = {*turn_ends(engine), engine.tokenizer.eos_id}
    _read_prompts(engine, texts, longest + (ROOM_FOR_RESULTS if tools else 0))
    while texts:
        rows = engine.backend.step([(one.cache, one.owed) for one in texts])[:, : engine.tokenizer.vocab_size]
        numbers = np.array([one.numbers[one.answer.drawn] for one in texts])
        for one, token in zip(texts, _drawn(rows, temperature, numbers), strict=True):
            _take(one, [token], own=True)
            one.turn.append(token)
        texts = [one for one in texts if _goes_on(engine, one, ends, longest, tools)]


def _drawn(rows: np.ndarray, temperature: float, numbers: np.ndarray) -> list[int]:
    """For each row of scores [n, v] and number from [0, 1) the id on which it falls: as the model finds them likely.

    The sampler of an engine begins by sorting the scores, for its filters; here there are none.
    """
    if not np.isfinite(rows).all():
        raise Diverged("the model's scores are no numbers, so it can write no answer; lower --lr, or raise --beta")
    cumulative = np.exp((rows - rows.max(1, keepdims=True)) / temperature).cumsum(1, dtype=np.float64)
    below = cumulative <= numbers[:, None] * cumulative[:, -1:]
    return np.minimum(below.sum(1), rows.shape[1] - 1).tolist()  # type: ignore[no-any-return]


def _read_prompts(engine: Engine, texts: list[_Writing], more: int) -> None:
    """All but the last token of each prompt, once where neighbours share it; the others take a copy."""
    first: _Writing | None = None
    for one in texts:
        prompt = one.owed
        one.cache = engine.backend.new_cache(min(engine.context, len(prompt) + more))
        if first is not None and first.cache is not None and first.answer.ids == one.answer.ids and len(prompt) > 1:
            one.cache.copy_from(first.cache, len(prompt) - 1)
        elif len(prompt) > 1:
            first = one
            engine.backend.step([(one.cache, prompt[:-1])])
        one.owed = prompt[-1:]


def _take(one: _Writing, ids: list[int], own: bool) -> None:
    one.answer.ids += ids
    one.answer.own += [own] * len(ids)
    one.owed = list(ids)


def _goes_on(engine: Engine, one: _Writing, ends: set[int | None], longest: int, tools: Tools) -> bool:
    """After a draw: whether there is more to be drawn. Where a call was made, its result joins what is to be read."""
    answer, full = one.answer, one.answer.drawn >= longest
    ended = one.turn[-1] in ends
    if not ended and not full:
        return True
    said = engine.tokenizer.decode(one.turn[:-1] if ended else one.turn)
    answer.text = said
    if not ended:
        return False
    _, calls = tool_calls(said) if tools else (said, [])
    if not calls or len(answer.calls) >= MOST_CALLS:
        answer.ended = True
        return False
    call = calls[0]
    known = tools.get(call.name)
    result = known(call.arguments) if known else f"error: there is no tool {call.name!r:.40}"
    answer.calls.append((call, result))
    turn = chat.encode(engine.tokenizer, [{"role": "tool", "content": result}], answer=True)
    told = [*engine.tokenizer.encode("\n"), *turn]
    assert one.cache is not None
    if full or len(answer.ids) + len(told) + longest - answer.drawn > one.cache.room:
        return False
    _take(one, told, own=False)
    one.owed = [one.turn[-1], *told]
    one.turn = []
    return True
