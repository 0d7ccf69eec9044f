"""Clients that send too much, too slowly, nothing, or leave; ports that are taken; and the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from .conftest import CODE, serving

pytestmark = pytest.mark.slow

LONG = {"model": "tiny", "prompt": "the", "max_tokens": 480, "logit_bias": {"262": -100}}


def figure(running, name: str) -> float:
    with running.client() as http:
        lines = http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((name + "{", name + " ")))


def eventually(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def connect(running) -> socket.socket:
    where = urlsplit(running.url)
    return socket.create_connection((where.hostname, where.port), timeout=30)


def head(running, length: int, path="/v1/completions") -> bytes:
    return (f"POST {path} HTTP/1.1\r\nHost: {urlsplit(running.url).netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()  # fmt: skip


@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes_are_refused_and_the_server_goes_on(server, http, chunked):
    body = json.dumps({"model": "tiny", "prompt": "x" * 10_000_000}).encode()
    sent = (body[i : i + 65536] for i in range(0, len(body), 65536)) if chunked else body
    answer = http.post("/v1/completions", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "8.39 MB" in answer.json()["error"]["message"]
    assert http.get("/health").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"prompt": "\\ud800"}', b"[" * 100_000,
                                  b'{"prompt": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"prompt": 1e999}', b"{}",
                                  b'{"prompt": [99999]}', b'{"prompt": [-1]}', b'{"prompt": []}', b'{"prompt": [[]]}',
                                  b'{"prompt": "x", "temperature": NaN}', b'{"prompt": "x", "n": 33}'])  # fmt: skip
def test_what_is_no_request_is_told_so(http, body):
    answer = http.post("/v1/completions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_other_types_than_json_are_refused(http):
    answer = http.post("/v1/completions", data={"prompt": "x"})
    assert answer.status_code == 415


def test_a_client_that_leaves_gives_its_place_back(server, http):
    """Both ways: while it waits for the whole, and in the middle of a stream.

    Where all else is slow the answers may be at their end before it has left; then it comes again.
    """
    for stream in (False, True):
        done = figure(server, "twofold_cancelled_total")
        body = json.dumps({**LONG, "stream": stream, "n": 4}).encode()
        for _ in range(5):
            with connect(server) as leaving:
                leaving.sendall(head(server, len(body)) + body)
                if stream:
                    assert leaving.recv(10)
                eventually(lambda: figure(server, "twofold_running") > 0)
            eventually(lambda: figure(server, "twofold_running") == 0)
            if figure(server, "twofold_cancelled_total") > done:
                break
        assert figure(server, "twofold_cancelled_total") > done


def test_more_than_can_wait_are_told_to_come_back(models):
    with serving(models, "--slots", "1", "--waiting", "2") as small, small.client() as http:
        answers = []

        def ask():
            with small.client() as one:
                answers.append(one.post("/v1/completions", json=LONG))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        busy = [one for one in answers if one.status_code == 429]
        assert {one.status_code for one in answers} == {200, 429}
        assert {one.json()["error"]["code"] for one in busy} == {"too_many_waiting"}
        assert all(int(one.headers["retry-after"]) > 0 for one in busy)
        assert http.post("/v1/completions", json={**LONG, "max_tokens": 3}).status_code == 200
        many = http.post("/v1/completions", json={**LONG, "prompt": ["a", "b", "c", "d", "e"], "max_tokens": 3})
        assert [one["index"] for one in many.json()["choices"]] == [0, 1, 2, 3, 4]


def test_an_answer_that_takes_too_long_is_ended(models):
    with serving(models, "--timeout", "1") as hasty, hasty.client() as http:
        asked = {**LONG, "prompt": ["the"] * 64, "n": 16}
        assert http.post("/v1/completions", json=asked).status_code == 504
        with http.stream("POST", "/v1/completions", json={**asked, "stream": True}) as stream:
            last = [line for line in stream.iter_lines() if line][-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "timeout"
        eventually(lambda: figure(hasty, "twofold_running") == 0)


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM to a child on Windows")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_and_finishes_what_it_says(models, number):
    with serving(models) as running, running.client() as http:
        with http.stream("POST", "/v1/completions", json={**LONG, "stream": True}) as stream:
            lines = stream.iter_lines()
            first = next(lines)
            running.process.send_signal(number)
            rest = [first, *(line for line in lines if line)]
        assert rest[-1] == "data: [DONE]"
        said = [json.loads(line.removeprefix("data: ")) for line in rest[:-1]]
        assert said[-1]["choices"][0]["finish_reason"] == "length"
        assert running.process.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            running.client().get("/health")


def test_a_port_in_use_is_said_with_one_that_is_free(server, models):
    port = urlsplit(server.url).port
    done = subprocess.run([sys.executable, "-c", CODE, "serve", str(models / "tiny"), "--port", str(port)],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "says"), [
    (["--host", "0.0.0.0"], "--api-key"),
    (["--host", "no-such-host.invalid"], "no-such-host.invalid"),
    (["--host", "203.0.113.7", "--api-key", "k"], "203.0.113.7"),
    (["also=tiny", "also=tiny"], "called 'also'"),
    (["nowhere"], "nowhere"),
])  # fmt: skip
def test_a_mistake_on_the_command_line_gets_words_and_exit_code_2(models, arguments, says):
    done = subprocess.run([sys.executable, "-c", CODE, "serve", "tiny", "--port", "0", *arguments], cwd=models,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_library_is_named_with_the_extra_that_brings_it(models):
    without = "import sys; sys.modules['starlette'] = None\n"
    done = subprocess.run([sys.executable, "-c", without + CODE, "serve", str(models / "tiny")], capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'twofold[serve]'" in done.stderr


HASTY = """
from twofold.serve import settings
chosen = dict(idle_seconds=1, body_seconds=1, unread_seconds=1)
born = settings.Settings.__init__
settings.Settings.__init__ = lambda self, **given: born(self, **{**given, **chosen})
"""


@pytest.fixture(scope="module")
def hasty(models):
    with serving(models, before=HASTY) as running:
        yield running


@pytest.mark.parametrize("sent", [b"", b"POST /v1/completions HTTP/1.1\r\nHost:"])
def test_a_client_that_does_not_say_what_it_wants_is_let_go(hasty, sent):
    with connect(hasty) as silent:
        silent.sendall(sent)
        with contextlib.suppress(ConnectionError):
            assert silent.recv(1000) == b""


def test_half_a_body_is_waited_for_a_while(hasty):
    with connect(hasty) as half:
        half.sendall(head(hasty, 1000) + b'{"prompt": "')
        assert b" 408 " in half.recv(1000)


def test_a_client_that_never_reads_is_cut_off(hasty):
    """Some fifteen megabytes that nobody takes: more than the system keeps on its behalf."""
    body = json.dumps({**LONG, "stream": True, "n": 8, "logprobs": 100}).encode()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        where = urlsplit(hasty.url)
        deaf.connect((where.hostname, where.port))
        deaf.sendall(head(hasty, len(body)) + body)
        eventually(lambda: figure(hasty, "twofold_requests_open") == 2)
        eventually(lambda: figure(hasty, "twofold_requests_open") == 1, 20)
        got = b""
        with contextlib.suppress(ConnectionError):
            while more := deaf.recv(1 << 20):
                got = (got + more)[-100:]
        assert got
        assert not got.endswith(b"0\r\n\r\n")
    assert figure(hasty, "twofold_running") == 0
