"""A saved network is the same network; what is no saved network is refused, and nothing in it is ever run."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError, FileFormatError
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.network import Network
from twofold.neuron.saved import load, load_arrays, save

NETWORKS = [
    Network.initial((64, 5, 10), 1),
    Network.initial((64, 10), 2, activation="relu", loss="cross-entropy", initialisation="he", dtype=np.float32),
    ConvolutionalNetwork.initial(8, 3),
    ConvolutionalNetwork.initial(28, 3, dtype=np.float64),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: type(one).__name__)
def test_a_network_comes_back_to_the_last_bit(network, tmp_path):
    save(tmp_path / "n.npz", network, {"seed": 3, "of": "Ω"}, {"v0": np.arange(3.0)})
    back, lineage = load(tmp_path / "n.npz")
    assert lineage == {"seed": 3, "of": "Ω"}
    assert (type(back), back.activation, back.loss) == (type(network), network.activation, network.loss)
    for ours, theirs in zip(back.parameters, network.parameters, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    images = np.random.default_rng(0).random((3, 784 if getattr(network, "side", 8) == 28 else 64))
    np.testing.assert_array_equal(back.forward(images)[-1], network.forward(images)[-1])
    np.testing.assert_array_equal(load_arrays(tmp_path / "n.npz")["v0"], np.arange(3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["n.npz"], "nothing is left beside it"


def refused(path, says=""):
    with pytest.raises((FileFormatError, ConfigError)) as raised:
        load(path)
    assert says in str(raised.value)


@pytest.mark.slow
@given(data=st.data())
def test_no_damage_does_more_than_be_refused(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "n.npz"
    save(path, NETWORKS[data.draw(st.integers(0, 2))])
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        refused(path)
        return
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with contextlib.suppress(FileFormatError, ConfigError):  # damage to a weight may leave a network, another one
        load(path)


def test_pickle_is_not_read(tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return ran.touch, ()

    path = tmp_path / "n.npz"
    np.savez(path, about=np.array([Bomb()], dtype=object), p0=np.ones(1))
    refused(path, "not a network that was saved here")
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path)
    assert not ran.exists()


def write(path, about, **arrays):
    np.savez(path, about=np.array(json.dumps(about)), **arrays)


@pytest.mark.parametrize(
    ("about", "arrays", "says"),
    [
        ({"format": "twofold digits 9", "lineage": {}}, {}, "'twofold digits 9'"),
        ({"lineage": {}}, {}, "does not say what it is"),
        ([], {}, "does not say what it is"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "dense"}, {}, "not pairs of finite numbers"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "dense", "activation": "relu", "loss": "squared"},
         {"p0": np.full((10, 4), np.nan), "p1": np.ones(10)}, "not pairs of finite numbers"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "dense", "activation": "relu", "loss": "squared"},
         {"p0": np.ones((10, 4)), "p1": np.ones(9)}, "the biases are (out,)"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "dense", "activation": "magic", "loss": "squared"},
         {"p0": np.ones((10, 4)), "p1": np.ones(10)}, "'magic' is none of"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "spiking"},
         {"p0": np.ones((10, 4)), "p1": np.ones(10)}, "'spiking'"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "convolutional", "side": "28", "pools": []},
         {"p0": np.ones((10, 4)), "p1": np.ones(10)}, "side '28'"),
        ({"format": "twofold digits 1", "lineage": {}, "kind": "convolutional", "side": 8, "pools": [0]},
         {"p0": np.ones((1, 1, 3, 3)), "p1": np.ones(1), "p2": np.ones((10, 36)), "p3": np.ones(10)}, "pools [0]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(about, arrays, says, tmp_path):
    write(tmp_path / "n.npz", about, **arrays)
    refused(tmp_path / "n.npz", says)


@pytest.mark.slow
def test_a_file_that_would_unpack_to_more_than_any_network_is_not_unpacked(tmp_path):
    path = tmp_path / "n.npz"
    header = io.BytesIO()
    np.save(header, np.zeros(0))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("p0.npy", header.getvalue() + bytes(1 << 28))
    refused(path, "would unpack to 268,4")


def test_a_file_that_is_not_there_is_said(tmp_path):
    refused(tmp_path / "no.npz", "there is no file")
