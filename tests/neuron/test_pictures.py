"""Pictures hold the numbers that they were made of."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from twofold.neuron.pictures import AGAINST, FOR, data_uri, ink, png, sheet, signed, smaller


def unpack(content):
    """Width, height and the rows of a PNG of this kind, its checksums checked."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    parts, at = {}, 8
    while at < len(content):
        (size,), kind = struct.unpack(">I", content[at : at + 4]), content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        parts[kind], at = data, at + 12 + size
    width, height, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert rest == [8, 6, 0, 0, 0] and parts[b"IEND"] == b""
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + 4 * width)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(height, width, 4)


def test_a_png_holds_the_picture():
    picture = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
    np.testing.assert_array_equal(unpack(png(picture)), picture)
    kind, _, text = data_uri(picture).partition(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(unpack(base64.b64decode(text)), picture)


def test_nothing_lets_the_page_through_and_signs_have_their_colours():
    picture = signed(np.array([0.0, 2.0, -1.0, 0.5]))
    assert picture[..., 3].tolist() == [[0, 255], [128, 64]]
    assert tuple(picture[0, 1, :3]) == FOR and tuple(picture[1, 0, :3]) == AGAINST
    assert signed(np.zeros(4))[..., 3].max() == 0
    assert ink(np.array([0.0, 1.0, 0.5, 2.0]))[..., 3].tolist() == [[0, 255], [128, 255]]


def test_a_smaller_picture_has_the_mean_of_each_block():
    np.testing.assert_allclose(smaller(np.arange(16.0), 2), [[2.5, 4.5], [10.5, 12.5]])
    assert smaller(np.ones(784), 14).shape == (14, 14)
    assert smaller(np.ones(64), 14).shape == (8, 8)


def test_a_sheet_has_every_picture_in_its_place():
    pictures = [np.full((2, 2, 4), i, np.uint8) for i in range(1, 6)]
    whole = sheet(pictures, columns=3, scale=2, gap=1)
    assert whole.shape == (4 + 1 + 4, 3 * 4 + 2, 4)
    assert [int(whole[row, 5 * i, 0]) for row in (0, 5) for i in range(3)] == [1, 2, 3, 4, 5, 0]
    assert (whole[4] == 0).all() and (whole[:, 4] == 0).all()
