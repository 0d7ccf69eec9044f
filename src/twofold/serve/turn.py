"""The assistant's turn as it is written: its text, its calls of tools, and the chances of its tokens."""

from __future__ import annotations

import json
import secrets
from typing import Any

from twofold.contracts import Token
from twofold.engine.request import Piece, Usage
from twofold.serve.asking import best_first, log, spelled
from twofold.serve.calling import Splitter, Tools
from twofold.serve.looping import Ran
from twofold.serve.shelf import Served
from twofold.serve.wire_chat import AnsweredCall, ChatLogprobs, ChatMessage, TokenLogprob, ToolStep, TopLogprob

__all__ = ["Turn"]


class Turn:
    """`take` each piece; what it gives back is what may be said of it now: text, and calls that are complete."""

    def __init__(self, served: Served, tools: Tools, logprobs: bool = False, tops: int = 0) -> None:
        self._served, self._wanted, self._tops = served, logprobs, tops
        self._splitter = Splitter(tools)
        self._logprobs: list[TokenLogprob] = []
        self._told = self._seen = 0
        self.text = ""
        self.calls: list[AnsweredCall] = []
        self.steps: list[ToolStep] = []
        self.finish: Any = None
        self.usage = Usage()

    def take(self, piece: Piece) -> tuple[str, list[AnsweredCall]]:
        if isinstance(piece, Ran) and piece.step:
            call, outcome = piece.step.call, piece.step.outcome
            self.steps.append({"name": call.name, "arguments": dict(call.arguments), "result": outcome.text,
                               "failed": outcome.failed, "seconds": round(outcome.seconds, 4)})  # fmt: skip
            self.text = ""  # what was said before a call belongs to the call
            return "", []
        if self._wanted:
            self._logprobs += [self._logprob(token) for token in piece.tokens]
        text, called = self._splitter.take(piece.text, last=piece.finish is not None)
        begun = len(self.calls)
        calls: list[AnsweredCall] = [
            {"id": f"call_{secrets.token_hex(12)}", "type": "function", "index": begun + i,
             "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}}
            for i, call in enumerate(called)
        ]  # fmt: skip
        self.text += text
        self.calls += calls
        if piece.finish is not None:
            self.finish = "tool_calls" if self.calls and piece.finish == "stop" else piece.finish
        self.usage = piece.usage or self.usage
        return text, calls

    def message(self) -> ChatMessage:
        message: ChatMessage = {"role": "assistant", "content": self.text, "refusal": None}
        if self.calls:
            message["content"] = self.text or None
            message["tool_calls"] = [
                {"id": call["id"], "type": call["type"], "function": call["function"]} for call in self.calls
            ]
        if self.steps:
            message["tool_steps"] = self.steps
        return message

    def fresh_steps(self) -> list[ToolStep]:
        """Those that came since the last time."""
        fresh, self._seen = self.steps[self._seen :], len(self.steps)
        return fresh

    def logprobs(self) -> ChatLogprobs | None:
        return {"content": self._logprobs, "refusal": None} if self._wanted else None

    def fresh_logprobs(self) -> ChatLogprobs | None:
        """Those that came since the last time; None where there are none."""
        fresh, self._told = self._logprobs[self._told :], len(self._logprobs)
        return {"content": fresh, "refusal": None} if fresh else None

    def _logprob(self, token: Token) -> TokenLogprob:
        tops = [self._top(one.id, one.probability) for one in best_first(token)[: self._tops]]
        return {**self._top(token.id, token.probability), "top_logprobs": tops}

    def _top(self, i: int, probability: float) -> TopLogprob:
        text, raw = spelled(self._served, i)
        return {"token": text, "logprob": log(probability), "bytes": raw}
