"""Constrained output: at every token only what can still become an answer of the asked form is allowed.

    Constraint      the form that was asked for: a JSON schema, a regular expression, or one of some texts
    Matcher         where one answer stands in that form; it masks scores and follows the tokens that are drawn

llguidance (Moskal et al., MIT) does the parsing: an Earley parser over a lexer of derivatives, against a trie of the
vocabulary's bytes. An answer may end (eos, or the request's stop_ids) where the form is complete, and does end where
nothing more can follow. One that is cut off by its length is not complete, and says so by its finish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twofold.errors import ConfigError, TwofoldError, require

if TYPE_CHECKING:
    from twofold.engine.open import Engine

__all__ = ["Constraint", "Matcher", "grammar_tokenizer"]

PURPOSE = ("serve", "constrained output")
# One way to write JSON, so that no answer gets lost in white space: a space after , and : and nowhere else.
JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True)
class Constraint:
    """What the answer must be; made, and checked, by one of the three below. They raise ConfigError, MissingExtra."""

    kind: Literal["json_schema", "regex", "choices"]
    grammar: str

    @classmethod
    def json_schema(cls, schema: Mapping[str, Any] | bool) -> Constraint:
        """JSON that the schema accepts; {} or True for any JSON value."""
        library = require("llguidance", *PURPOSE)
        whole = dict(schema) if isinstance(schema, Mapping) else {} if schema else {"not": {}}
        try:
            grammar = library.LLMatcher.grammar_from_json_schema(json.dumps(whole), overrides=JSON_STYLE)
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f"the schema is not one that can be used: {str(error)[:300]}") from error
        return cls("json_schema", _checked(grammar, "schema"))

    @classmethod
    def regex(cls, pattern: str) -> Constraint:
        """A text that the pattern (in the syntax of Rust's `regex`) matches as a whole."""
        library = require("llguidance", *PURPOSE)
        return cls("regex", _checked(library.LLMatcher.grammar_from_regex(pattern), f"pattern {pattern[:80]!r}"))

    @classmethod
    def choices(cls, texts: Sequence[str]) -> Constraint:
        """One of the texts."""
        library = require("llguidance", *PURPOSE)
        if not texts or "" in texts:
            raise ConfigError("choices are one text or more, and none of them is empty")
        lark = "start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
        return cls("choices", _checked(library.LLMatcher.grammar_from_lark(lark), "list of choices"))

    def matcher(self, engine: Engine, stop_ids: Sequence[int] = ()) -> Matcher:
        """For one answer. Raises ConfigError where this vocabulary cannot spell the form."""
        return Matcher(self, engine, stop_ids)


class Matcher:
    def __init__(self, constraint: Constraint, engine: Engine, stop_ids: Sequence[int]) -> None:
        library = require("llguidance", *PURPOSE)
        self._inner = library.LLMatcher(engine.grammar_tokenizer, constraint.grammar, log_level=0)
        self._size, self._ends = engine.tokenizer.vocab_size, list(stop_ids)
        if self._inner.is_error():
            raise ConfigError(f"the {constraint.kind} cannot be followed: {_first_line(self._inner.get_error())}")

    def mask(self, scores: np.ndarray) -> np.ndarray:
        """Scores [v] in which what cannot follow is -inf. Raises TwofoldError when the parser gives up."""
        bits = np.frombuffer(self._inner.compute_bitmask(), np.uint8)
        if self._inner.is_error():
            raise TwofoldError(f"the form became too hard to follow: {_first_line(self._inner.get_error())}")
        allowed = np.unpackbits(bits, bitorder="little")[: self._size].view(bool)
        if self._ends and self._inner.is_accepting():
            allowed[self._ends] = True
        return np.where(allowed, scores, np.float32(-np.inf))

    def accept(self, id: int) -> bool:
        """Follow a token that was drawn; True where nothing more can follow it."""
        self._inner.consume_token(id)
        return self._inner.is_stopped()

    def forced(self) -> list[int]:
        """Tokens that spell what must come next, where there is only one way to go on."""
        return self._inner.compute_ff_tokens()


class _Vocabulary:
    """Our tokenizer as llguidance asks for one."""

    def __init__(self, engine: Engine) -> None:
        tokenizer = engine.tokenizer
        self.tokens = [tokenizer.decode_bytes([i]) for i in range(tokenizer.vocab_size)]
        self.special_token_ids = sorted(engine.special_ids)
        self.bos_token_id = tokenizer.bos_id
        self.eos_token_id = self.special_token_ids[0] if tokenizer.eos_id is None else tokenizer.eos_id
        self._encode = tokenizer.encode

    def __call__(self, text: str | bytes) -> list[int]:
        return self._encode(text if isinstance(text, str) else text.decode("utf-8", "replace"))


def grammar_tokenizer(engine: Engine) -> Any:
    """llguidance's own form of the vocabulary; made once for an engine."""
    library = require("llguidance", *PURPOSE)
    if engine.tokenizer.eos_id is None and not engine.special_ids:
        raise ConfigError("constrained output needs a token that ends a text, and this vocabulary has none")
    return library.LLTokenizer(library.TokenizerWrapper(_Vocabulary(engine)))


def _checked(grammar: str, what: str) -> str:
    wrong = require("llguidance", *PURPOSE).LLMatcher.validate_grammar(grammar)
    if wrong and not wrong.startswith("WARNING"):
        raise ConfigError(f"the {what} cannot be used: {_first_line(wrong)}")
    return grammar


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), text)[:300]
