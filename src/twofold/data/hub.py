"""hf:owner/name: a data set of the Hugging Face hub, streamed through the package `datasets` until there is enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twofold.data.documents import Document, LeftOut
from twofold.data.formats import texts_of
from twofold.data.settings import DataSettings
from twofold.errors import MissingExtra, NetworkError, SourceError

__all__ = ["read"]


def read(name: str, source: str, settings: DataSettings) -> Iterator[Document | LeftOut]:
    """Records of `name` as documents of the kind "web", in the order of the data set, up to `settings.limit` bytes.

    Raises MissingExtra without the package `datasets`, NetworkError when the hub cannot be reached, SourceError for a
    data set, configuration, split or field that does not exist.
    """
    taken = 0
    for place, _, text in texts_of(_records(name, settings), settings.text_field):
        if isinstance(text, SourceError):
            yield LeftOut(name + place, source, str(text))
            continue
        document = Document(name + place, source, "web", text)
        yield document
        taken += document.size
        if taken >= settings.limit:
            return


def _records(name: str, settings: DataSettings) -> Iterator[tuple[str, Any]]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(f"hf:{name} needs the package 'datasets', which is not installed; "
                           f"install it with: pip install datasets") from error
    try:
        stream = datasets.load_dataset(name, settings.config, split=settings.split, streaming=True)
        for i, record in enumerate(stream):
            yield f":{i}", record
    except (datasets.exceptions.DatasetNotFoundError, ValueError) as error:
        raise SourceError(f"hf:{name} (config {settings.config or 'default'}, split {settings.split}): "
                          f"{_line(error)}") from error
    except Exception as error:
        if not _is_network(error):
            raise
        raise NetworkError(f"hf:{name} cannot be reached ({_line(error)}); check the network, or use text that is "
                           f"already here: a file, a folder, almanac or pydoc") from error


def _is_network(error: BaseException | None) -> bool:
    """Whether `error`, or what caused it, is a failed connection. HTTP clients have exception trees of their own."""
    while error is not None:
        tree = {cls.__name__ for cls in type(error).__mro__}
        if isinstance(error, OSError) or tree & {"HTTPError", "TransportError", "ClientError", "RequestException"}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
