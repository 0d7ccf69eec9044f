"""Asks a model the questions of a suite, and judges what it answers.

Written answers come from a function that the caller gives (so that a model with tools, or a program on a server, is
measured by the same rules). Of choices none is written: that one is taken which the model finds likeliest as the
answer, by ln p of all its tokens, and what lm-eval calls acc is the share of questions where that is the right one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from twofold.engine.conversation import chat_prompt
from twofold.engine.open import Engine
from twofold.errors import ConfigError
from twofold.evals.judging import is_right
from twofold.evals.questions import Question, Suite
from twofold.evals.results import Judged, Results

__all__ = ["ask", "choose", "plain_prompt"]

Write = Callable[[Sequence[Mapping[str, Any]]], str]


def ask(
    suite: Suite, engine: Engine, write: Write, *, model: str, plain: bool = False, side_by_side: int = 8,
    tools: tuple[str, ...] = (), verifiers: Mapping[str, Callable[[str], bool]] | None = None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> Results:
    """Ask all questions; `write` answers a conversation, and is called from `side_by_side` threads.

    `tools` are the names of those that `write` used. With `plain`, choices follow the question's text as it is, not as
    turns of a chat. Raises what `write` raises.
    """
    begun, judged = time.perf_counter(), []
    with ThreadPoolExecutor(side_by_side) as pool:
        coming = pool.map(lambda one: "" if one.choices else write(one.messages), suite.questions)
        try:
            for question, text in zip(suite.questions, coming, strict=True):
                if question.choices:
                    chosen = choose(engine, question, plain)
                    judged.append(Judged(question, question.choices[chosen], chosen == question.expected))
                else:
                    judged.append(Judged(question, text, is_right(question, text, verifiers)))
                progress(len(judged), len(suite.questions))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Results(model, suite.name, tuple(judged), time.perf_counter() - begun, tools)


def choose(engine: Engine, question: Question, plain: bool = False) -> int:
    """The choice with the highest ln p after the question; the first of several that are equal."""
    documents, lengths = [], []
    for choice in question.choices:
        ids, read = _with_choice(engine, question, choice, plain)
        if len(ids) > engine.context + 1:
            raise ConfigError(f"a question of {len(ids)} tokens does not fit the model's context of {engine.context}: "
                              f"{question.text!r:.60}")  # fmt: skip
        documents.append(ids)
        lengths.append(len(ids) - read)
    nats = engine.score_documents([np.asarray(ids) for ids in documents])
    costs = [float(one[len(one) - n :].sum()) for one, n in zip(nats, lengths, strict=True)]
    return min(range(len(costs)), key=costs.__getitem__)


def plain_prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    """A conversation as a text that a base model may go on from."""
    names = {"user": "Question: ", "assistant": "Answer: ", "system": ""}
    return "\n".join(f"{names.get(one['role'], '')}{one['content']}" for one in messages) + "\nAnswer:"


def _with_choice(engine: Engine, question: Question, choice: str, plain: bool) -> tuple[list[int], int]:
    """The ids of question and choice, and how many of them are the question's."""
    if not plain and engine.chat_template is not None:
        prompt = chat_prompt(engine, question.messages)
        return [*prompt, *engine.tokenizer.encode(choice)], len(prompt)
    text = "\n".join(str(one["content"]) for one in question.messages)
    kept = text.rstrip()  # a space between belongs to the choice, as in lm-eval
    between = text[len(kept) :] or " "
    return engine.prompt(kept + between + choice), len(engine.prompt(kept))

