"""Which of several processes this is, and how many there will be, before they have found each other."""

import os
from typing import Any

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.training.config import FitConfig

_RANKS_OF_LIGHTNING = ("NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")


def is_lead_process() -> bool:
    """Whether this is the first process, or the only one; launchers say it in the environment.

    Only the first one writes into a run's folder, and to the terminal.
    """
    # torchrun gives machines numbers of its own, whatever Slurm calls them.
    names = ("RANK",) if "RANK" in os.environ else _RANKS_OF_LIGHTNING
    return all(os.environ.get(name, "0") == "0" for name in names)


def choose_devices(config: FitConfig) -> tuple[int | str, int]:
    """Processes on this machine, and machines, as Lightning takes them.

    What torchrun has started counts, where the settings do not say otherwise. Where nothing asks for several, there is
    one: Lightning's own "auto" would take all GPUs of the machine.
    """
    if config.devices != "auto":
        devices: int | str = config.devices
    elif _started_by_torchrun():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
    else:
        devices = "auto" if config.strategy != "auto" or config.num_nodes > 1 else 1
    nodes = int(os.environ["GROUP_WORLD_SIZE"]) if _started_by_torchrun() else 1
    return devices, max(nodes, config.num_nodes)


def are_several(config: FitConfig) -> bool:
    """Whether several processes will train together; where nobody knows the number of devices yet, they may."""
    devices, nodes = choose_devices(config)
    return devices not in (1, "1") or nodes > 1


def choose_strategy(config: FitConfig, idle: bool) -> Any:  # noqa: ANN401 - a name or an object of Lightning's
    """How several processes share their gradients, as Lightning takes it.

    Args:
        config: The settings.
        idle: Whether there are parameters that could learn but have no part in the loss: DDP must look for them.
    """
    from lightning.pytorch.strategies import DDPStrategy

    if idle and are_several(config) and config.strategy in ("auto", "ddp"):
        return DDPStrategy(find_unused_parameters=True)
    return config.strategy


def check_batch_sizes(config: FitConfig) -> None:
    """Refuses batches that several processes cannot share, before anything has started.

    Raises:
        InvalidArgumentError: If a batch size is "auto", or no multiple of the number of processes.
    """
    if not are_several(config):
        return
    if config.batch_size == "auto" and not config.sizes:
        raise InvalidArgumentError(
            "batch_size='auto' tries batches on one device, but several processes are to train together; give a number"
        )
    devices, nodes = choose_devices(config)
    processes = nodes * int(devices) if str(devices).isdecimal() else 1  # which GPUs there are, Lightning finds out
    sizes: list[Any] = [stage[1] for stage in config.sizes] or [config.batch_size]
    for size in sizes:
        if size % processes:
            raise InvalidArgumentError(
                f"the batch size {size} cannot be shared by {processes} processes; choose a multiple of {processes}"
            )


def _started_by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


__all__ = ["are_several", "check_batch_sizes", "choose_devices", "choose_strategy", "is_lead_process"]
