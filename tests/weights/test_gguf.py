"""The file format, checked against the gguf package, and against files that lie."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from twofold.errors import ConfigError, FileFormatError
from twofold.weights.gguf import read, write

METADATA = {
    "general.architecture": "llama", "empty": "", "unicode": "né 😀", "yes": True, "no": False, "count": 7,
    "large": 1 << 40, "below": -5, "rate": 0.25, "exact": np.float64(0.1), "short": np.int16(-3),
    "names": ["a", "", "ü"], "kinds": np.array([1, 3, 5], np.int32), "switches": np.array([True, False]),
    "levels": np.array([0.5, 1.5], np.float32), "nothing": [],
}  # fmt: skip


def string(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def key(name, kind, value):
    return string(name) + struct.pack("<I", kind) + value


def entry(name, dims, kind=0, offset=0):
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def file_of(tmp_path, *, keys=(), tensors=(), data=b"", magic=b"GGUF", version=3, n_keys=None, n_tensors=None):
    """A GGUF file byte by byte, with as many lies as asked for."""
    counts = (len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    header = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)
    path = tmp_path / "lie.gguf"
    path.write_bytes(header.ljust(-(-len(header) // 32) * 32, b"\0") + data)
    return path


def test_what_is_written_the_gguf_package_reads(tmp_path):
    gguf = pytest.importorskip("gguf")
    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(shape, np.float32)
               for name, shape in {"a": (3,), "b": (5, 64), "c": (2, 3, 32), "d": (7, 7)}.items()}  # fmt: skip
    types = {"a": "F32", "b": "Q8_0", "c": "BF16", "d": "F16"}
    write(tmp_path / "x.gguf", METADATA, tensors, types)
    theirs = gguf.GGUFReader(tmp_path / "x.gguf")
    ours = read(tmp_path / "x.gguf")
    for name, value in METADATA.items():
        assert theirs.fields[name].contents() == (value.tolist() if isinstance(value, np.ndarray) else value)
    for tensor in theirs.tensors:
        assert ours.tensors[tensor.name].type == types[tensor.name] == tensor.tensor_type.name
        assert ours.tensors[tensor.name].offset == tensor.data_offset
        numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.array_equal(ours.array(tensor.name), numbers.reshape(tensors[tensor.name].shape))


def test_what_the_gguf_package_writes_is_read(tmp_path):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_uint32("count", 7)
    writer.add_float64("exact", 0.1)
    writer.add_array("names", ["a", "ü"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_custom_alignment(64)
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    writer.add_tensor("t", numbers)
    writer.add_tensor("h", numbers.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read(tmp_path / "x.gguf")
    assert {name: file.metadata[name] for name in ("count", "exact", "names")} == {
        "count": 7, "exact": 0.1, "names": ["a", "ü"]
    }  # fmt: skip
    assert file.metadata["numbers"].tolist() == [1, 2, 3]
    assert np.array_equal(file.array("t"), numbers) and np.array_equal(file.array("h"), numbers)


def test_metadata_come_back_as_they_went_in(tmp_path):
    write(tmp_path / "x.gguf", METADATA, {}, {})
    back = read(tmp_path / "x.gguf").metadata
    for name, value in METADATA.items():
        assert type(back[name]) is (type(value) if not isinstance(value, np.generic) else type(value.item()))
        assert np.array_equal(back[name], value)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    tensors = {"a": np.ones((2, 32), np.float32)}
    for name in ("x.gguf", "y.gguf"):
        write(tmp_path / name, METADATA, tensors, {"a": "Q8_0"})
    assert (tmp_path / "x.gguf").read_bytes() == (tmp_path / "y.gguf").read_bytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write(tmp_path / "x.gguf", {"old": 1}, {}, {})
    before = (tmp_path / "x.gguf").read_bytes()
    with pytest.raises(ConfigError, match="65504"):
        write(tmp_path / "x.gguf", {}, {"a": np.full(32, 1e9, np.float32)}, {"a": "F16"})
    assert [path.name for path in tmp_path.iterdir()] == ["x.gguf"]
    assert (tmp_path / "x.gguf").read_bytes() == before


FLOATS = np.zeros(64, np.float32).tobytes()
TWO = struct.pack("<IQ", 8, 2)  # what begins an array of two strings
LIES = {
    "no model has 65536": {"keys": [key(f"{i}", 0, b"1") for i in range(70_000)]},
    "at byte 66, the value of 'a' is not UTF-8": {"keys": [key("a", 9, TWO + string("x") + string(b"\xc3"))]},
    "begins with": {"magic": b"GGUX"},
    "version 1": {"version": 1},
    "version 99": {"version": 99},
    "big-endian": {"version": 3 << 24},
    "a list of 18446744073709551615 keys": {"n_keys": 2**64 - 1},
    "a list of 4294967296 tensors": {"n_tensors": 2**32},
    "the key 'a' appears twice": {"keys": [key("a", 4, b"\1\0\0\0")] * 2},
    "the value of 'a' has the unknown type 13": {"keys": [key("a", 13, b"\1\0\0\0")]},
    "a key needs 1099511627776 bytes": {"keys": [struct.pack("<Q", 1 << 40) + b"a" * 40]},
    "a key is not UTF-8": {"keys": [key(b"\xff\xfe", 4, b"\1\0\0\0")]},
    "the value of 'a' is not UTF-8": {"keys": [key("a", 8, string(b"\xc3"))]},
    "an array of arrays": {"keys": [key("a", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 9, 1) * 50)]},
    "a list of 2305843009213693952 numbers": {"keys": [key("a", 9, struct.pack("<IQ", 10, 1 << 61))]},
    "a list of 1000000 strings": {"keys": [key("a", 9, struct.pack("<IQ", 8, 10**6))]},
    "items of the unknown type 77": {"keys": [key("a", 9, struct.pack("<IQ", 77, 1))]},
    "general.alignment is 48": {"keys": [key("general.alignment", 4, struct.pack("<I", 48))]},
    "general.alignment is 0": {"keys": [key("general.alignment", 4, struct.pack("<I", 0))]},
    "general.alignment is 2147483648": {"keys": [key("general.alignment", 4, struct.pack("<I", 1 << 31))]},
    "general.alignment is 'x'": {"keys": [key("general.alignment", 8, string("x"))]},
    "the tensor 't' appears twice": {"tensors": [entry("t", [4]), entry("t", [4], 0, 32)], "data": FLOATS},
    "has 0 dimensions": {"tensors": [entry("t", [])], "data": FLOATS},
    "has 4000000000 dimensions": {"tensors": [string("t") + struct.pack("<I", 4 * 10**9) + bytes(40)]},
    "the impossible shape (4, 0)": {"tensors": [entry("t", [0, 4])], "data": FLOATS},
    "the impossible shape (4294967296, 4294967296)": {"tensors": [entry("t", [1 << 32, 1 << 32])], "data": FLOATS},
    "GGML type 16": {"tensors": [entry("t", [256], 16)], "data": FLOATS},
    "GGML type 4294967295": {"tensors": [entry("t", [256], 2**32 - 1)], "data": FLOATS},
    "rows of 31": {"tensors": [entry("t", [31, 2], 8)], "data": FLOATS},
    "at offset 4, which is not a multiple of 32": {"tensors": [entry("t", [4], 0, 4)], "data": FLOATS},
    "takes 1024 bytes from": {"tensors": [entry("t", [256])], "data": FLOATS},
    "takes 16 bytes from 18446744073709551": {"tensors": [entry("t", [4], 0, 2**64 - 32)], "data": FLOATS},
    "overlap": {"tensors": [entry("t", [16]), entry("u", [4], 0, 32)], "data": FLOATS},
}


@pytest.mark.parametrize("complaint", LIES)
def test_a_file_that_lies_is_refused_and_the_message_says_about_what(tmp_path, complaint):
    with pytest.raises(FileFormatError) as caught:
        read(file_of(tmp_path, **LIES[complaint]))
    assert complaint in str(caught.value)
    assert str(tmp_path / "lie.gguf") in str(caught.value)


def test_the_builder_of_lies_can_tell_the_truth(tmp_path):
    path = file_of(tmp_path, keys=[key("a", 4, b"\1\0\0\0")], tensors=[entry("t", [4, 2], 0, 32)], data=FLOATS)
    file = read(path)
    assert file.metadata == {"a": 1} and file.array("t").shape == (2, 4)


def test_every_truncation_of_a_file_is_refused(tmp_path):
    path = tmp_path / "x.gguf"
    write(path, METADATA, {"a": np.ones((2, 8), np.float32)}, {"a": "F32"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            read(path)


@pytest.mark.parametrize("what", ["missing", "folder", "empty"])
def test_what_is_no_file_is_named(tmp_path, what):
    path = tmp_path / "x.gguf"
    path.mkdir() if what == "folder" else path.touch() if what == "empty" else None
    with pytest.raises(FileFormatError, match=r"x\.gguf"):
        read(path)
