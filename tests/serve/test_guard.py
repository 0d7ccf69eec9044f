"""Who may ask: names, origins and keys, as a browser under a stranger's control would send them."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from twofold.errors import ConfigError
from twofold.serve.settings import Settings, is_loopback

from .conftest import serving

KEY = "a key of our own"


@pytest.fixture(scope="module")
def locked(models):
    arguments = ["--allow-origin", "https://friend.example", "--allow-host", "proxy.example", "--quiet"]
    with serving(models, *arguments, TWOFOLD_API_KEY=KEY) as running:
        yield running


def ask(running, path="/health", method="GET", **headers):
    """Without a library that puts headers right."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"host": urlsplit(running.url).netloc, **headers}.items():
        if value is not None:
            connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.2:80", "[::1]", "[::1]:1", "LOCALHOST"])
def test_names_of_this_machine_are_answered(server, host):
    assert ask(server, host=host)[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.org", "a.example:80",
                                  "10.0.0.1", "8.8.8.8", "", "[", "localhost@evil.org", "0x7f.1", "::"])  # fmt: skip
def test_other_names_are_not(server, host):
    answer, body = ask(server, host=host)
    assert answer.status in (400, 403)
    if answer.status == 403:
        assert "--allow-host" in body


@pytest.mark.slow
def test_a_name_that_was_allowed_is_answered(locked):
    assert ask(locked, host="proxy.example")[0].status == 200
    assert ask(locked, host="other.example")[0].status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://"])
def test_pages_from_elsewhere_may_not_ask(server, origin):
    answer, body = ask(server, "/v1/models", origin=origin)
    assert answer.status == 403
    assert "--allow-origin" in body
    assert answer.getheader("access-control-allow-origin") is None
    before = {"origin": origin, "access_control_request_method": "POST"}
    assert ask(server, "/v1/completions", "OPTIONS", **before)[0].status == 403


def test_our_own_page_may(server):
    assert ask(server, "/v1/models", origin=server.url)[0].status == 200


def test_an_allowed_origin_may_ask_and_read(locked):
    friend = {"origin": "https://friend.example"}
    before, _ = ask(locked, "/v1/completions", "OPTIONS", access_control_request_method="POST",
                    access_control_request_headers="authorization, content-type", **friend)  # fmt: skip
    assert before.status == 204
    assert before.getheader("access-control-allow-headers") == "authorization, content-type"
    answer, _ = ask(locked, "/v1/models", authorization=f"Bearer {KEY}", **friend)
    assert answer.status == 200
    assert answer.getheader("access-control-allow-origin") == "https://friend.example"
    assert "Origin" in answer.getheader("vary")


@pytest.mark.parametrize("sent", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x",
                                  f"Bearer {KEY[:-1]}", "Bearer \xff"])  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/metrics", "/tokenizer_info", "/tokenize"])
def test_without_the_key_nothing_is_told(locked, path, sent):
    answer, body = ask(locked, path, authorization=sent)
    assert answer.status == 401
    assert answer.getheader("www-authenticate") == "Bearer"
    assert KEY not in body


def test_with_the_key_all_is_and_page_and_health_are_open(locked):
    assert ask(locked, "/v1/models", authorization=f"Bearer {KEY}")[0].status == 200
    assert ask(locked, "/v1/models", authorization=f"bearer  {KEY}")[0].status == 200
    for path in ("/", "/health", "/openapi.json", "/pages/index.html"):
        assert ask(locked, path)[0].status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5"])
def test_a_public_address_needs_a_key(host):
    with pytest.raises(ConfigError, match="--api-key"):
        Settings(host=host)
    assert Settings(host=host, api_key="secret").host == host


def test_what_only_this_machine_reaches():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1")] == [False] * 3
    with pytest.raises(ConfigError, match="no address"):
        is_loopback("no such name.invalid")


@pytest.mark.parametrize("changes", [{"port": 70000}, {"slots": 0}, {"api_key": ""}, {"api_key": "a\nb"},
                                     {"allowed_origins": ("evil",)}])  # fmt: skip
def test_settings_that_cannot_be(changes):
    with pytest.raises(ConfigError):
        Settings(**changes)
