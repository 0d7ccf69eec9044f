"""What is inside a file, by its kind: plain text, HTML, PDF, and records in JSON lines, CSV and Parquet.

Records: the field that is asked for, else one called "text", else the one with the most text in the first hundred
records, if that is at least MEAN_TEXT characters a record. Each record is a document. A CSV file with no such field
is a table and stays whole.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from twofold.data.documents import Kind
from twofold.data.normalise import decode
from twofold.errors import SourceError, require

__all__ = ["FORMATS", "Piece", "choose_field", "texts_of"]

MEAN_TEXT = 20
MEAN_COLUMN = 200
_LOOK = 100
_LITTLE_HTML = 200
Piece = tuple[str, Kind, "str | SourceError"]  # what to add to the file's name, kind, and the text or why there is none


def _plain(kind: Kind) -> Callable[[bytes, str | None], Iterator[Piece]]:
    def read(data: bytes, field: str | None) -> Iterator[Piece]:
        yield "", kind, decode(data)

    return read


def _html(data: bytes, field: str | None) -> Iterator[Piece]:
    html2text = require("resiliparse.extract.html2text", "train", "reading HTML")
    encoding = require("resiliparse.parse.encoding", "train", "reading HTML")
    try:
        page = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        page = encoding.bytes_to_str(data, encoding.detect_encoding(data))
    text = html2text.extract_plain_text(page, main_content=True, alt_texts=False)
    if len(text) < _LITTLE_HTML:
        text = html2text.extract_plain_text(page, alt_texts=False)
    yield "", "docs", text


def _pdf(data: bytes, field: str | None) -> Iterator[Piece]:
    pypdf = require("pypdf", "train", "reading PDF")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError("encrypted: a PDF with a password")
        text = "\n\n".join(page.extract_text() for page in reader.pages)
    except SourceError:
        raise
    except Exception as error:  # a parser of strangers' files fails in any way it likes
        raise SourceError(f"no readable PDF: {type(error).__name__}") from error
    if not text.strip():
        raise SourceError("no text in the PDF: probably scanned pages")
    yield "", "prose", text


def _json_lines(data: bytes, field: str | None) -> Iterator[Piece]:
    def records() -> Iterator[tuple[str, Any]]:
        for number, line in enumerate(decode(data).split("\n"), 1):
            if line.strip():
                try:
                    yield f":{number}", json.loads(line)
                except (ValueError, RecursionError):
                    yield f":{number}", SourceError("no JSON: a line that does not parse")

    return texts_of(records(), field)


def _csv(data: bytes, field: str | None) -> Iterator[Piece]:
    text = decode(data)
    csv.field_size_limit(2**31 - 1)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:10_000], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        records = list(csv.DictReader(io.StringIO(text, newline=""), dialect=dialect))
    except csv.Error as error:
        raise SourceError(f"no CSV: {error}") from error
    if field or choose_field(records[:_LOOK], MEAN_COLUMN):
        yield from texts_of(((f":{i}", record) for i, record in enumerate(records, 2)), field)
    else:
        yield "", "table", text


def _parquet(data: bytes, field: str | None) -> Iterator[Piece]:
    parquet = require("pyarrow.parquet", "train", "reading Parquet")
    arrow = require("pyarrow", "train", "reading Parquet")
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        strings = [f.name for f in file.schema_arrow if arrow.types.is_string(f.type)
                   or arrow.types.is_large_string(f.type)]
        rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(1000, columns=strings))
        yield from texts_of(((f":{i}", row) for i, row in enumerate(rows)), field)
    except arrow.ArrowException as error:
        raise SourceError(f"no Parquet: {str(error).splitlines()[0]}") from error


FORMATS: dict[str, Callable[[bytes, str | None], Iterator[Piece]]] = {
    ".txt": _plain("prose"),
    ".text": _plain("prose"),
    ".md": _plain("docs"),
    ".markdown": _plain("docs"),
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}


def texts_of(records: Iterable[tuple[str, Any]], field: str | None) -> Iterator[Piece]:
    """The text of each record; a record is a mapping, a string, or the error that stands in its place."""
    records = iter(records)
    first = list(islice(records, _LOOK))
    name = field or choose_field([record for _, record in first], MEAN_TEXT)
    for place, record in chain(first, records):
        text = record.get(name) if isinstance(record, Mapping) else record
        if isinstance(text, str) and text:
            yield place, "prose", text
        elif isinstance(record, SourceError):
            yield place, "prose", record
        elif name is None:
            yield place, "prose", SourceError("no field of text: none in the record is long enough; name one with "
                                              "--text-field")
        else:
            fields = ", ".join(map(str, record)) if isinstance(record, Mapping) else type(record).__name__
            yield place, "prose", SourceError(f"no text in the field {name!r}: the record has {fields[:100]}")


def choose_field(records: Iterable[Any], mean: int) -> str | None:
    """"text", or the field whose strings are longest in all, if they have `mean` characters a record."""
    lengths: dict[str, int] = {}
    count = 0
    for record in records:
        count += 1
        for name, value in record.items() if isinstance(record, Mapping) else ():
            if isinstance(value, str) and isinstance(name, str):
                lengths[name] = lengths.get(name, 0) + len(value)
    if lengths.get("text"):
        return "text"
    best = max(lengths, key=lengths.__getitem__, default=None)
    return best if best is not None and lengths[best] >= mean * count else None
