"""Many requests at a time are answered as each would be alone, may be given up at any time, and fail alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from twofold.contracts import Sampling
from twofold.engine.native_build import library
from twofold.engine.open import Engine, open_model
from twofold.engine.sampling import probabilities
from twofold.engine.scheduler import Scheduler
from twofold.engine.service import Piece, Request, Service
from twofold.engine.speculative import DraftModel, Lookup
from twofold.errors import ConfigError, TwofoldError
from twofold.weights.parameters import save

from ..weights.models import small_tokenizer, tiny_parameters

ANY = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0)
TEXTS = ["hello", "the the", "hello the 1984", "t", "hello hello hello hello", "the hell"]
KINDS = ["plain", "one place", "crowded", "look-up", "draft", "itself"]


def tiny(folder: Path, backend: str, name: str = "llama") -> Engine:
    one = tiny_parameters(name, small_tokenizer())
    save(folder / f"{name}.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    return open_model(folder / f"{name}.gguf", backend)


@pytest.fixture(scope="module", params=["numpy", "native"])
def engine(request, tmp_path_factory) -> Engine:
    if request.param == "native" and library() is None:
        pytest.skip("no C compiler")
    return tiny(tmp_path_factory.mktemp("model"), request.param)


@pytest.fixture(params=KINDS)
def service(request, engine, tmp_path):
    options = {
        "plain": {}, "one place": {"slots": 1}, "look-up": {"drafter": Lookup(shortest=1)},
        "crowded": {"scheduler": Scheduler(2, budget=3, least=2, turn=3, resident=4)},
        "draft": {"drafter": DraftModel(tiny(tmp_path, engine.backend.name, "llama-tied"), engine)},
        "itself": {"drafter": DraftModel(engine, engine)},
    }[request.param]
    with Service(engine, **options) as one:
        yield one


def asked(engine: Engine, text: str, n: int = 40, **more) -> Request:
    return Request(tuple(engine.prompt(text)), n, **({"sampling": ANY, "ignore_eos": True} | more))


def together(service: Service, requests: list[Request]) -> list[list[Piece]]:
    """The pieces of requests that are submitted at once."""
    pieces: list[list[Piece]] = [[] for _ in requests]
    done = threading.Semaphore(0)

    def listener(i: int):
        def listen(piece: Piece) -> None:
            pieces[i].append(piece)
            if piece.finish:
                done.release()

        return listen

    for i, request in enumerate(requests):
        service.submit(request, listener(i))
    for _ in requests:
        assert done.acquire(timeout=60)
    return pieces


def ids_of(pieces: list[Piece]) -> list[int]:
    return [token.id for piece in pieces for token in piece.tokens]


def alone(engine: Engine, request: Request) -> list[int]:
    """What the backend draws, token by token, without any of the service's machinery."""
    random, ids = np.random.default_rng(request.sampling.seed), list(request.prompt)
    cache = engine.backend.new_cache(engine.context)
    for _ in range(request.n):
        logits = engine.backend.step([(cache, ids[cache.length :])])[0]
        ids.append(engine.backend.draw(logits, request.sampling, random.random(), ids)[0])
    return ids[len(request.prompt) :]


@pytest.mark.slow
def test_each_request_is_answered_as_if_it_were_alone(engine, service):
    settings = [ANY, Sampling(temperature=0), Sampling(seed=3), Sampling(repeat=1.5, seed=4), replace(ANY, seed=9)]
    requests = [asked(engine, text, sampling=settings[i % 5]) for i, text in enumerate(TEXTS * 2)]
    for request, pieces in zip(requests, together(service, requests), strict=True):
        assert ids_of(pieces) == alone(engine, request)
        assert "".join(piece.text for piece in pieces) == written(engine, ids_of(pieces))
        assert [piece.finish for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]
        assert pieces[-1].usage.completion_tokens == request.n


def written(engine: Engine, ids: list[int]) -> str:
    raw = b"".join(engine.tokenizer.decode_bytes([i]) for i in ids if i not in engine.special_ids)
    return raw.decode("utf-8", "replace")


def test_a_draft_by_the_model_itself_is_always_right(engine):
    with Service(engine, drafter=DraftModel(engine, engine)) as service:
        usage = together(service, [asked(engine, "hello", 60)])[0][-1].usage
        assert usage.drafted_tokens == usage.accepted_tokens > 30
        assert service.stats.steps < 40


def test_a_known_start_is_not_read_again(engine):
    with Service(engine) as service:
        first = asked(engine, "hello the 1984", 10)
        [pieces] = together(service, [first])
        assert pieces[-1].usage.cached_tokens == 0
        longer = replace(first, prompt=(*first.prompt, *ids_of(pieces), 5, 6), sampling=replace(ANY, seed=8))
        [again, other] = together(service, [longer, replace(longer, prompt=longer.prompt[:4])])
        assert again[-1].usage.cached_tokens == len(longer.prompt) - 3  # all but the last drawn, which was not read
        assert other[-1].usage.cached_tokens == 3
        assert ids_of(again) == alone(engine, longer)


def test_of_requests_with_the_same_prompt_one_reads_it(engine):
    with Service(engine) as service:
        request = asked(engine, "hello the " * 12, 3)
        answers = together(service, [replace(request, sampling=replace(ANY, seed=i)) for i in range(6)])
        read = [len(request.prompt) - pieces[-1].usage.cached_tokens for pieces in answers]
        assert sorted(read) == [1] * 5 + [len(request.prompt)]


def test_a_stop_string_ends_the_answer_and_is_not_in_it(engine, service):
    whole = written(engine, alone(engine, asked(engine, "hello", 60)))
    pairs = (whole[i : i + 2] for i in range(10, 58) if whole.find(whole[i : i + 2]) == i)
    stop = next(pair for pair in pairs if pair.isascii())
    [pieces] = together(service, [asked(engine, "hello", 60, stop=(stop, "never"))])
    assert "".join(piece.text for piece in pieces) == whole[: whole.find(stop)]
    assert pieces[-1].finish == "stop"


def test_eos_and_stop_ids_end_the_answer_and_are_no_part_of_it(engine):
    request = asked(engine, "hello", 30)
    drawn = alone(engine, request)
    end = next(i for i in range(5, 30) if drawn[i] not in drawn[:i])
    with Service(engine) as service:
        [pieces] = together(service, [replace(request, ignore_eos=False, stop_ids=(drawn[end],))])
    assert ids_of(pieces) == drawn[:end] and pieces[-1].finish == "stop"
    assert pieces[-1].usage.completion_tokens == end + 1


def test_probabilities_and_candidates_are_the_models_own_whatever_the_bias(engine, service):
    bias = {5: 100.0, 6: -100.0}
    [pieces] = together(service, [asked(engine, "hello", 6, logit_bias=bias, candidates=3)])
    ids = engine.prompt("hello")
    for token in (token for piece in pieces for token in piece.tokens):
        p = probabilities(engine.backend.step([(engine.backend.new_cache(96), ids)])[0])
        assert token.id == 5
        assert token.probability == pytest.approx(p[5], rel=1e-4)
        assert [one.id for one in token.candidates] == list(np.argsort(-p)[:3])
        ids.append(5)


def test_a_prompts_tokens_get_the_scores_that_the_engine_gives_them(engine, service):
    request = asked(engine, "hello the 1984 hello", 0, prompt_scores=True, candidates=2)
    [pieces] = together(service, [request])
    tokens = pieces[0].prompt
    assert [token.id for token in tokens] == list(request.prompt)
    assert np.isnan(tokens[0].probability)
    nats = -np.log([token.probability for token in tokens[1:]])
    np.testing.assert_allclose(nats, engine.score(request.prompt), rtol=1e-4)
    assert all(len(token.candidates) == 2 for token in tokens[1:])
    assert pieces[-1].finish == "length" and pieces[-1].usage.completion_tokens == 0


@pytest.mark.slow
def test_at_the_end_of_the_context_an_answer_ends_or_slides_as_was_asked(engine, service):
    request = asked(engine, "hello", 150)
    [ended, slid, long] = together(service, [
        request, replace(request, overflow="slide"), replace(request, prompt=(7,) * 200, n=60, overflow="slide"),
    ])  # fmt: skip
    assert ended[-1].finish == "length"
    assert len(ids_of(ended)) == engine.context - len(request.prompt) + 1
    expected = [token.id for token in engine.generate(request.prompt, 150, ANY)]
    if engine.tokenizer.eos_id not in expected:
        assert ids_of(slid) == expected
    assert ids_of(slid)[: len(ids_of(ended))] == ids_of(ended)
    assert len(ids_of(slid)) == 150 and len(ids_of(long)) == 60
    with pytest.raises(ConfigError, match="96"):
        service.submit(replace(request, prompt=(7,) * 97), print)


def test_a_request_may_be_given_up_before_within_and_after_its_answer(engine, service):
    stream = service.stream(asked(engine, "hello", 90))
    next(stream)
    stream.close()
    long = [[] for _ in range(3)]
    tickets = [service.submit(asked(engine, "the", 90), pieces.append) for pieces in long]
    for ticket in tickets:
        ticket.cancel()
    [pieces] = together(service, [asked(engine, "hello", 5)])
    assert len(ids_of(pieces)) == 5
    tickets[0].cancel()
    for pieces in long:
        assert pieces[-1].finish in ("cancelled", "length")
        assert sum(piece.finish is not None for piece in pieces) == 1


def test_a_listener_that_fails_harms_only_itself(engine, service):
    def failing(piece: Piece) -> None:
        raise RuntimeError("no one listens")

    service.submit(asked(engine, "hello", 20), failing)
    request = asked(engine, "the", 20)
    assert ids_of(together(service, [request])[0]) == alone(engine, request)


def test_scores_that_are_no_numbers_fail_with_words_and_the_rest_goes_on(engine, monkeypatch):
    step = engine.backend.step

    def broken(reads, every=False):
        scores = step(reads, every).copy()
        for row, (_, ids) in zip(scores, reads, strict=False):
            row[:] = np.nan if 9 in ids else row
        return scores

    with Service(engine) as service:
        monkeypatch.setattr(engine.backend, "step", broken)
        [bad, good] = together(service, [replace(asked(engine, "t", 5), prompt=(9,)), asked(engine, "t", 5)])
    assert bad[-1].finish == "error" and isinstance(bad[-1].error, TwofoldError)
    assert good[-1].finish == "length"


@pytest.mark.parametrize(("wrong", "words"), [
    ({"prompt": ()}, "no tokens"), ({"prompt": (99999,)}, "99999"), ({"n": -1}, "n=-1"), ({"stop": ("",)}, "stop"),
    ({"logit_bias": {-1: 1.0}}, "token -1"), ({"logit_bias": {1: float("nan")}}, "nan"),
    ({"candidates": -1}, "candidates"),
    ({"sampling": Sampling(top_p=3)}, "top_p"), ({"sampling": Sampling(repeat=0)}, "repeat"),
])  # fmt: skip
def test_a_request_that_cannot_be_is_refused_at_once(engine, wrong, words):
    with Service(engine) as service, pytest.raises(ConfigError, match=words):
        service.submit(replace(asked(engine, "hello"), **wrong), print)


def test_closing_finishes_what_runs_and_takes_nothing_new(engine):
    service = Service(engine)
    pieces: list[Piece] = []
    service.submit(asked(engine, "hello", 60), pieces.append)
    service.close()
    assert pieces[-1].finish == "length"
    with pytest.raises(TwofoldError, match="closed"):
        service.submit(asked(engine, "hello"), print)


def test_closing_in_a_hurry_cancels(engine):
    service = Service(engine)
    pieces: list[Piece] = []
    service.submit(asked(engine, "hello", 10**6, overflow="slide"), pieces.append)
    service.close(timeout=0.2)
    assert pieces[-1].finish == "cancelled"


def test_an_embedding_is_the_mean_of_the_final_stream_at_length_one(engine):
    torch = pytest.importorskip("torch")
    from twofold.weights.parameters import load
    from twofold.weights.torch_state import to_decoder

    ids = engine.prompt("hello the 1984")
    with torch.no_grad():
        mean = to_decoder(load(engine.path)).hidden(torch.tensor([ids]))[0].mean(0).numpy()
    with Service(engine) as service:
        found = service.embed(ids)
        with pytest.raises(ConfigError):
            service.embed([])
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_numbers_of_what_was_done_add_up(engine):
    with Service(engine) as service:
        requests = [asked(engine, text, 7) for text in TEXTS]
        together(service, requests)
        stats = service.stats
    assert (stats.finished, stats.running, stats.waiting) == (len(TEXTS), 0, 0)
    assert stats.completion_tokens == 7 * len(TEXTS)
    assert stats.prompt_tokens == sum(len(request.prompt) for request in requests)
    assert 0 < stats.kept_bytes <= 256 << 20
