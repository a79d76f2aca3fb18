"""Which of several processes this is, before they have found each other."""

import os

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def is_lead_process() -> bool:
    """Whether this is the first process, or the only one; launchers say it in the environment.

    Only the first one writes into a run's folder, and to the terminal.
    """
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


__all__ = ["is_lead_process"]
