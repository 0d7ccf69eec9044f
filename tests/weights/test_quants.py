"""Number formats, checked against the gguf package, torch, and what rounding means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twofold.errors import ConfigError
from twofold.weights.quants import STEP, TYPES, WRITABLE, dequantise, quantise

any_float = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit, any NaN equal to any other."""
    nan = np.isnan(a) & np.isnan(b)
    return a.shape == b.shape and bool(np.all(nan | (a.view(np.uint32) == b.view(np.uint32))))


@pytest.mark.parametrize("name", TYPES)
def test_blocks_of_any_bytes_are_read_as_the_gguf_package_reads_them(name):
    gguf = pytest.importorskip("gguf")
    raw = np.random.default_rng(1).integers(0, 256, (40, TYPES[name].layout.itemsize * 3), np.uint8)
    with np.errstate(all="ignore"):
        theirs = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[name])
    ours = dequantise(raw.reshape(-1).view(TYPES[name].layout), name)
    assert same_bits(ours, np.ascontiguousarray(theirs, np.float32).reshape(-1))


@pytest.mark.parametrize("name", WRITABLE)
def test_blocks_are_written_to_the_bit_as_the_gguf_package_writes_them(name):
    gguf = pytest.importorskip("gguf")
    rng = np.random.default_rng(2)
    numbers = (rng.standard_normal((50, 64)) * rng.lognormal(0, 3, (50, 1))).astype(np.float32)
    numbers[0], numbers[1, :32] = 0, np.arange(32) - 16
    with np.errstate(all="ignore"):
        theirs = gguf.quants.quantize(numbers, gguf.GGMLQuantizationType[name])
    assert quantise(numbers, name).tobytes() == theirs.tobytes()


@pytest.mark.slow
@given(any_float)
def test_bf16_rounds_to_the_nearest_even_like_torch_and_keeps_nan(numbers):
    torch = pytest.importorskip("torch")
    theirs = torch.from_numpy(numbers).bfloat16().float().numpy()
    assert same_bits(dequantise(quantise(numbers, "BF16"), "BF16"), theirs)


@given(hnp.arrays(np.float32, 64, elements=st.floats(-1e6, 1e6, width=32)))
def test_q8_0_is_off_by_half_a_step_at_most(numbers):
    back = dequantise(quantise(numbers, "Q8_0"), "Q8_0")
    step = np.abs(numbers.reshape(-1, 32)).max(axis=1) / 127
    half_precision = 2**-11 * 127 * step + 127 * 2**-25  # the scale itself is a half: rounded, and coarse near zero
    assert np.all(np.abs(back - numbers).reshape(-1, 32) <= (0.5001 * step + half_precision)[:, None])


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_what_a_half_can_hold_comes_back_to_the_bit(name):
    every = np.arange(1 << 16, dtype=np.uint16).view(TYPES[name].layout)
    numbers = dequantise(every, name)
    kept = ~np.isnan(numbers)
    assert np.array_equal(quantise(numbers, name)[kept].view(np.uint16), every[kept].view(np.uint16))
    assert np.isnan(dequantise(quantise(numbers[~kept], name), name)).all()


@pytest.mark.parametrize(
    ("name", "number"), [("F16", 1e5), ("Q8_0", 1e7), ("Q8_0", np.nan), ("Q8_0", np.inf)]
)
def test_a_number_that_does_not_fit_is_refused_with_the_way_out(name, number):
    numbers = np.zeros(32, np.float32)
    numbers[5] = number
    with pytest.raises(ConfigError, match="choose BF16"):
        quantise(numbers, name)


def test_a_long_tensor_is_read_in_steps_to_the_same_numbers():
    blocks = np.random.default_rng(3).integers(0, 128, (STEP // 32 + 5) * 34, np.uint8).view(TYPES["Q8_0"].layout)
    whole = dequantise(blocks, "Q8_0")
    assert same_bits(whole[-160:], dequantise(blocks[-5:], "Q8_0"))
    assert same_bits(whole[:320], dequantise(blocks[:10], "Q8_0"))
