"""A real server in a process of its own, with tiny models of random weights."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from twofold.model.config import ModelConfig
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer

CODE = "import sys; from twofold.cli.main import main; main(sys.argv[1:])"
CONTEXT = 512


@dataclass
class Running:
    url: str
    process: subprocess.Popen
    folder: Path

    def client(self, **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, **options)


def save_tiny(path: Path, name: str, **changes) -> Path:
    config: ModelConfig = replace(config_of(name), context=CONTEXT, **changes)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, config, random_state(config), small_tokenizer(), dtype="F32", chat_template=TEMPLATE, lineage={})
    return path


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, before: str = "", **environment: str) -> Iterator[Running]:
    """`twofold serve` at any free port, told on its standard output."""
    command = [sys.executable, "-c", before + CODE, "serve", str(folder / "tiny"), "--port", "0", "--json", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    log = (folder / "log.txt").open("a")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        told = ""
        while not told.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, (folder / "log.txt").read_text()
            told += line
        yield Running(json.loads(told)["url"], process, folder)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.stdout.close()
        log.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    save_tiny(folder / "tiny" / "parameters.gguf", "llama")
    save_tiny(folder / "other.gguf", "qwen3")
    return folder


@pytest.fixture(scope="session")
def server(models) -> Iterator[Running]:
    with serving(models, f"second={models / 'other.gguf'}") as running:
        yield running


@pytest.fixture
def http(server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
