"""A recipe is a file that gives back what was written, and says what in it cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.make.recipe import Recipe, read, write
from twofold.model.config import ModelConfig
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.train.settings import TrainSettings
from twofold.tune.settings import TuneSettings

MODEL = ModelConfig(vocab_size=300, n_layers=1, d_model=16, n_heads=2)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(50, 99)), max_size=3), st.floats(0.001, 1),
       st.dictionaries(st.sampled_from(["sotu", "a.b", 'q"x']), st.floats(0, 10), max_size=2))
def test_reading_undoes_writing(tmp_path_factory, revisions, lr, mix):
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    settings = TrainSettings(schedule=Schedule(60, revisions=tuple(revisions)), optimiser=OptimiserSettings(lr=lr))
    assistant = TuneSettings(("almanac",), revisions=tuple(revisions)) if revisions else None
    recipe = Recipe(("almanac", "a/folder"), MODEL, 5.0, mix, train=settings, assistant=assistant)
    write(path, recipe)
    assert read(path) == recipe and read(path).hash == recipe.hash


def test_another_recipe_has_another_hash():
    assert Recipe(("a",), MODEL).hash != Recipe(("b",), MODEL).hash


@pytest.mark.parametrize("content", [
    "not toml at all = = =",
    'sources = ["a"]\nmodle = 3',
    'sources = ["a"]\n[model]\nvocab_size = "many"\nn_layers = 1\nd_model = 8\nn_heads = 1',
    'sources = ["a"]\n[model]\nvocab_size = 300\nn_layers = 1\nd_model = 9\nn_heads = 2',
    'sources = ["a"]\n[model]\nvocab_size = true\nn_layers = 1\nd_model = 8\nn_heads = 2',
    'sources = ["a"]',
    'sources = ["a"]\n[model]\nvocab_size = 300\nn_layers = 1\nd_model = 16\nn_heads = 2\n[assistant]\ndata = []',
    'sources = ["a"]\n[model]\nvocab_size = 300\nn_layers = 1\nd_model = 16\nn_heads = 2\n[assistant]\nrows = 1',
])  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "recipe.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"recipe\.toml"):
        read(path)
