"""OpenAI's own Python package, which we did not write, against our server."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

import numpy as np
import openai
import pytest
from pydantic import BaseModel

from twofold.engine.open import open_model

ASKED = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Lima", "Oslo"]}, "days": {"type": "integer", "maximum": 9}},
    "required": ["city", "days"], "additionalProperties": False}}}  # fmt: skip


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)


@pytest.fixture(scope="module")
def engine(models):
    return open_model(models / "tiny", "numpy")


def test_models_are_listed_and_found_by_name(client):
    assert [one.id for one in client.models.list()] == ["tiny", "second"]
    assert client.models.retrieve("second").id == "second"
    with pytest.raises(openai.NotFoundError, match="there is tiny, second"):
        client.models.retrieve("third")


def test_a_chat_streams_the_same_text_that_it_answers_at_once(client):
    asked = {"model": "tiny", "messages": ASKED, "max_completion_tokens": 40, "seed": 5}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert whole.choices[0].message.role == "assistant"
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_clients_own_accumulation_of_a_stream_agrees(client):
    with client.chat.completions.stream(model="tiny", messages=ASKED, max_completion_tokens=12, seed=5) as stream:
        for _ in stream:
            final = stream.current_completion_snapshot
    whole = client.chat.completions.create(model="tiny", messages=ASKED, max_completion_tokens=12, seed=5)
    assert final.choices[0].message.content == whole.choices[0].message.content


@pytest.mark.slow
def test_many_at_once_get_what_each_would_get_alone(server, client):
    def asked(seed):
        return {"model": "tiny", "messages": ASKED, "max_completion_tokens": 20, "seed": seed}

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as many:
            return await asyncio.gather(*(many.chat.completions.create(**asked(seed)) for seed in range(8)))

    together = [one.choices[0].message.content for one in asyncio.run(all_of_them())]
    assert together == [client.chat.completions.create(**asked(s)).choices[0].message.content for s in range(8)]
    assert len(set(together)) == 8


def test_n_answers_are_those_of_the_next_seeds(client):
    three = client.completions.create(model="tiny", prompt="the", n=3, seed=7, max_tokens=12)
    alone = [client.completions.create(model="tiny", prompt="the", seed=7 + i, max_tokens=12) for i in range(3)]
    assert [one.text for one in three.choices] == [one.choices[0].text for one in alone]
    assert three.usage.completion_tokens == 36
    assert three.usage.prompt_tokens == alone[0].usage.prompt_tokens


def test_a_completion_is_what_the_engine_writes(client, engine):
    from twofold.contracts import Sampling

    answer = client.completions.create(model="tiny", prompt="hello the", seed=3, max_tokens=20)
    tokens = list(engine.generate(engine.prompt("hello the"), 20, Sampling(seed=3)))
    assert answer.choices[0].text == engine.tokenizer.decode([one.id for one in tokens])


def test_logprobs_are_the_models_own(client, engine):
    """Against the engine's scores of the same text, each token given those before it."""
    answer = client.chat.completions.create(
        model="tiny", messages=ASKED, max_completion_tokens=10, seed=1, logprobs=True, top_logprobs=5
    )
    content = answer.choices[0].logprobs.content
    assert len(content) == 10
    spelled = b"".join(bytes(one.bytes) for one in content)
    assert spelled.decode("utf-8", "replace") == answer.choices[0].message.content
    for one in content:
        tops = [top.logprob for top in one.top_logprobs]
        assert len(tops) == 5
        assert tops == sorted(tops, reverse=True)
        assert one.logprob <= tops[0]
    ids = engine.prompt("hello the")
    prompt = client.completions.create(model="tiny", prompt=ids, max_tokens=0, echo=True, logprobs=3)
    scores = prompt.choices[0].logprobs
    assert scores.token_logprobs[0] is None
    np.testing.assert_allclose(scores.token_logprobs[1:], -engine.score(ids), atol=2e-3)


def test_a_stop_text_is_not_part_of_the_answer(client):
    free = client.completions.create(model="tiny", prompt="the", seed=2, max_tokens=30).choices[0].text
    stop = free[8:11]
    held = client.completions.create(model="tiny", prompt="the", seed=2, max_tokens=30, stop=[stop]).choices[0]
    assert held.text == free[: free.index(stop)]
    assert held.finish_reason == "stop"


def test_a_bias_forbids_and_forces(client, engine):
    wanted = engine.tokenizer.encode("hello")[0]
    forced = client.completions.create(model="tiny", prompt="the", max_tokens=4, logit_bias={str(wanted): 100})
    assert forced.choices[0].text == "hello" * 4


def test_embeddings_have_length_one_in_either_form(client):
    texts = ["hello", "the", "hello"]
    packed = client.embeddings.create(model="tiny", input=texts)
    plain = client.embeddings.create(model="tiny", input=texts, encoding_format="float")
    a, b = ([np.array(one.embedding) for one in answer.data] for answer in (packed, plain))
    np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), 1, rtol=1e-5)
    assert np.allclose(a[0], a[2])
    assert not np.allclose(a[0], a[1])


def test_structured_output_is_parsed_into_its_class(client):
    class Place(BaseModel):
        city: Literal["Lima", "Oslo"]
        warm: bool

    for seed in range(4):
        parsed = client.chat.completions.parse(model="tiny", messages=ASKED, response_format=Place, seed=seed)
        assert isinstance(parsed.choices[0].message.parsed, Place)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is_called_as_its_schema_says(client, stream):
    asked = {"model": "tiny", "messages": ASKED, "tools": [TOOL], "tool_choice": "required", "seed": 3,
             "temperature": 0.5}  # fmt: skip
    if stream:
        with client.chat.completions.stream(**asked) as answer:
            choice = answer.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    assert call.function.name == "weather"
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"city", "days"}
    assert arguments["city"] in ("Lima", "Oslo")


@pytest.mark.slow
def test_responses_stream_what_they_answer_at_once(client):
    asked = {"model": "tiny", "input": "hello", "instructions": "the", "max_output_tokens": 20,
             "extra_body": {"seed": 6}}  # fmt: skip
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        kinds = [event.type for event in stream]  # the client checks its own picture of the answer as they come
    assert whole.status == "incomplete"
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.incomplete"
    assert "response.output_text.done" in kinds
    with client.responses.stream(**asked) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert said == whole.output_text


def test_a_response_that_must_call_a_tool_does(client):
    flat = {"type": "function", **TOOL["function"], "strict": True}
    answer = client.responses.create(model="tiny", input="hello", tools=[flat], tool_choice="required",
                                     temperature=0.5, extra_body={"seed": 3})  # fmt: skip
    call = answer.output[0]
    assert call.type == "function_call"
    assert json.loads(call.arguments)["city"] in ("Lima", "Oslo")
    with pytest.raises(openai.BadRequestError, match="send the earlier turns in input"):
        client.responses.create(model="tiny", input="hello", previous_response_id="resp_1")


@pytest.mark.parametrize(("changes", "says"), [
    ({"model": "gpt-4o"}, "there is tiny, second"),
    ({"temperature": -1}, "temperature"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user", "content": "hello " * 600}]}, "context"),
    ({"frequency_penalty": 0.5}, "use repetition_penalty"),
    ({"logit_bias": {"999999": 1}}, "vocabulary has"),
    ({"top_logprobs": 3}, "needs logprobs"),
    ({"tool_choice": "required"}, "no tools"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}, "'text'"),
])  # fmt: skip
def test_a_mistake_is_told_with_the_way_out(client, changes, says):
    with pytest.raises(openai.APIStatusError) as told:
        client.chat.completions.create(**{"model": "tiny", "messages": ASKED, "max_completion_tokens": 2, **changes})
    assert told.value.status_code in (400, 404)
    assert says in told.value.body["message"]
    assert told.value.body["type"] in ("invalid_request_error", "not_found_error")
