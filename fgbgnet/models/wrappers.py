"""Modules around a model: which can be looked through, and which have fixed what learns."""

import gc

import torch
from torch import nn

from fgbgnet.errors import BranchError

_SHARDED = ("FSDPModule", "FullyShardedDataParallel")


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside `torch.compile`, DataParallel and DistributedDataParallel.

    >>> layer = nn.Linear(1, 1)
    >>> unwrapped(nn.DataParallel(layer)) is layer
    True
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def check_not_distributed(model: nn.Module) -> None:
    """What learns can be changed only before a model is given to several processes.

    DistributedDataParallel has fixed the gradients that it waits for: a parameter that is frozen later is waited for
    in vain, one that is thawed later differs between the processes. FSDP has fixed the same in its shards.

    Args:
        model: The bare model.

    Raises:
        BranchError: If it is wrapped; the message says what to do.
    """
    if any(base.__name__ in _SHARDED for module in model.modules() for base in type(module).__mro__):
        raise BranchError(
            "the model is sharded by FSDP, whose shards have fixed which parameters learn; freeze or unfreeze the bare "
            "model first, and shard it then"
        )
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    if _has_ddp_around(model) and gc.collect() >= 0 and _has_ddp_around(model):  # not one that nobody uses any more
        raise BranchError(
            "the model is wrapped by DistributedDataParallel, which has fixed the set of gradients it waits for; "
            "freeze or unfreeze the bare model first and wrap it then. During a run: delete the wrapper, freeze "
            "wrapper.module, and wrap it anew, in every process alike"
        )


def _has_ddp_around(model: nn.Module) -> bool:
    """Whether some DistributedDataParallel holds the model, which does not know of it."""
    kind = nn.parallel.DistributedDataParallel
    # By type(), since isinstance() would run code of lazy proxies among the objects.
    wrappers = [item for item in gc.get_objects() if issubclass(type(item), kind)]
    return any(part is model for wrapper in wrappers for part in wrapper.modules())


__all__ = ["check_not_distributed", "unwrapped"]
