"""The digits' endpoints: what they tell is computed again here, in a few lines, from the weights that they tell."""

from __future__ import annotations

import base64
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.images import load
from twofold.neuron.network import Network
from twofold.neuron.saved import save
from twofold.neuron.scoring import score

from .conftest import serving
from .digits_server import serving_digits

pytestmark = pytest.mark.slow

LEFT = [[[0.35, 0.1], [0.35, 0.9]]]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    with serving_digits("quick", tmp_path_factory.mktemp("digits")) as running:
        yield running


@pytest.fixture
def ask(digits, request):
    """POST as a client of one's own."""
    client = f"{abs(hash(request.node.name)):032x}"[-32:]
    with digits.client() as http:

        def ask(path, **body):
            return http.post(f"/digits/{path}", json={"client": client, **body})

        ask.http, ask.client = http, client
        yield ask


def events(http, client, **body):
    body = {"client": client, "learning_rate": 1.0, "batch": 10, **body}
    with http.stream("POST", "/digits/train", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[6:])


def unpacked(matrix):
    return np.frombuffer(base64.b64decode(matrix["data"]), "<f4").reshape(matrix["shape"]).astype(float)


def weights_of(network):
    return [(unpacked(w), np.array(b)) for w, b in zip(network["weights"], network["biases"], strict=True)]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(layers, a):
    for w, b in layers:
        a = sigmoid(w @ a + b)
        yield a


def cost(layers, pixels, label):
    return ((list(forward(layers, pixels))[-1] - np.eye(10)[label]) ** 2).sum()


def test_the_activations_are_those_of_the_weights(ask):
    network = ask("network", network="lecture").json()
    assert network["sizes"] == [64, 16, 16, 10] and network["activation"] == "sigmoid"
    for question in ({"strokes": LEFT}, {"example": 5}, {"noise": 1}, {}):
        look = ask("answer", network="lecture", **question).json()
        layers = weights_of(network)
        for (w, b), sums, a, before in zip(layers, look["sums"], look["activations"],
                                           [look["pixels"], *look["activations"]], strict=False):  # fmt: skip
            assert np.allclose(w @ before + b, sums, atol=2e-3) and np.allclose(sigmoid(np.array(sums)), a, atol=1e-6)


def test_all_who_ask_at_once_are_told_of_one_network(digits):
    def told(i):
        with digits.client() as http:
            return http.post("/digits/network", json={"client": f"{i:032x}", "network": "better"}).json()

    with ThreadPoolExecutor(12) as clients:
        first, *others = clients.map(told, range(12))
    assert first["activation"] == "relu" and all(one == first for one in others)


def test_a_convolutional_network_tells_its_maps(ask):
    """The first maps are convolved here again: in images of 8 × 8 nothing is pooled."""
    told = ask("network", network="convolutional").json()
    assert told["accuracy"][0] > 0.95
    looks = [ask("answer", network="convolutional", example=i).json() for i in range(40)]
    assert np.mean([int(np.argmax(one["activations"][-1])) == one["label"] for one in looks]) > 0.85
    for one in looks:
        assert sum(one["activations"][-1]) == pytest.approx(1, abs=1e-5)
        assert [maps["shape"] for maps in one["maps"]] == [[c, h * w] for c, h, w, _ in told["maps"]]
    kernels, outputs = unpacked(told["weights"][0]), looks[0]["activations"][-1]
    sums = unpacked(told["weights"][-1]) @ unpacked(looks[0]["maps"][-1]).ravel() + told["biases"][-1]
    assert np.allclose(sums, looks[0]["sums"][-1], atol=1e-4)
    assert np.allclose(np.exp(sums) / np.exp(sums).sum(), outputs, atol=1e-5)
    side = int(np.sqrt(kernels.shape[1]))
    image = np.array(looks[0]["pixels"]).reshape(8, 8)
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side)).reshape(-1, side * side)
    for kernel, bias, seen in zip(kernels, told["biases"][0], unpacked(looks[0]["maps"][0]), strict=True):
        assert np.allclose(np.maximum(windows @ kernel + bias, 0), seen, atol=1e-4)


def test_what_it_says_of_itself_it_does(ask):
    """Its accuracy, counted again from its answers to the first of the held-out images."""
    told = ask("network", network="lecture").json()
    n = 100
    looks = [ask("answer", network="lecture", example=i).json() for i in range(n)]
    right = sum(int(np.argmax(one["activations"][-1])) == one["label"] for one in looks)
    rate, low, high = told["accuracy"]
    assert low < rate < high and rate > 0.8
    assert abs(right / n - rate) < 4 * np.sqrt(rate * (1 - rate) / n) + 0.01


def test_the_gradient_is_what_the_cost_does_when_a_weight_moves(ask):
    *_, told = events(ask.http, ask.client, steps=40, example=3)
    look, layers = told["look"], weights_of(told["network"])
    pixels, label, gradient = np.array(look["pixels"]), look["label"], look["gradient"]
    assert gradient["cost"] == pytest.approx(cost(layers, pixels, label), rel=1e-4)
    random, h = np.random.default_rng(0), 1e-4
    for layer, (w, b) in enumerate(layers):
        by = unpacked(gradient["weights"][layer])
        for _ in range(8):
            place = tuple(random.integers(n) for n in w.shape)
            kept = w[place]
            w[place] = kept + h
            above = cost(layers, pixels, label)
            w[place] = kept - h
            below = cost(layers, pixels, label)
            w[place] = kept
            assert by[place] == pytest.approx((above - below) / (2 * h), rel=1e-3, abs=1e-6)
        b[0] += h
        above = cost(layers, pixels, label)
        b[0] -= 2 * h
        slope = (above - cost(layers, pixels, label)) / (2 * h)
        assert gradient["biases"][layer][0] == pytest.approx(slope, rel=1e-3, abs=1e-6)
        b[0] += h


def test_a_convolutional_networks_gradient_is_what_its_cost_does_when_a_weight_moves(ask):
    """A weight of the last layer and a bias, which move the cost by what the softmax of the told sums says."""
    ask("own", fresh=True, plan={"convolution": True})
    *_, told = events(ask.http, ask.client, steps=30, example=3, learning_rate=0.05, momentum=0.9, batch=32)
    look, gradient, network = told["look"], told["look"]["gradient"], told["network"]
    assert [each["shape"] for each in gradient["maps"]] == [each["shape"] for each in look["maps"]]
    assert [each["shape"] for each in gradient["weights"]] == [each["shape"] for each in network["weights"]]
    features, sums = unpacked(look["maps"][-1]).ravel(), np.array(look["sums"][-1])
    weights = unpacked(network["weights"][-1])

    def cost(features, weights, bias=0.0):
        z = sums + weights @ features - unpacked(network["weights"][-1]) @ unpacked(look["maps"][-1]).ravel() + bias
        return np.log(np.exp(z).sum()) - z[look["label"]]

    assert gradient["cost"] == pytest.approx(cost(features, weights), rel=1e-4)
    by_weights, by_features, h = unpacked(gradient["weights"][-1]), unpacked(gradient["maps"][-1]).ravel(), 1e-5
    place = np.unravel_index(np.abs(by_weights).argmax(), by_weights.shape)
    nudge = np.zeros_like(weights)
    nudge[place] = h
    slope = (cost(features, weights + nudge) - cost(features, weights - nudge)) / (2 * h)
    assert by_weights[place] == pytest.approx(slope, rel=1e-3)
    best = np.abs(by_features).argmax()
    nudge = np.zeros_like(features)
    nudge[best] = h
    slope = (cost(features + nudge, weights) - cost(features - nudge, weights)) / (2 * h)
    assert by_features[best] == pytest.approx(slope, rel=1e-3)
    for digit in range(10):
        nudge = h * np.eye(10)[digit]
        slope = (cost(features, weights, nudge) - cost(features, weights, -nudge)) / (2 * h)
        assert gradient["biases"][-1][digit] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_a_convolutional_network_is_trained_too(ask):
    begun = ask("own", fresh=True, plan={"convolution": True}).json()
    usual = begun["usual"]
    assert begun["network"]["maps"] and begun["network"]["loss"] == "cross-entropy" and usual["momentum"] == 0.9
    assert np.array_equal(unpacked(begun["began"]), unpacked(begun["network"]["weights"][0]))
    *_, last = events(ask.http, ask.client, steps=90, **usual)
    assert last["accuracies"][-1][1] > 0.8 > 0.3 > begun["accuracies"][0][1]
    found = ask("landscape").json()
    size = sum(np.prod(each["shape"]) for each in last["network"]["weights"]) + sum(map(len, last["network"]["biases"]))
    assert found["path"][-1] == [0, 0] and found["parameters"] == size
    mine = ask("network", network="own").json()
    assert mine["weights"] == last["network"]["weights"] and mine["accuracy"][0] == last["accuracies"][-1][1]


def test_saved_networks_are_found_and_read_as_they_are(tmp_path):
    """One of these images, one of others, one that is damaged, one for other images; and one that comes later."""
    digits = load("quick")
    mine = {"images": digits.name, "n": len(digits.train)}
    network = Network.initial((64, 10), 1, loss="cross-entropy", initialisation="xavier")
    other = ConvolutionalNetwork.initial(8, 2)
    folders = {name: tmp_path / name for name in ("runs/mine", "runs/other", "runs/broken", "runs/large", "apart")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    save(folders["runs/mine"] / "network.npz", network, mine)
    save(folders["runs/other"] / "network.npz", other, {"images": "strange", "n": 9})
    (folders["runs/broken"] / "network.npz").write_bytes(b"PK no network")
    save(folders["runs/large"] / "network.npz", Network.initial((784, 10)), mine)
    save(folders["apart"] / "network.npz", network, mine)
    with serving_digits("quick", tmp_path, "--out", "apart") as running, running.client() as http:

        def ask(path, name, **body):
            return http.post(f"/digits/{path}", json={"client": "0" * 32, "network": f"{name}/network.npz", **body})

        def saved():
            return {one["title"] for one in http.get("/digits/about").json()["networks"] if one["saved"]}

        assert saved() == set(folders)
        told = ask("network", "runs/mine").json()
        assert np.allclose(unpacked(told["weights"][0]), network.weights[0], atol=1e-6)
        assert told["told"] == "Saved in runs/mine by twofold digits."
        measured = score(network, digits.held_out)
        assert told["accuracy"] == [measured.accuracy, measured.low, measured.high]
        assert "strange" in ask("network", "runs/other").json()["told"]
        answer = ask("answer", "runs/other", example=0).json()
        assert np.allclose(answer["activations"][-1], other.forward(digits.held_out.pixels[:1])[-1][0], atol=1e-6)
        for name, status, says in (("runs/broken", 400, "damaged"), ("runs/large", 400, "--images mnist"),
                                   ("runs/nobody", 404, "no network"), ("../x", 404, "no network"),
                                   (str(tmp_path / "runs" / "mine"), 404, "no network")):  # fmt: skip
            refused = ask("network", name)
            assert refused.status_code == status and says in refused.json()["error"]["message"], refused.text
        (tmp_path / "runs" / "later").mkdir()
        save(tmp_path / "runs" / "later" / "network.npz", other, mine)
        assert "runs/later" in saved() and ask("network", "runs/later").json()["maps"]
        save(tmp_path / "runs" / "later" / "network.npz", network, mine)
        assert not ask("network", "runs/later").json()["maps"], "it was read again"


def test_a_network_learns_and_is_remembered(ask):
    begun = ask("own", plan={"seed": 1}).json()
    assert begun["step"] == 0 and begun["costs"] == [] and len(begun["accuracies"]) == 1
    assert np.array_equal(unpacked(begun["began"]), unpacked(begun["network"]["weights"][0]))
    *_, last = events(ask.http, ask.client, steps=600)
    kept = ask("own", plan={"seed": 9}).json()
    assert kept["step"] == last["step"] == 600 and kept["network"] == last["network"]
    assert kept["accuracies"][-1][1] > 0.6 > kept["accuracies"][0][1]
    assert kept["costs"][-1][1] < 0.6 * kept["costs"][0][1]
    mine = ask("network", network="own").json()
    assert mine["weights"] == kept["network"]["weights"]
    anew = ask("own", fresh=True, plan={"seed": 1}).json()
    assert anew["step"] == 0 and anew["network"] == begun["network"]


def test_one_step_is_one_step_and_a_slow_pace_is_slow(ask):
    (told,) = events(ask.http, ask.client, steps=1)
    assert told["step"] == 1 and len(told["costs"]) == 1
    begun = time.monotonic()
    assert [one["step"] for one in events(ask.http, ask.client, steps=3, pace=10)] == [3, 4]
    assert time.monotonic() - begun >= 0.2


def test_the_landscape_goes_through_where_the_network_is(ask):
    *_, told = events(ask.http, ask.client, steps=60)
    found = ask("landscape").json()
    assert found["steps"][0] == 0 and found["steps"][-1] == 60 and found["path"][-1] == [0, 0]
    assert len(found["path"]) == len(found["steps"]) and 0 < found["share"] <= 1 + 1e-9
    costs = np.array(found["costs"])
    assert costs.shape == (len(found["ys"]), len(found["xs"])) and costs.min() > 0
    assert found["parameters"] == sum(w.size + b.size for w, b in weights_of(told["network"]))


def test_a_client_that_leaves_ends_its_run(ask):
    for _ in events(ask.http, ask.client):
        break
    time.sleep(0.7)
    with httpx.Client(base_url=ask.http.base_url) as other:  # the stream's connection is gone
        mine = {"client": ask.client, "network": "own"}
        before = other.post("/digits/network", json=mine).json()["weights"]
        time.sleep(0.6)
        assert other.post("/digits/network", json=mine).json()["weights"] == before


def test_another_run_of_the_same_client_takes_over(ask):
    first = events(ask.http, ask.client, pace=100)
    next(first)
    with httpx.Client(base_url=ask.http.base_url) as other:
        second = events(other, ask.client, pace=100)
        next(second)
        assert any("another page" in one.get("stopped", "") for one in first)
        assert "stopped" not in next(second)
        second.close()


def test_the_machine_is_shared_among_few(digits):
    with digits.client() as http:
        running = []
        for i in range(4):
            stream = events(http, f"{i + 1:032x}", pace=4)
            next(stream)
            running.append(stream)
        refused = http.post("/digits/train", json={"client": "f" * 32, "learning_rate": 1.0, "batch": 10})
        assert refused.status_code == 429 and refused.headers["retry-after"]
        for stream in running:
            stream.close()


def test_a_run_that_diverges_says_so_and_the_network_begins_anew(ask):
    begun = ask("own", fresh=True, plan={"activation": "relu", "loss": "cross-entropy"}).json()
    *_, last = events(ask.http, ask.client, learning_rate=30.0, steps=2000)
    assert last["anew"] is True and "try a learning rate" in last["stopped"]
    assert ask("own").json()["network"] == begun["network"]


BAD = [
    ("answer", {"network": "nobody"}, 404, "lecture"),
    ("answer", {"network": "lecture", "strokes": LEFT, "example": 1}, 400, "one of"),
    ("answer", {"network": "lecture", "example": 10**6}, 400, "held-out"),
    ("answer", {"network": "lecture", "example": -1}, 400, "example"),
    ("answer", {"network": "lecture", "strokes": [[[0.5]]]}, 400, "strokes"),
    ("answer", {"network": "lecture", "strokes": [[[0.5, 1.5]]]}, 400, "strokes"),
    ("answer", {"network": "lecture", "strokes": [[["a", "b"]]]}, 400, "strokes"),
    ("answer", {"network": "lecture", "strokes": [[[0.5, 0.5]] * 2001]}, 400, "strokes"),
    ("answer", {"network": "lecture", "strokes": [[[0.5, 0.5]] * 1001] * 3}, 400, "points"),
    ("answer", {"network": "lecture", "client": "me"}, 400, "client"),
    ("train", {"learning_rate": 0, "batch": 10}, 400, "learning_rate"),
    ("train", {"learning_rate": "NaN", "batch": 10}, 400, "learning_rate"),
    ("train", {"learning_rate": 1, "batch": 0}, 400, "batch"),
    ("train", {"learning_rate": 1, "batch": 50_000}, 400, "images to learn from"),
    ("train", {"learning_rate": 1, "batch": 10, "momentum": 1}, 400, "momentum"),
    ("train", {"learning_rate": 1, "batch": 10, "example": 10**6}, 400, "images to learn from"),
    ("own", {"plan": {"activation": "tanh"}}, 400, "activation"),
    ("landscape", {"client": 5}, 400, "client"),
]


@pytest.mark.parametrize(("path", "body", "status", "says"), BAD)
def test_what_cannot_be_is_refused_with_a_reason(ask, path, body, status, says):
    answer = ask(path, **body)
    assert answer.status_code == status and says in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", ['{"client": "' + "0" * 32 + '", "learning_rate": NaN, "batch": 10}', "[]", "{", ""])
def test_what_is_no_json_is_refused(ask, body):
    assert ask.http.post("/digits/train", content=body, headers={"content-type": "application/json"}).status_code == 400


def test_without_a_model_there_is_the_page_of_the_digits_alone(digits, server):
    with digits.client() as http:
        assert [page["name"] for page in http.get("/pages/manifest.json").json()] == ["digits"]
        assert http.get("/health").json() == {"status": "ok", "models": []}
        assert "no model" in http.get("/v1/models").json()["error"]["message"]
        assert http.get("/pages/digits/digits.js").headers["content-type"].startswith("text/javascript")
        assert http.get("/pages/digits").status_code == http.get("/pages/digits/").status_code == 404
    with server.client() as http:
        assert [page["name"] for page in http.get("/pages/manifest.json").json()] == ["chat", "inside", "digits"]


def test_a_key_guards_the_digits_too(models):
    with serving(models, TWOFOLD_API_KEY="secret") as running, running.client() as http:
        assert http.get("/digits/about").status_code == 401
        assert http.get("/pages/digits/digits.js").status_code == 200


def test_ctrl_c_does_not_wait_for_a_run(tmp_path):
    with serving_digits("quick", tmp_path) as running, running.client() as http:
        stream = events(http, "0" * 32, pace=100)
        next(stream)
        running.process.send_signal(signal.SIGINT)
        told = list(stream)
        assert told[-1]["stopped"] == "Training ended: the server is closing."
        assert running.process.wait(20) == 0
