"""The pages as files: the right types, nothing from elsewhere, nothing but the pages."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

PAGES = files("twofold.serve") / "pages"
NAMES = sorted(one.name for one in PAGES.iterdir() if one.is_file())


def test_every_page_is_served_as_it_is_with_its_type(http):
    types = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
             "js": "text/javascript; charset=utf-8", "json": "application/json"}  # fmt: skip
    for name in NAMES:
        answer = http.get(f"/pages/{name}")
        assert answer.content == (PAGES / name).read_bytes()
        assert answer.headers["content-type"] == types[name.rpartition(".")[2]]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/").content == (PAGES / "index.html").read_bytes()


def test_a_page_that_the_browser_has_is_not_sent_again(http):
    tag = http.get("/").headers["etag"]
    again = http.get("/", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert http.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_page_may_load_and_ask_nothing_from_elsewhere(http):
    policy = http.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    for name in NAMES:
        assert not re.search(r"(?:src|href|url|import|fetch)\W{1,3}https?://", (PAGES / name).read_text("utf-8"))


@pytest.mark.parametrize("path", ["../settings.py", "..%2fsettings.py", "%2e%2e/settings.py", "..%5csettings.py",
                                  "no.js", "", "%2e", "%2e%2e", "dom.js/", "/etc/hosts", "shell.js%00"])  # fmt: skip
def test_nothing_but_pages_is_served(http, path):
    answer = http.get(f"/pages/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]
