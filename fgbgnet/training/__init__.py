"""Training with Lightning (extra ``train``)."""

from fgbgnet.errors import MissingExtraError

try:
    import lightning as _lightning  # noqa: F401 - only to say what is missing
except ImportError as error:  # pragma: no cover - every development environment has it
    raise MissingExtraError("Training", "train") from error

from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import PairedFgBgDataModule
from fgbgnet.training.fitting import FitResult, fit
from fgbgnet.training.memory import keep_freed_memory
from fgbgnet.training.module import DualTaskModule, default_loss
from fgbgnet.training.schedule import Progress, one_cycle

__all__ = [
    "DualTaskModule",
    "FitConfig",
    "FitResult",
    "PairedFgBgDataModule",
    "Progress",
    "default_loss",
    "fit",
    "keep_freed_memory",
    "one_cycle",
]
