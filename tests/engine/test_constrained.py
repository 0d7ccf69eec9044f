"""Every answer that is complete has the form that was asked for, whatever the model would rather say."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llguidance")
from twofold.contracts import Sampling
from twofold.engine.constrained import Constraint
from twofold.engine.open import Engine, open_model
from twofold.engine.service import Request, Service
from twofold.errors import ConfigError
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters

ANY = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
LONG = 90

LEAVES = st.sampled_from([
    {"type": "integer", "minimum": -5, "maximum": 50}, {"type": "boolean"}, {"type": "null"}, {"const": "é \" \\ x"},
    {"enum": ["a", "b c", 3, None]}, {"type": "string", "maxLength": 4}, {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "string", "pattern": "^[a-z]{2}-[0-9]$"},
])  # fmt: skip


def objects(inner):
    names = st.sampled_from(["a", "name", "x y", "é"])
    return st.dictionaries(names, inner, max_size=2).map(exactly)


def exactly(fields: dict) -> dict:
    return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}


SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: objects(inner) | st.lists(inner, min_size=1, max_size=2).map(lambda some: {"anyOf": some})
    | inner.map(lambda one: {"type": "array", "items": one, "maxItems": 2}),
    max_leaves=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    one = tiny_parameters("llama", small_tokenizer())
    path = tmp_path_factory.mktemp("model") / "p.gguf"
    save(path, replace(one.config, context=512), one.state, one.tokenizer, dtype="F32")
    with Service(open_model(path, "numpy")) as running:
        yield running


def answer(service: Service, constraint: Constraint, seed: int = 0, n: int = LONG, **more) -> tuple[str, str]:
    prompt = tuple(service.engine.prompt("hello"))
    pieces = list(service.stream(Request(prompt, n, replace(ANY, seed=seed), constraint=constraint, **more)))
    assert pieces[-1].error is None
    return "".join(piece.text for piece in pieces), pieces[-1].finish


@pytest.mark.slow
@settings(max_examples=60)
@given(SCHEMAS, st.integers(0, 100))
def test_json_that_is_complete_is_what_the_schema_accepts(service, schema, seed):
    validator = pytest.importorskip("jsonschema_rs").validator_for(schema)
    text, finish = answer(service, Constraint.json_schema(schema), seed)
    if finish == "stop":
        assert validator.is_valid(json.loads(text)), (schema, text)
    else:
        assert finish == "length"


def test_most_short_forms_are_completed(service):
    """So that the test above is not an empty one."""
    schema = exactly({"a": {"type": "boolean"}, "b": {"enum": [1, 2]}})
    found = {answer(service, Constraint.json_schema(schema), seed) for seed in range(12)}
    assert {finish for _, finish in found} == {"stop"}
    assert {text for text, _ in found} <= {f'{{"a": {a}, "b": {b}}}' for a in ("true", "false") for b in (1, 2)}
    assert len(found) > 2


@pytest.mark.parametrize("pattern", [r"[a-c]{3}-[0-9]{2,4}", r"(yes|no)( maybe)?", r"é+\n?x", r"[0-9]{4}-[0-9]{2}"])
def test_a_pattern_is_matched_as_a_whole(service, pattern):
    for seed in range(6):
        text, finish = answer(service, Constraint.regex(pattern), seed)
        assert finish == "length" or re.fullmatch(pattern, text), text


@pytest.mark.slow
def test_a_choice_is_one_of_the_choices_and_each_can_come(service):
    texts = ["yes", "no", "no, never", 'a "quoted"\n\\ one', "日本"]
    found = {answer(service, Constraint.choices(texts), seed) for seed in range(60)}
    assert {text for text, _ in found} <= set(texts)
    assert {finish for _, finish in found} == {"stop"}
    assert len(found) >= 4


def test_where_the_form_is_complete_a_stop_id_ends_it_too(service):
    end = service.engine.tokenizer.specials["<|im_end|>"]
    text, finish = answer(service, Constraint.regex("a*"), logit_bias={end: 100.0}, stop_ids=(end,))
    assert (text, finish) == ("", "stop")
    text, finish = answer(service, Constraint.regex("aaa*"), logit_bias={end: 1000.0}, stop_ids=(end,))
    assert (text, finish) == ("aa", "stop")


def test_what_must_come_is_guessed_and_changes_nothing(service):
    """The forced parts of JSON are drafts: read in one step, they are what would have been drawn."""
    schema = exactly({"a rather long name": {"type": "boolean"}})
    request = Request(tuple(service.engine.prompt("x")), LONG, ANY, constraint=Constraint.json_schema(schema))
    usage = list(service.stream(request))[-1].usage
    assert usage.accepted_tokens > 10
    assert usage.accepted_tokens == usage.drafted_tokens


@pytest.mark.parametrize(("make", "wrong"), [
    (Constraint.json_schema, {"type": "thing"}), (Constraint.json_schema, {"properties": 3, "type": "object"}),
    (Constraint.json_schema, {"$ref": "http://127.0.0.1/x"}), (Constraint.json_schema, {"a": {1, 2}}),
    (Constraint.json_schema, {"minimum": "x", "type": "integer"}), (Constraint.regex, "((("),
    (Constraint.regex, "(?=x)"),
    (Constraint.choices, []), (Constraint.choices, ["a", ""]),
])  # fmt: skip
def test_a_form_that_cannot_be_is_refused(make, wrong):
    with pytest.raises(ConfigError):
        make(wrong)


def test_a_model_without_an_end_of_text_says_so():
    tokenizer = small_tokenizer()
    tokenizer.specials, tokenizer.eos_id = {}, None
    one = Engine(tiny_parameters("llama", small_tokenizer()).config, tokenizer, backend=None)
    with pytest.raises(ConfigError, match="ends a text"):
        Constraint.regex("a").matcher(one)
