"""Against a stand-in for the package `datasets`: what the hub's library does is what the library's tests are for."""

from __future__ import annotations

import sys
import types

import pytest

from twofold.data import hub
from twofold.data.settings import DataSettings
from twofold.data.sources import resolve
from twofold.errors import MissingExtra, NetworkError, SourceError


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType("datasets")
    not_found = type("DatasetNotFoundError", (FileNotFoundError,), {})
    module.exceptions = types.SimpleNamespace(DatasetNotFoundError=not_found)
    module.asked = []

    def load_dataset(name, config, **options):
        module.asked.append((name, config, options))
        if isinstance(module.answer, Exception):
            raise module.answer
        return module.answer

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def endless():
    i = 0
    while True:
        yield {"text": f"{i:05d} " + "x" * 94, "url": "…"}
        i += 1


def test_it_streams_until_there_is_enough(library):
    library.answer = endless()
    settings = DataSettings(config="small", split="test", limit=1000)
    documents = list(hub.read("owner/name", "name", settings))
    assert [d.text[:5] for d in documents] == [f"{i:05d}" for i in range(10)]
    assert {d.kind for d in documents} == {"web"}
    assert library.asked == [("owner/name", "small", {"split": "test", "streaming": True})]


@pytest.mark.parametrize("failure", [
    ConnectionError("no route"), TimeoutError("slow"), type("HTTPError", (Exception,), {})("503"),
])
def test_without_a_network_the_message_says_what_there_is_instead(library, failure):
    library.answer = failure
    with pytest.raises(NetworkError, match=r"hf:owner/name cannot be reached.*almanac"):
        list(hub.read("owner/name", "name", DataSettings()))


def test_a_network_that_breaks_in_the_middle_is_an_error_too(library):
    def breaking():
        yield {"text": "one"}
        raise ConnectionError("reset")

    library.answer = breaking()
    with pytest.raises(NetworkError):
        list(hub.read("owner/name", "name", DataSettings()))


def test_a_data_set_or_configuration_that_is_not_there_is_the_users_mistake(library):
    for failure in (library.exceptions.DatasetNotFoundError("no such"), ValueError("BuilderConfig 'x' not found")):
        library.answer = failure
        with pytest.raises(SourceError, match=r"hf:owner/name \(config default, split train\)"):
            list(hub.read("owner/name", "name", DataSettings()))


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match="pip install datasets"):
        list(hub.read("owner/name", "name", DataSettings()))


@pytest.mark.parametrize("name", ["hf:", "hf:a/b/c", "hf:../x", "hf:a b"])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(SourceError, match="owner/name"):
        resolve([name], DataSettings())
