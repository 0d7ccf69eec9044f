from __future__ import annotations

import pytest

from twofold.data.mix import parse_mix, weights
from twofold.errors import ConfigError


def test_a_mix_is_read_as_it_is_written():
    assert parse_mix("sotu=1, factbook=2.5") == {"sotu": 1.0, "factbook": 2.5}
    assert parse_mix("") == {}


@pytest.mark.parametrize("text", ["sotu", "sotu=", "=1", "sotu=x", "sotu:1"])
def test_what_is_no_mix_is_quoted(text):
    with pytest.raises(ConfigError, match="sotu=1,factbook=2"):
        parse_mix(text)


def test_sources_that_are_not_named_weigh_one():
    assert weights({"b": 2.0}, ["a", "b"]) == {"a": 1.0, "b": 2.0}
