"""Training with Lightning (extra ``train``)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fgbgnet.errors import MissingExtraError

if TYPE_CHECKING:
    from fgbgnet.training.callbacks.checkpoints import AtomicCheckpointIO as AtomicCheckpointIO
    from fgbgnet.training.callbacks.curves import DrawCurves as DrawCurves, plot_curves as plot_curves
    from fgbgnet.training.callbacks.ema import AverageWeights as AverageWeights
    from fgbgnet.training.callbacks.sample_pictures import ValidationPictures as ValidationPictures
    from fgbgnet.training.config import FitConfig as FitConfig
    from fgbgnet.training.datamodule import PairedFgBgDataModule as PairedFgBgDataModule, Stage as Stage
    from fgbgnet.training.fitting import FitResult as FitResult, fit as fit
    from fgbgnet.training.memory import keep_freed_memory as keep_freed_memory
    from fgbgnet.training.module import DualTaskModule as DualTaskModule, default_loss as default_loss
    from fgbgnet.training.recipes import list_recipes as list_recipes, load_recipe as load_recipe
    from fgbgnet.training.schedule import Progress as Progress, warm_cosine as warm_cosine
    from fgbgnet.training.trials.batch_size import find_batch_size as find_batch_size
    from fgbgnet.training.trials.diagnosis import (
        Advice as Advice,
        PartTime as PartTime,
        TrainingProfile as TrainingProfile,
    )
    from fgbgnet.training.trials.lr_range import LrRange as LrRange, lr_range_test as lr_range_test
    from fgbgnet.training.trials.profiling import profile_training as profile_training

_HOMES = {
    "trials.batch_size": ("find_batch_size",),
    "callbacks.checkpoints": ("AtomicCheckpointIO",),
    "config": ("FitConfig",),
    "callbacks.curves": ("DrawCurves", "plot_curves"),
    "trials.diagnosis": ("Advice", "PartTime", "TrainingProfile"),
    "datamodule": ("PairedFgBgDataModule", "Stage"),
    "callbacks.ema": ("AverageWeights",),
    "fitting": ("FitResult", "fit"),
    "trials.lr_range": ("LrRange", "lr_range_test"),
    "memory": ("keep_freed_memory",),
    "module": ("DualTaskModule", "default_loss"),
    "trials.profiling": ("profile_training",),
    "recipes": ("list_recipes", "load_recipe"),
    "callbacks.sample_pictures": ("ValidationPictures",),
    "schedule": ("Progress", "warm_cosine"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_WITHOUT_LIGHTNING = ("config", "memory", "recipes", "schedule")

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Imports a name when it is first used: settings and recipes need no Lightning, which takes seconds."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fgbgnet.training' has no attribute {name!r}")
    home = _HOME_OF[name]
    if home not in _WITHOUT_LIGHTNING:
        try:
            import_module("lightning")
        except ImportError as error:
            raise MissingExtraError("Training", "train") from error
    value = getattr(import_module(f"fgbgnet.training.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
