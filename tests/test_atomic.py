from __future__ import annotations

import errno

import pytest

from twofold.atomic import atomic_write, writing, writing_folder
from twofold.errors import DiskFull, UserError


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


def test_what_a_killed_process_left_behind_is_gone_after_the_next_write(tmp_path):
    with writing(tmp_path / "file") as temporary:
        left = temporary
        temporary.write_text("first")
    left.write_text("half of a secon")
    atomic_write(tmp_path / "file", "third")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_takes_the_place_of_the_old_one_whole_or_not_at_all(tmp_path):
    for content in ("one", "two"):
        with writing_folder(tmp_path / "folder") as temporary:
            (temporary / content).write_text(content)
    with pytest.raises(ZeroDivisionError), writing_folder(tmp_path / "folder") as temporary:
        (temporary / "three").write_text("half")
        raise ZeroDivisionError
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["folder", "folder/two"]


def test_a_full_disk_is_named_with_the_path_and_the_free_space(tmp_path):
    with pytest.raises(DiskFull, match=r"big.*MB free"), writing(tmp_path / "big"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_made_for_what_did_not_come_are_gone_again(tmp_path):
    (tmp_path / "there").mkdir()
    for write in (writing, writing_folder):
        with pytest.raises(DiskFull), write(tmp_path / "there" / "a" / "b" / "c"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another place"):
        atomic_write(tmp_path / "file" / "below", "x")
    with pytest.raises(UserError, match="choose another place"), writing_folder(tmp_path / "file" / "below"):
        pass


def test_other_operating_system_errors_pass_unchanged(tmp_path):
    with pytest.raises(PermissionError), writing(tmp_path / "locked"):
        raise PermissionError(errno.EACCES, "no")
