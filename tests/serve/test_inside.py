"""Looking inside over HTTP: what is shown is what the model computes, which another implementation and laws confirm."""

from __future__ import annotations

import asyncio
import math
from itertools import chain

import numpy as np
import pytest

from twofold.contracts import Sampling
from twofold.engine.open import open_model
from twofold.weights.parameters import load

from .conftest import CONTEXT, save_tiny, serving

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
TEXT = "the cat sat on the mat"


def post(http, path, model="tiny", text=TEXT, **body):
    answer = http.post(f"/inside/{path}", json={"model": model, "text": text, **body})
    assert answer.status_code == 200, answer.text
    return answer.content if path == "patterns" else answer.json()


def refused(http, path, **body):
    answer = http.post(f"/inside/{path}", json={"model": "tiny", "text": TEXT, **body})
    return answer.status_code, answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def paths(models):
    return {"tiny": models / "tiny" / "parameters.gguf", "second": models / "other.gguf"}


@pytest.mark.parametrize("model", ["tiny", "second"])
def test_the_tokens_and_what_comes_next_are_those_of_the_numpy_engine(http, paths, model):
    engine = open_model(paths[model], "numpy")
    ids = engine.prompt(TEXT)
    seen = post(http, "seen", model)
    assert [one["id"] for one in seen["tokens"]] == ids and seen["position"] == len(ids) - 1
    shown = seen["next"]
    (token,) = engine.generate(ids, 1, Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0), candidates=10)
    expected = {one.id: one.probability for one in token.candidates}
    now = shown["now"][shown["temperatures"].index(1.0)]
    assert dict(zip([one["id"] for one in shown["tokens"]], now, strict=True)) == pytest.approx(expected, rel=1e-3)
    assert shown["whole"] is None


def test_a_temperature_is_a_power_of_the_chances_and_at_0_the_likeliest_has_all(http):
    shown = post(http, "seen")["next"]
    one = np.array(shown["now"][shown["temperatures"].index(1.0)])
    for temperature, row in zip(shown["temperatures"][4:], shown["now"][4:], strict=True):
        power = one ** (1 / temperature)
        np.testing.assert_allclose(np.array(row) / row[0], power / power[0], rtol=2e-3)
    assert shown["now"][0][0] == 1 and sum(shown["now"][0]) == 1


@pytest.mark.parametrize("model", ["tiny", "second"])
def test_of_an_earlier_token_it_says_what_the_shorter_text_says(http, model):
    whole, longer = post(http, "seen", model, "the cat"), post(http, "seen", model, "the cat sat on the mat")
    n = len(whole["tokens"])
    at = post(http, "seen", model, "the cat sat on the mat", position=n - 1)
    assert longer["tokens"][:n] == whole["tokens"]
    assert [one["id"] for one in at["next"]["tokens"]] == [one["id"] for one in whole["next"]["tokens"]]
    np.testing.assert_allclose(at["next"]["now"], whole["next"]["now"], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("model", ["tiny", "second"])
def test_patterns_share_out_all_attention_and_never_look_ahead(http, model):
    seen = post(http, "seen", model)
    n = len(seen["tokens"])
    shape = seen["layers"], seen["heads"], n, n
    bytes_ = np.frombuffer(post(http, "patterns", model), np.uint8).reshape(shape).astype(int)
    assert (np.triu(bytes_, 1) == 0).all()
    assert (abs(bytes_.sum(-1) - 255) <= n / 2).all()


@pytest.mark.parametrize("model", ["tiny", "second"])
def test_the_numbers_of_a_pair_are_the_scores_of_its_row(http, model):
    seen = post(http, "seen", model)
    n = len(seen["tokens"])
    pattern = np.frombuffer(post(http, "patterns", model), np.uint8).reshape(seen["layers"], seen["heads"], n, n)
    for layer, head in [(0, 0), (seen["layers"] - 1, seen["heads"] - 1)]:  # the last shares its keys with others
        row = [post(http, "meeting", model, layer=layer, head=head, query=n - 1, key=key) for key in range(n)]
        for met in row:
            assert sum(met["products"]) / math.sqrt(len(met["query"])) == pytest.approx(met["score"], abs=1e-4)
            assert met["products"] == pytest.approx([a * b for a, b in zip(met["query"], met["key"], strict=True)])
        weights = np.exp([met["score"] for met in row])
        np.testing.assert_allclose([met["weight"] for met in row], weights / weights.sum(), atol=1e-5)
        np.testing.assert_allclose([met["weight"] for met in row], pattern[layer, head, -1] / 255, atol=0.003)


@pytest.mark.parametrize("cut", [{}, {"heads": [[0, 1]], "mlps": [1]}])
def test_the_shares_add_up_to_the_score_and_the_lens_ends_in_what_is_said(http, cut):
    shares, seen, lens = (post(http, path, **cut) for path in ("attribution", "seen", "lens"))
    assert shares["token"] == seen["next"]["tokens"][0]
    parts = sum(chain(*shares["heads"], shares["mlps"]))
    assert shares["embedding"] + parts + shares["rest"] == pytest.approx(shares["logit"], abs=1e-4)
    last = [lens["tokens"][one] for one in lens["best"][-1][-1]]
    assert last == seen["next"]["tokens"][:3] and len(lens["best"]) == seen["layers"] + 1
    now = seen["next"]["now"][seen["next"]["temperatures"].index(1.0)]
    assert lens["chances"][-1][-1] == pytest.approx(now[:3], rel=1e-4)
    if cut:
        assert shares["heads"][0][1] == 0 and shares["mlps"][1] == 0


def test_without_any_head_and_mlp_only_the_embedding_speaks(http, paths):
    parameters, seen = load(paths["tiny"]), post(http, "seen")
    everything = {"heads": [[i, j] for i in range(seen["layers"]) for j in range(seen["heads"])],
                  "mlps": [*range(seen["layers"])]}  # fmt: skip
    shown = post(http, "seen", **everything)["next"]
    state, config = parameters.state, parameters.config
    x = state["W_E"][seen["tokens"][-1]["id"]].astype(np.float64)
    x = x / np.sqrt((x**2).mean() + config.norm_eps) * state["ln_final.w"]
    logits = (state["W_E"] if config.tied else state["W_U"])[: parameters.tokenizer.vocab_size] @ x
    chances = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    at = shown["temperatures"].index(1.0)
    np.testing.assert_allclose(shown["now"][at], chances[[one["id"] for one in shown["tokens"]]], rtol=1e-4)
    whole = post(http, "seen")["next"]
    ids, known = [one["id"] for one in shown["tokens"]], [one["id"] for one in whole["tokens"]]
    compared = [shown["whole"][at][ids.index(one)] for one in known]
    assert compared == pytest.approx(whole["now"][at], rel=1e-5)


def test_neurons_come_from_the_most_active_on_and_texts_excite_them(http):
    active = post(http, "neurons", layer=1)
    sizes = [abs(value) for _, value in active["neurons"]]
    assert sizes == sorted(sizes, reverse=True) and all(0 <= i < active["of"] for i, _ in active["neurons"])
    found = post(http, "exciting", layer=1, neuron=active["neurons"][0][0])
    values = [place["value"] for place in found["places"]]
    assert values == sorted(values, reverse=True) and values[-1] > found["mean"]
    assert found["tokens"] > 100 and all(place["token"] for place in found["places"])


def test_what_is_near_is_near_by_the_cosine(http, paths):
    E = load(paths["tiny"]).state["W_E"]
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    found = post(http, "near", token=5)
    cosines = unit @ unit[5]
    for one in found["neighbours"]:
        assert one["value"] == pytest.approx(cosines[one["id"]], abs=1e-5)
    assert found["neighbours"][0]["id"] == int(np.argsort(cosines)[-2])


def test_the_plane_is_that_of_numpys_singular_value_decomposition(http, paths):
    E = load(paths["tiny"]).state["W_E"].astype(np.float64)
    own = list(dict.fromkeys(one["id"] for one in post(http, "seen")["tokens"]))
    found = post(http, "plane")
    ids = [one["id"] for one in found["tokens"]]
    assert ids[: len(found["near"])] == own and len(set(ids)) == len(ids) and found["directions"] == E.shape[1]
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    for token, row, values in zip(own, found["near"], found["cosines"], strict=True):
        assert [ids[at] for at in row] == np.argsort(-unit @ unit[token])[1 : 1 + len(row)].tolist()
        assert values == pytest.approx(unit[[ids[at] for at in row]] @ unit[token], abs=1e-5)
    rows = E[ids] - E[ids].mean(0)
    U, S, _ = np.linalg.svd(rows, full_matrices=False)
    points, expected = np.array(found["points"]), U[:, :2] * S[:2]
    np.testing.assert_allclose(points * np.sign(points[0]), expected * np.sign(expected[0]), atol=1e-4)
    assert found["share"] == pytest.approx((S[:2] ** 2).sum() / (rows**2).sum(), rel=1e-4)
    assert 0 < found["chance"] < 1


def test_of_a_long_text_fewer_neighbours_are_in_the_plane_and_of_one_token_there_are_enough(http):
    long, short = post(http, "plane", text=" ".join("abcdefghijklmnopqrstuvwxyz")), post(http, "plane", text="a")
    assert len(long["near"][0]) == 1 < len(short["near"][0]) == 5
    assert len(long["tokens"]) <= 60 and len(short["tokens"]) >= 6


def analogous(http, **body):
    answer = http.post("/inside/analogous", json={"model": "tiny", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_analogy_is_answered_ranked_and_counted_as_numpy_does_it(http, paths):
    parameters = load(paths["tiny"])
    E, encode = parameters.state["W_E"].astype(np.float64), parameters.tokenizer.encode
    unit = E / np.linalg.norm(E, axis=1, keepdims=True)
    found = analogous(http, pairs=[["a", "b"], [" the", "hello"]], c="c", d="dog")
    a, b, the, hello, c, d = (encode(word)[0] for word in ("a", "b", " the", "hello", "c", "dog"))
    assert [one["id"] for one in found["read"]] == [a, b, the, hello, c, d]
    assert [one["tokens"] for one in found["read"]] == [1, 1, 1, 1, 1, 3]

    def best(vector, out):
        return [int(one) for one in np.argsort(-(unit @ vector)) if one not in out]

    order = best(E[b] - E[a] + E[c], (a, b, c))
    assert [one["id"] for one in found["answers"]] == order[:10] and found["of"] == len(order)
    assert found["ranks"] == [order.index(d) + 1, best(E[c], (a, b, c)).index(d) + 1]
    pairs = [(a, b), (the, hello), (c, d)]
    asked = [(*one, *other) for one in pairs for other in pairs if one != other]
    right = sum(best(E[q] - E[p] + E[r], (p, q, r))[0] == s for p, q, r, s in asked)
    assert found["counts"]["holds"]["right"] == right and found["counts"]["holds"]["of"] == len(asked) == 6
    low, high = found["counts"]["unrelated"]["interval"]
    assert low <= found["counts"]["unrelated"]["right"] / 6 <= high


def test_one_pair_and_no_answer_is_a_question_that_is_not_counted(http):
    found = analogous(http, pairs=[["a", "b"]], c="c")
    assert found["answers"] and found["ranks"] is None and found["counts"] is None
    assert analogous(http, pairs=[["a", "b"]], c="c", d="a")["ranks"] is None  # it is left out of the answers


@pytest.mark.parametrize("other", [None, "the cat sat on it"])
def test_what_each_part_does_alone_is_what_cutting_it_out_changes(http, other):
    text, more = "the dog sat on it", {} if other is None else {"other": other}
    found = post(http, "effects", text=text, **more)
    whole = post(http, "seen", text=text)

    def chance(**cut):
        shown = post(http, "seen", text=text, **more, **cut)["next"]
        at = [one["id"] for one in shown["tokens"]].index(found["token"]["id"])
        return shown["now"][shown["temperatures"].index(1.0)][at]

    assert chance() == pytest.approx(found["chance"], abs=1e-4)
    heads, mlps = (found["chance"] * np.exp(found[kind]) for kind in ("heads", "mlps"))
    assert heads.shape == (whole["layers"], whole["heads"]) and mlps.shape == (whole["layers"],)
    for layer, head in ((0, 1), (whole["layers"] - 1, 0)):
        assert chance(heads=[[layer, head]]) == pytest.approx(heads[layer, head], rel=1e-3)
    assert chance(mlps=[0]) == pytest.approx(mlps[0], rel=1e-3)


def test_areas_hold_all_the_numbers_of_the_file(http, paths):
    for model, path in paths.items():
        parameters = load(path)
        areas = http.get("/inside/areas", params={"model": model}).json()
        twice = areas["eight"]["unembedding"] if areas["tied"] else 0
        there = sum(array.size for array in parameters.state.values())
        assert sum(areas["eight"].values()) + sum(areas["rest"].values()) - twice == areas["held"] == there


def test_a_model_that_is_looked_into_answers_as_ever(server):
    body = {"model": "tiny", "prompt": TEXT, "max_tokens": 24, "temperature": 0}

    async def both():
        import httpx

        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            alone = (await http.post("/v1/completions", json=body)).json()["choices"][0]["text"]
            cut = {"model": "tiny", "text": TEXT, "mlps": [0, 1], "heads": [[0, 0]]}
            asked = [http.post("/v1/completions", json=body), *(http.post("/inside/lens", json=cut) for _ in range(6))]
            answer, *looks = await asyncio.gather(*asked)
            return alone, answer.json()["choices"][0]["text"], [look.status_code for look in looks]

    alone, answer, looks = asyncio.run(both())
    assert answer == alone and looks == [200] * 6


@pytest.mark.parametrize(("path", "body", "status", "said"), [
    ("seen", {"model": "none"}, 404, "there is no model 'none'"),
    ("seen", {"text": "word " * CONTEXT}, 400, "tokens long, and this page shows 256 at most"),
    ("seen", {"heads": [[0, 99]]}, 400, "no head 0.99"),
    ("seen", {"mlps": [77]}, 400, "no MLP in layer 77"),
    ("seen", {"heads": [[0]]}, 400, "heads"),
    ("seen", {"step": 3}, 404, "no checkpoint of step 3"),
    ("meeting", {"layer": 0, "head": 0, "query": 0, "key": 1}, 400, "cannot look at the later token"),
    ("meeting", {"layer": 9, "head": 0, "query": 0, "key": 0}, 400, "there is no layer 9; there are 2"),
    ("neurons", {"layer": 9}, 400, "no MLP in layer 9"),
    ("exciting", {"layer": 0, "neuron": 10**6}, 400, "no neuron 1000000"),
    ("near", {"token": 10**6}, 400, "not in the model's vocabulary"),
    ("plane", {"text": "word " * CONTEXT}, 400, "this page shows 256 at most"),
    ("plane", {"step": 3}, 404, "no checkpoint of step 3"),
    ("effects", {"other": "much longer than the text that is asked"}, 400, "have to be equally long"),
])  # fmt: skip
def test_what_cannot_be_is_told(http, path, body, status, said):
    found, message = refused(http, path, **body)
    assert found == status and said in message


@pytest.mark.parametrize(("body", "said"), [
    ({"pairs": [], "c": "c"}, "pairs"),
    ({"pairs": [["a"]], "c": "c"}, "pairs"),
    ({"pairs": [["a", ""]], "c": "c"}, "pairs"),
    ({"pairs": [["a", "b"]] * 13, "c": "c"}, "pairs"),
    ({"pairs": [["a", "b"]]}, "c"),
])  # fmt: skip
def test_what_is_no_analogy_is_told(http, body, said):
    answer = http.post("/inside/analogous", json={"model": "tiny", **body})
    assert answer.status_code == 400 and said in answer.json()["error"]["message"]


def test_without_torch_the_page_says_what_is_missing_and_the_model_answers(models):
    before = "import sys; sys.modules['torch'] = None\n"
    with serving(models, before=before) as running, running.client() as http:
        status, message = refused(http, "seen")
        assert status == 400 and "pip install 'twofold[train]'" in message
        assert "twofold[train]" in http.get("/inside/about").json()["error"]["message"]
        assert http.post("/v1/completions", json={"prompt": "the", "max_tokens": 2}).status_code == 200


def test_models_of_every_form_can_be_looked_into(tmp_path, models):
    names = ("zero-layers", "attention-only", "gpt2", "biased-qwen")
    paths = [f"{name}={save_tiny(tmp_path / f'{name}.gguf', name)}" for name in names]
    with serving(models, *paths) as running, running.client() as http:
        for name in names:
            seen, lens, shares = (post(http, path, name) for path in ("seen", "lens", "attribution"))
            assert seen["mlp"] == (name not in ("zero-layers", "attention-only")) or not seen["layers"]
            assert lens["tokens"][lens["best"][-1][-1][0]] == seen["next"]["tokens"][0]
            parts = sum(chain(*shares["heads"], shares["mlps"]))
            assert shares["embedding"] + parts + shares["rest"] == pytest.approx(shares["logit"], abs=1e-4)
            assert len(post(http, "patterns", name)) == seen["layers"] * seen["heads"] * len(seen["tokens"]) ** 2
            assert post(http, "near", name, token=1)["neighbours"] and post(http, "plane", name)["points"]
        status, message = refused(http, "neurons", model="attention-only", layer=0)
        assert status == 400 and "no MLP in layer 0" in message


@pytest.mark.parametrize("model", ["tiny", "second"])
def test_all_parts_from_another_text_make_what_that_text_makes(http, model):
    """Where both end in the same token, since the embedding is the text's own."""
    text, other = "the cat nap", "the mud dip"
    seen, theirs = post(http, "seen", model, text), post(http, "seen", model, other)
    assert len(seen["tokens"]) == len(theirs["tokens"]) and seen["tokens"][-1] == theirs["tokens"][-1]
    parts = {"heads": [[i, j] for i in range(seen["layers"]) for j in range(seen["heads"])],
             "mlps": [*range(seen["layers"])]}  # fmt: skip
    mixed = post(http, "seen", model, text, other=other, **parts)["next"]
    shown, at = theirs["next"], mixed["temperatures"].index(1.0)
    first = len(shown["tokens"])
    assert mixed["tokens"][:first] == shown["tokens"]
    np.testing.assert_allclose(mixed["now"][at][:first], shown["now"][at], rtol=1e-3)
    one = post(http, "seen", model, text, other=other, heads=[[1, 2]])["next"]
    assert one["now"] != post(http, "seen", model, text, heads=[[1, 2]])["next"]["now"]


def test_texts_of_two_lengths_cannot_exchange_parts(http):
    status, message = refused(http, "seen", other="the", heads=[[0, 0]])
    assert status == 400 and "tokens long and this one" in message
    assert http.post("/inside/seen", json={"text": TEXT, "other": "the"}).status_code == 200  # nothing is exchanged


def test_at_a_checkpoint_it_is_the_model_as_it_was_then(tmp_path):
    from twofold.model.decoder import Decoder, initialise
    from twofold.train import checkpoint
    from twofold.train.optimiser import Optimiser
    from twofold.train.optimiser_settings import OptimiserSettings

    path = save_tiny(tmp_path / "tiny" / "parameters.gguf", "llama")
    was = initialise(Decoder(load(path).config), 7)
    checkpoint.save(path.parent / "checkpoints", was, Optimiser(was, OptimiserSettings()), checkpoint.Progress(3))
    with serving(tmp_path) as running, running.client() as http:
        assert http.get("/inside/about", params={"model": "tiny"}).json()["steps"] == [3]
        then, now = (post(http, "seen", step=step) for step in (3, None))
    ids = torch.tensor([[one["id"] for one in then["tokens"]]])
    with torch.no_grad():
        expected = was(ids)[0, -1].softmax(-1)
    shown = then["next"]
    np.testing.assert_allclose(shown["now"][shown["temperatures"].index(1.0)],
                               expected[[one["id"] for one in shown["tokens"]]], rtol=1e-3)
    assert now["next"]["now"] != shown["now"]
