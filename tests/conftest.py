"""What every test runs under: shapes checked by beartype, hypothesis without a clock, one fixed set of examples."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two threads on small matrices mostly wait for each other
SOURCES = Path(__file__).parents[1] / "src"


def modules_with_shapes() -> list[str]:
    """The modules whose signatures carry shapes; in the others types are for the reader and for mypy."""
    found = (path for path in SOURCES.rglob("*.py") if "import jaxtyping" in (text := path.read_text("utf-8"))
             or "from jaxtyping import" in text)  # fmt: skip
    return [".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in found]


if os.environ.get("TWOFOLD_CHECK_SHAPES", "1") != "0":
    install_import_hook(modules_with_shapes(), "beartype.beartype")

settings.register_profile("twofold", deadline=None, derandomize=True)
settings.load_profile("twofold")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--first-cases", action="store_true", help="of each parametrised test only the first case")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--first-cases"):
        first = {item.nodeid.split("[")[0]: item for item in reversed(items)}
        config.hook.pytest_deselected(items=[item for item in items if first[item.nodeid.split("[")[0]] is not item])
        items[:] = [item for item in items if first[item.nodeid.split("[")[0]] is item]


def pytest_sessionstart() -> None:
    """run.c is compiled before the first test, so that none is the one that waits for it and is told so."""
    from twofold.engine.native_build import library

    library()
