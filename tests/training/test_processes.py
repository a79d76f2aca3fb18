from types import SimpleNamespace

import pytest

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.training import FitConfig, PairedFgBgDataModule
from fgbgnet.training.processes import are_several, check_batch_sizes, choose_devices, choose_strategy, is_lead_process
from tests.test_cli import call

LAUNCHERS = {
    "nobody": {},
    "torchrun": {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2", "RANK": "0"},
}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("launcher", "settings", "expected"),
    [
        ("nobody", {}, (1, 1)),
        ("nobody", {"strategy": "ddp"}, ("auto", 1)),
        ("nobody", {"devices": 2}, (2, 1)),
        ("nobody", {"devices": 2, "num_nodes": 3}, (2, 3)),
        ("nobody", {"num_nodes": 3}, ("auto", 3)),
        ("torchrun", {}, (4, 2)),
        ("torchrun", {"devices": 3}, (3, 2)),  # which Lightning then refuses
    ],
)
def test_how_many(monkeypatch, launcher, settings, expected):
    for name, value in LAUNCHERS[launcher].items():
        monkeypatch.setenv(name, value)
    config = FitConfig(**settings)
    assert choose_devices(config) == expected
    assert are_several(config) is (expected != (1, 1))


@pytest.mark.parametrize(
    ("environment", "lead"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "3"}, False),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        # torchrun's own numbers of machines need not be Slurm's.
        ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "1"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0", "SLURM_PROCID": "0"}, False),
    ],
)
def test_who_leads(monkeypatch, environment, lead):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_lead_process() is lead


def test_only_idle_branches_of_several_processes_are_looked_for():
    assert choose_strategy(FitConfig(), idle=True) == "auto"
    assert choose_strategy(FitConfig(devices=2), idle=False) == "auto"
    assert choose_strategy(FitConfig(devices=2, strategy="fsdp"), idle=True) == "fsdp"
    for strategy in ("auto", "ddp"):
        chosen = choose_strategy(FitConfig(devices=2, strategy=strategy), idle=True)
        assert chosen._ddp_kwargs == {"find_unused_parameters": True}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 5}, "the batch size 5 cannot be shared by 2 processes; choose a multiple of 2"),
        ({"sizes": ((16, 4, 1), (32, 3, 1))}, "the batch size 3 cannot be shared by 2 processes"),
        ({"batch_size": "auto"}, "batch_size='auto' tries batches on one device"),
    ],
)
def test_batches_that_two_processes_cannot_share(settings, message):
    check_batch_sizes(FitConfig(**settings))
    with pytest.raises(InvalidArgumentError, match=message):
        check_batch_sizes(FitConfig(devices=2, **settings))


def test_every_process_has_something_to_validate():
    data = PairedFgBgDataModule(range(8), range(1), batch_size=2)
    data.trainer = SimpleNamespace(world_size=2)
    with pytest.raises(InvalidArgumentError, match=r"fewer samples to validate \(1\) than processes \(2\)"):
        data.val_dataloader()
    data.val_data = range(2)
    assert data.val_dataloader().batch_size == 1


def test_the_command_ends_with_2_before_anything_starts(quadruples, tmp_path, capsys):
    arguments = ["--data", quadruples, "--out", tmp_path / "run", "--devices", "2", "--batch_size", "5"]
    assert call("train", *arguments, "--accelerator", "cpu", "--size", "32") == 2
    assert "the batch size 5 cannot be shared by 2 processes" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
