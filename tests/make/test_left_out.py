"""`make` says what of a folder it did not read."""

from __future__ import annotations

from twofold.data.prepare import prepare
from twofold.data.settings import DataSettings
from twofold.make.story import _left_out


def test_what_is_left_out_is_named_with_its_reason_and_the_rest_is_counted(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    for i in range(30):
        (folder / f"{i}.txt").write_text(f"Number {i} is followed by {i + 1}, and then there is more to say. " * 9)
    for i in range(8):
        (folder / f"{i}.bin").write_bytes(bytes(range(256)))
    corpus = prepare([str(folder)], tmp_path / "text", DataSettings(), None)
    told = _left_out(next(step for step in corpus.manifest["waterfall"] if step["reasons"]))
    assert told.startswith("left out of texts, 8 by read: 0.bin (no format that is read here: .bin), 1.bin (")
    assert told.endswith(" and 2 more")
