"""Parameters become a Decoder and come back."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twofold.weights.torch_state import from_decoder, to_decoder  # noqa: E402


def test_a_decoder_gives_back_the_parameters_it_was_made_of(tiny, shape):
    parameters = tiny(shape)
    back = from_decoder(to_decoder(parameters))
    assert back.keys() == parameters.state.keys()
    assert all(np.array_equal(back[name], parameters.state[name]) for name in back)


def test_the_decoder_holds_a_copy_and_can_be_trained(tiny):
    parameters = tiny("llama-tied")
    decoder = to_decoder(parameters)
    assert decoder.W_U is decoder.W_E
    decoder(torch.tensor([[1, 2, 3]])).sum().backward()
    assert all(parameter.grad is not None for parameter in decoder.parameters())
    with torch.no_grad():
        decoder.W_E.zero_()
    assert parameters.state["W_E"].any()


@pytest.mark.slow
def test_bf16_weights_on_their_way_out_become_float32(tiny):
    decoder = to_decoder(tiny("llama")).to(torch.bfloat16)
    assert {array.dtype for array in from_decoder(decoder).values()} == {np.dtype(np.float32)}
