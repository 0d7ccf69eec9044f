from __future__ import annotations

import csv
import gzip
import json
import os

import pyarrow
import pyarrow.parquet
import pypdf
import pytest
import zstandard

from twofold.data.documents import Document, LeftOut
from twofold.data.files import fingerprint, read
from twofold.errors import MissingExtra, SourceError

STORY = "The river kept its slow course between the hills, and every evening we counted the boats. " * 5


def read_all(path, field=None):
    items = list(read(path, "mine", field, 1))
    return ({item.id: item.text for item in items if isinstance(item, Document)},
            {item.id: item.reason for item in items if isinstance(item, LeftOut)})


def one_page_pdf(text):
    """The smallest PDF with a line of text, written by hand after ISO 32000."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode()
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 4 0 R /Resources 6 0 R >>",
               b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", b"<< /Font << /F1 5 0 R >> >>"]
    out, places = b"%PDF-1.4\n", []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (b"xref\n0 7\n0000000000 65535 f \n%strailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
                  % (table, len(out)))


def test_every_format_gives_its_text(tmp_path):
    (tmp_path / "a.txt").write_text(STORY, encoding="utf-8")
    (tmp_path / "b.md").write_text("# Title\n" + STORY, encoding="utf-16")
    (tmp_path / "c.html").write_text(f"<html><script>var x</script><body><h1>T</h1><p>{STORY}</p></body></html>")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(STORY.encode()))
    (tmp_path / "e.md.zst").write_bytes(zstandard.compress(STORY.encode()) + zstandard.compress(b"second frame"))
    (tmp_path / "f.pdf").write_bytes(one_page_pdf("A page of words"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "G.TXT").write_text("capitals")
    documents, left_out = read_all(tmp_path)
    assert left_out == {}
    assert list(documents) == ["a.txt", "b.md", "c.html", "d.txt.gz", "e.md.zst", "f.pdf", "sub/G.TXT"]
    assert documents["a.txt"] == documents["d.txt.gz"] == STORY
    assert documents["b.md"] == "# Title\n" + STORY
    assert STORY.strip() in documents["c.html"]
    assert "var x" not in documents["c.html"]
    assert documents["e.md.zst"] == STORY + "second frame"
    assert documents["f.pdf"].strip() == "A page of words"


def test_html_in_another_encoding_is_found(tmp_path):
    page = f'<meta charset="windows-1251"><p>Привет, как дела? {STORY}</p>'
    (tmp_path / "a.html").write_bytes(page.encode("cp1251"))
    assert "Привет, как дела?" in read_all(tmp_path)[0]["a.html"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "body"])
def test_records_give_the_field_called_text_or_the_longest(tmp_path, name):
    records = [{"title": "A title of some length", name: STORY + str(i), "n": i} for i in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "b.parquet")
    with open(tmp_path / "c.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(records)
    documents, left_out = read_all(tmp_path)
    assert left_out == {}
    assert list(documents.values()) == [record[name] for _ in range(3) for record in records]
    assert list(read_all(tmp_path, "title")[0].values()) == ["A title of some length"] * 9


def test_bad_records_are_named_by_their_line(tmp_path):
    lines = [json.dumps({"text": STORY}), "{broken", "", "{}", "[" * 100_000, '"a string"', ""]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    documents, left_out = read_all(tmp_path)
    assert list(documents) == ["a.jsonl:1", "a.jsonl:6"]
    assert list(left_out) == ["a.jsonl:2", "a.jsonl:4", "a.jsonl:5"]
    assert "no JSON" in left_out["a.jsonl:2"]
    assert "'text'" in left_out["a.jsonl:4"]


def test_a_table_without_long_texts_stays_whole(tmp_path):
    table = "name,year\nriver,1901\nhill,1902\n"
    (tmp_path / "a.csv").write_text(table)
    assert read_all(tmp_path)[0] == {"a.csv": table}


def test_what_cannot_be_read_is_left_out_with_the_reason(tmp_path):
    (tmp_path / "good.txt").write_text(STORY)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "noending").write_text("x")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(STORY.encode())[:40])
    (tmp_path / "not.txt.gz").write_text("plain")
    (tmp_path / "not.txt.zst").write_text("plain")
    (tmp_path / "not.parquet").write_bytes(b"PAR1 nothing PAR1")
    (tmp_path / "not.pdf").write_bytes(b"%PDF-1.4 nothing")
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(tmp_path / "scan.pdf")
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    (tmp_path / ".hidden.txt").write_text(STORY)
    documents, left_out = read_all(tmp_path)
    assert list(documents) == ["good.txt"]
    reasons = {"empty.txt": "empty", "binary.txt": "binary", "picture.png": ".png", "noending": "no ending",
               "cut.txt.gz": "damaged", "not.txt.gz": "damaged", "not.txt.zst": "damaged", "not.parquet": "no Parquet",
               "not.pdf": "no readable PDF", "scan.pdf": "scanned", "locked.pdf": "password"}
    assert set(left_out) == set(reasons)
    for name, reason in reasons.items():
        assert reason in left_out[name]


@pytest.mark.skipif(os.name == "nt", reason="pipes and links are a matter of POSIX")
def test_pipes_and_broken_links_do_not_stop_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "good.txt").write_text(STORY)
    documents, left_out = read_all(tmp_path)
    assert list(documents) == ["good.txt"]
    assert set(left_out) == {"pipe.txt", "link.txt"}
    assert fingerprint(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="to this user every file is readable")
def test_a_file_without_permission_is_left_out(tmp_path):
    (tmp_path / "locked.txt").write_text(STORY)
    (tmp_path / "locked.txt").chmod(0)
    assert "unreadable" in read_all(tmp_path)[1]["locked.txt"]


def test_a_file_that_fails_while_it_is_read_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "bad.txt").write_text(STORY)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert read_all(tmp_path)[1] == {"bad.txt": "unreadable: Permission denied"}


def test_a_named_file_is_read_whatever_its_ending(tmp_path):
    (tmp_path / "LICENSE").write_text(STORY)
    assert read_all(tmp_path / "LICENSE")[0] == {"LICENSE": STORY}


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="holds no files"):
        read_all(tmp_path)


def test_a_missing_library_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.pdf").write_bytes(one_page_pdf("words"))
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"twofold\[train\]"):
        read_all(tmp_path)


def test_the_fingerprint_follows_names_and_contents(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "a.txt").write_text("two")
    second = fingerprint(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert len({first, second, fingerprint(tmp_path)}) == 3
