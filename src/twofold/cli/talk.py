"""A conversation in the terminal: its turns, how they are answered, and the file that it is kept in.

The file is the one that the chat page exports and imports. A model with a chat template is given turns; one without is
given the turns as a single text, and goes on from its end, of which it sees what its context holds. What is said of an
answer goes to a file of labels, for a model to learn from.
"""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twofold.agent.loop import Step, Trace, answer
from twofold.agent.tool import Tool
from twofold.atomic import atomic_write
from twofold.contracts import Sampling, Token
from twofold.data.conversation_files import messages
from twofold.data.conversations import Message
from twofold.data.labels import Given, LabelFile, Verdict
from twofold.engine.open import Engine
from twofold.engine.sampling import check
from twofold.engine.service import Request, Service, Usage
from twofold.errors import ConfigError, FileFormatError, SourceError, TwofoldError

__all__ = ["Answer", "Talk", "Turn"]

FORMAT = "twofold conversations 1"
ROLES = ("user", "assistant")


@dataclasses.dataclass
class Turn:
    """`calls` are the messages before the text in which an assistant called tools and was given their results.

    `entry` is that of the label which was given to it, if one was.
    """

    role: str
    text: str
    calls: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    entry: str = ""

    def messages(self) -> list[dict[str, Any]]:
        return [*self.calls, {"role": self.role, "content": self.text}]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came, and how: `first` is the seconds until the first token, `rate` the tokens a second from then on.

    `forgotten` messages at the beginning of the conversation were not read.
    """

    text: str
    tokens: tuple[Token, ...]
    finish: str
    usage: Usage
    seed: int
    first: float | None
    rate: float | None
    steps: tuple[Step, ...] = ()
    forgotten: int = 0


@dataclasses.dataclass
class Talk:
    """`seed` None takes another one for each answer; a number counts up with them. `tell` is given each call.

    `labels` keeps what `by` says of answers. With `forget` the oldest turns are not read where the context is full.
    """

    engine: Engine
    service: Service
    sampling: Sampling
    most: int
    seed: int | None = None
    system: str = ""
    turns: list[Turn] = dataclasses.field(default_factory=list)
    asked: int = 0
    tools: tuple[Tool, ...] = ()
    tell: Callable[[Step], object] = lambda step: None
    labels: LabelFile | None = None
    by: str = ""
    forget: bool = False

    @property
    def chats(self) -> bool:
        return self.engine.chat_template is not None

    def ask(self, text: str, show: Callable[[str], None]) -> Answer:
        """Answer `text`, which becomes a turn, as does what came of the answer, even if KeyboardInterrupt ends it."""
        before = len(self.turns)
        self.turns.append(Turn("user", text))
        try:
            return self._answer(show)
        except TwofoldError:
            del self.turns[before:]
            raise

    def retry(self, show: Callable[[str], None]) -> Answer:
        """Another answer to the last question. Raises ConfigError where there is none."""
        if not self.turns:
            raise ConfigError("there is no answer yet to try again")
        if self.turns[-1].role == "assistant":
            self.turns.pop()
        return self._answer(show)

    def undo(self) -> Turn:
        """Take back the last question and its answer; gives the question. Raises ConfigError where there is none."""
        while self.turns:
            if (turn := self.turns.pop()).role == "user":
                return turn
        raise ConfigError("there is nothing to take back")

    def judge(self, given: Given, when: str, text: str = "") -> Path:
        """Keep what is said of the last answer, in place of what was said of it before; gives the file.

        A correction (`text`) takes the place of the answer. Raises ConfigError where there is no answer, or no file.
        """
        if self.labels is None:
            raise ConfigError("there is no file for labels; name one: twofold chat MODEL --labels labels.jsonl")
        if not self.chats:
            raise ConfigError("labels are of answers, and what goes on from a text is none; take a model that chats")
        if len(self.turns) < 2 or self.turns[-1].role != "assistant":
            raise ConfigError("there is no answer yet to say anything of")
        *before, answered = [tuple(messages({"messages": turn.messages()})) for turn in self.turns]
        system = (Message("system", self.system),) if self.system else ()
        asked = (*system, *(message for turn in before for message in turn))
        verdict = Verdict(given, asked, (answered,), self.by, when, text)
        entry = self.labels.add(verdict)
        self.labels.take_back(self.turns[-1].entry)
        if text:
            self.turns[-1] = Turn("assistant", text, self.turns[-1].calls)
        self.turns[-1].entry = entry
        return self.labels.path

    def set(self, name: str, value: str) -> None:
        """Change a setting. Raises ConfigError for a name or a value that cannot be."""
        kinds = {field: type(default) for field, default in vars(Sampling()).items()} | {"n": int}
        if name not in kinds:
            raise ConfigError(f"there is no setting {name!r}; there are {', '.join(kinds)}")
        if name == "seed" and value == "another":
            self.seed = None
            return
        try:
            number = kinds[name](value)
        except ValueError:
            raise ConfigError(f"{name} is a number, not {value!r}") from None
        if name == "n":
            if number < 1:
                raise ConfigError(f"n={number} is less than one token")
            self.most = number
            return
        sampling = dataclasses.replace(self.sampling, **{name: number})
        check(sampling)
        self.sampling = sampling
        if name == "seed":
            self.seed, self.asked = number, 0

    @property
    def settings(self) -> dict[str, Any]:
        return {**vars(self.sampling), "seed": "another" if self.seed is None else self.seed, "n": self.most}

    def _answer(self, show: Callable[[str], None]) -> Answer:
        seed = random.SystemRandom().randrange(2**32) if self.seed is None else self.seed + self.asked
        self.asked += 1
        sampling = dataclasses.replace(self.sampling, seed=seed)
        return self._in_turns(sampling, show) if self.chats else self._as_a_text(sampling, show)

    def _as_a_text(self, sampling: Sampling, show: Callable[[str], None]) -> Answer:
        prompt = self.engine.prompt("".join(turn.text for turn in self.turns))
        request = Request(tuple(prompt), self.most, sampling, overflow="slide")
        said = Turn("assistant", "")
        tokens: list[Token] = []
        finish, usage, times = "stopped", Usage(len(prompt)), [time.perf_counter()]
        pieces = self.service.stream(request)
        try:
            for piece in pieces:
                if piece.error is not None:
                    raise piece.error
                if piece.tokens:
                    times.append(time.perf_counter())
                tokens += piece.tokens
                said.text += piece.text
                show(piece.text)
                finish, usage = piece.finish or finish, piece.usage or usage
        finally:
            if said.text or finish != "stopped":
                self.turns.append(said)
            pieces.close()  # type: ignore[attr-defined]
        spent = times[-1] - times[1] if len(times) > 1 else 0.0
        first = times[1] - times[0] if len(times) > 1 else None
        return Answer(said.text, tuple(tokens), finish, usage, sampling.seed, first,
                      (len(tokens) - 1) / spent if len(tokens) > 1 and spent else None)  # fmt: skip

    def _in_turns(self, sampling: Sampling, show: Callable[[str], None]) -> Answer:
        trace = Trace()
        said = [message for turn in self.turns for message in turn.messages()]
        messages = [{"role": "system", "content": self.system}] * bool(self.system) + said
        try:
            answer(self.service, messages, self.tools, n=self.most, sampling=sampling, show=show,
                   tell=self.tell, trace=trace, forget=self.forget)  # fmt: skip
        finally:
            if trace.text or trace.steps or trace.finish != "stopped":
                *calls, last = trace.messages()
                self.turns.append(Turn("assistant", last["content"], calls))
        first, written = trace.usages[0], sum(usage.completion_tokens for usage in trace.usages)
        spent = sum(usage.completion_seconds for usage in trace.usages)
        return Answer(trace.text, tuple(trace.tokens), trace.finish,
                      dataclasses.replace(trace.usages[-1], completion_tokens=written), sampling.seed,
                      first.waited_seconds + first.prompt_seconds, written / spent if spent else None,
                      tuple(trace.steps), trace.forgotten)  # fmt: skip

    # The file --------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the conversation as JSON, for `load` and for the chat page."""
        turns = [{"id": i + 1, "parent": i, "role": turn.role, "text": turn.text,
                  **({"calls": turn.calls} if turn.calls else {})} for i, turn in enumerate(self.turns)]  # fmt: skip
        sampling = {name: value for name, value in vars(self.sampling).items() if name != "seed"}
        now = int(time.time() * 1000)
        talk = {
            "title": " ".join(self.turns[0].text.split())[:60] if self.turns else "", "created": now, "updated": now,
            "mode": "chat" if self.chats else "text", "system": self.system, "turns": turns,
            "settings": {**sampling, "max_tokens": self.most, "seed": self.seed},
            "shown": {str(turn["parent"]): turn["id"] for turn in turns},
        }  # fmt: skip
        atomic_write(path, json.dumps({"format": FORMAT, "conversations": [talk]}, indent=1, ensure_ascii=False))

    def load(self, path: Path) -> None:
        """Go on from the first conversation of a file, as it was shown. Raises SourceError, FileFormatError."""
        try:
            file = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise SourceError(f"{path} cannot be read ({error.strerror}); /save writes such a file") from error
        except ValueError as error:
            raise FileFormatError(f"{path} is no JSON; /save writes such a file, and so does the chat page") from error
        try:
            if file["format"] != FORMAT:
                raise ValueError(file["format"])
            talk = file["conversations"][0]
            turns, system = _shown(talk), talk["system"]
            if not isinstance(system, str):
                raise ValueError(system)
        except (LookupError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{path} is not a conversation as /save and the chat page write it ({error!r:.80})"
            ) from error
        self.turns, self.system = turns, system


def _shown(talk: Any) -> list[Turn]:
    """From the root to a leaf: at each turn the child that is shown, or else the last one."""
    children: dict[int, list[Any]] = {}
    for one in talk["turns"]:
        if one["role"] not in ROLES or not isinstance(one["text"], str) or one["id"] <= one["parent"]:
            raise ValueError(one)
        children.setdefault(one["parent"], []).append(one)
    found, at = [], 0
    while among := children.get(at):
        wanted = talk.get("shown", {}).get(str(at))
        turn = next((one for one in among if one["id"] == wanted), among[-1])
        found.append(Turn(turn["role"], turn["text"], _calls(turn.get("calls", []))))
        at = turn["id"]
    return found


def _calls(messages: Any) -> list[dict[str, Any]]:
    for one in messages:
        if one["role"] not in ("assistant", "tool") or not isinstance(one["content"], str):
            raise ValueError(one)
        for call in one.get("tool_calls", ()):
            if not isinstance(call["function"]["name"], str) or "arguments" not in call["function"]:
                raise ValueError(call)
    return list(messages)
