"""What the pages say of the commands is what the commands are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import typer

from twofold.cli.main import VERBS, application

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_commands_is_fresh():
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    fresh = (DOCS / "cli.md").read_text("utf-8") == generator.page()
    assert fresh, "docs/cli.md is stale; write it again with: python docs/generate_cli.py"


@pytest.mark.parametrize("name", VERBS)
def test_the_summary_in_the_list_is_the_first_line_of_the_verbs_own_help(name):
    assert _command(name).help.splitlines()[0] == VERBS[name]


@pytest.mark.parametrize("name", VERBS)
def test_every_verbs_help_teaches_with_an_example(name):
    assert f"\ntwofold {name}" in _command(name).help


@pytest.mark.parametrize("name", VERBS)
def test_every_argument_and_option_is_explained(name):
    assert [parameter.name for parameter in _command(name).params if not (parameter.help or parameter.hidden)] == []


def _command(name):
    return typer.main.get_command(application(name)).commands[name]
