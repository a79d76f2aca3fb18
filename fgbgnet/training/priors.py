"""Where the heads of a network start from."""

from typing import Any

import torch
from torch.utils.data import IterableDataset

from fgbgnet.models import DualHeadUNet
from fgbgnet.training.config import FitConfig

PRIOR_SAMPLES = 32


def set_priors(model: DualHeadUNet, data: Any, config: FitConfig) -> None:  # noqa: ANN401
    """Starts the heads of new tasks from the data's mean foreground share and median distance; never frozen ones."""
    learned = (*model.frozen_branches, *(() if model.untrained else model.tasks))
    new = [task for task in config.tasks if task not in learned]
    if not new:
        return
    if hasattr(data, "set_epoch"):
        data.set_epoch(0)  # whatever was done with the data before, the same run starts alike
    samples = _some(data, PRIOR_SAMPLES)
    share = float(torch.stack([sample["mask"].mean() for sample in samples]).mean())
    valid = torch.cat([sample["depth"][sample["depth_valid"]] for sample in samples])
    depth = float(valid.median()) if valid.numel() else 1.0
    model.set_priors(min(max(share, 0.01), 0.99) if "mask" in new else None, depth if "depth" in new else None)


def _some(data: Any, count: int) -> list[Any]:  # noqa: ANN401
    """Some samples, spread over a data set, or the first of one that is read in order."""
    if isinstance(data, IterableDataset):
        return [sample for sample, _ in zip(data, range(count), strict=False)]
    stride = max(1, len(data) // count)
    return [data[index] for index in range(0, len(data), stride)][:count]


__all__ = ["set_priors"]
