"""hf: sources through the real package `datasets`, against a hub of one data set on this machine."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from urllib.parse import urlparse

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs: pip install datasets"),
]

COMMIT = "a" * 40
TEXT = "Document {0}. It tells of {1} and of {2}, and then it tells of {3} at some length. Was it so? It was. Yes, so."
LINES = [json.dumps({"text": " ".join(TEXT.format(*(f"thing{(i + j) * k}" for j in range(4))) for k in range(3, 9))})
         for i in range(0, 3000, 6)]
FILES = {
    "train.jsonl": "\n".join(LINES).encode(),
    "README.md": b"---\nconfigs:\n- config_name: default\n  data_files: train.jsonl\n---\n",
}


class Hub(http.server.BaseHTTPRequestHandler):
    """What the client asks of the hub: repository, tree, and files by byte range."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = urlparse(self.path).path
        file = re.match(r"/datasets/own/set/resolve/[^/]+/(.+)", path)
        if file and file[1] in FILES:
            body = FILES[file[1]]
            asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first, last = (int(asked[1]), int(asked[2] or len(body) - 1)) if asked else (0, len(body) - 1)
            last = min(last, len(body) - 1)
            extent = {"Content_Range": f"bytes {first}-{last}/{len(body)}"} if asked else {}
            self.answer(body[first:last + 1], 206 if asked else 200, ETag=f'"{file[1]}"', X_Repo_Commit=COMMIT,
                        Accept_Ranges="bytes", **extent)
        elif file:
            self.answer(b"", 404, X_Error_Code="EntryNotFound")
        elif path.startswith("/api/datasets/own/set/tree/"):
            entries = [{"type": "file", "path": name, "size": len(body), "oid": COMMIT} for name, body in FILES.items()]
            self.answer(json.dumps(entries).encode(), Content_Type="application/json")
        elif path.startswith("/api/datasets/own/set"):
            about = {"id": "own/set", "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": [],
                     "siblings": [{"rfilename": name} for name in FILES]}
            self.answer(json.dumps(about).encode(), Content_Type="application/json")
        else:
            self.answer(b"{}", 404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET


@pytest.fixture
def ask(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    environment = os.environ | {"HF_ENDPOINT": here, "HF_HOME": str(tmp_path / "hf")}

    def ask(*arguments):
        command = [sys.executable, "-c", "from twofold.cli.main import main; main()", "data", *arguments]
        return subprocess.run([*command, "--out", str(tmp_path / "out"), "--json"], env=environment,
                              capture_output=True, text=True, encoding="utf-8")

    yield ask
    server.shutdown()
    server.server_close()


def test_a_data_set_is_streamed_whole_or_up_to_the_limit(ask):
    whole = ask("hf:own/set", "--rules", "light")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["waterfall"][0]["into"]["documents"] == len(LINES)
    part = json.loads(ask("hf:own/set", "--rules", "light", "--limit-mb", "0.02").stdout)["waterfall"][0]["into"]
    assert 20_000 <= part["bytes"] < 22_000


@pytest.mark.parametrize(("arguments", "message"), [
    (["hf:own/none"], "own/none"),
    (["hf:own/set", "--split", "nope"], "['train']"),
    (["hf:own/set", "--config", "nope"], "['default']"),
    (["hf:own/set", "--text-field", "body"], "the record has text"),
])
def test_what_the_hub_does_not_have_is_the_users_mistake(ask, arguments, message):
    done = ask(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
