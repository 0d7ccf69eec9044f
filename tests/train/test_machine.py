"""What the machine can do is measured; what it cannot is said."""

import pytest
import torch

from twofold.errors import ConfigError, GroupError
from twofold.model.devices import pick_device
from twofold.train.distributed import join_group
from twofold.train.machine import measure


@pytest.mark.slow
def test_the_chosen_precision_is_the_fastest_or_nearly():
    before = torch.get_num_threads()
    machine = measure(torch.device("cpu"), threads=1)
    torch.set_num_threads(before)
    assert machine.peak * 1.15 >= max(machine.flops.values()) and machine.threads == 1


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="--device auto"):
        pick_device("cuda" if not torch.cuda.is_available() else "tpu")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="float8"):
        measure(torch.device("cpu"), dtype="float8")


@pytest.mark.slow
def test_several_processes_that_cannot_meet_fail_loudly(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(GroupError, match="torchrun"):
        join_group(torch.device("cpu"))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    with pytest.raises(GroupError, match="cannot form a group"):
        join_group(torch.device("cpu"), timeout_seconds=1)
