from __future__ import annotations

import errno

import pytest

from twofold.atomic import atomic_write, writing
from twofold.errors import DiskFull


def test_what_is_written_is_what_is_read(tmp_path):
    atomic_write(tmp_path / "new" / "text", "ä\r\nb")
    assert (tmp_path / "new" / "text").read_bytes() == "ä\r\nb".encode()
    atomic_write(tmp_path / "new" / "text", b"\x00\xff")
    assert (tmp_path / "new" / "text").read_bytes() == b"\x00\xff"


def test_a_failure_halfway_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    atomic_write(tmp_path / "kept", "old")
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "kept") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "old"


def test_a_full_disk_is_named_with_the_path_and_the_free_space(tmp_path):
    with pytest.raises(DiskFull, match=r"big.*MB free"), writing(tmp_path / "big"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_other_operating_system_errors_pass_unchanged(tmp_path):
    with pytest.raises(PermissionError), writing(tmp_path / "locked"):
        raise PermissionError(errno.EACCES, "no")
