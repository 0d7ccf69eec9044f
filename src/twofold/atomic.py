"""Files are written beside and renamed into place, so a process that dies leaves either the old file or the new one.

    with writing(path) as temporary: ...      write to `temporary`; on leaving it is fsynced and renamed to `path`
    with writing_folder(path) as temporary:   the same for a whole folder, which must be the caller's own
    atomic_write(path, bytes or text)         the same for content that is already in memory
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from twofold.errors import DiskFull, UserError

__all__ = ["atomic_write", "disk_full_is_named", "writing", "writing_folder"]

_NO_ROOM = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


@contextlib.contextmanager
def disk_full_is_named(path: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" inside the block into DiskFull, naming `path` and the free space."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        names = [name[1:-4] if name.startswith(".") and name.endswith(".tmp") else name for name in path.parts]
        raise DiskFull(
            f"no room left to write {Path(*names)}: {_free(path)} free on its disk; "
            f"make room or choose another place for the output"
        ) from error


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; rename it into place on success, remove it on failure.

    Missing parent folders are made, and removed again on failure. A file has one writer at a time. Raises DiskFull when
    the disk or the quota is full, UserError when the place cannot be written to.
    """
    path = Path(path)
    temporary = _temporary(path)
    with disk_full_is_named(path), _refusal_is_named(path):
        made = _make_folder(path.parent)
        try:
            yield temporary
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            _remove_empty(made)
            raise


@contextlib.contextmanager
def writing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty temporary sibling folder of `path`; on success it takes the place of `path` and all it held.

    A process that dies in between leaves the old folder, or none, and a hidden sibling that the next run removes.
    """
    path = Path(path)
    temporary = _temporary(path)
    with disk_full_is_named(path), _refusal_is_named(path):
        shutil.rmtree(temporary, ignore_errors=True)
        made = _make_folder(temporary)
        try:
            yield temporary
            shutil.rmtree(path, ignore_errors=True)
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            _remove_empty(made)
            raise


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Replace the file at `path` by `content` (text as UTF-8, line ends untouched)."""
    with writing(path) as temporary:
        temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def _refusal_is_named(path: Path) -> Iterator[None]:
    """Turn "not permitted" and "something else is there" on the way to `path` into UserError."""
    try:
        yield
    except OSError as error:
        if error.errno in _REFUSED and Path(str(error.filename)) in {path, _temporary(path), *path.parents}:
            raise UserError(f"{path} cannot be written ({error.strerror}); choose another place for it") from error
        raise


def _temporary(path: Path) -> Path:
    """Fixed, so that what a killed process left is overwritten by the next one that writes there."""
    return path.with_name(f".{path.name}.tmp")


def _make_folder(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it; returns those that were made, the deepest first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except BaseException:
        _remove_empty(missing)
        raise
    return missing


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the system lets a folder be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _free(path: Path) -> str:
    for folder in path.absolute().parents:
        if folder.exists():
            return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB"
    return "an unknown amount"
