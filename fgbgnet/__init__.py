"""fgbgnet: a clean background and the same scene with something new in it -> foreground mask and depth map.

The public API is this page. Names and rooms (``fgbgnet.models`` and the others) are imported when they are first used,
so that ``import fgbgnet`` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fgbgnet.version import __version__ as __version__

if TYPE_CHECKING:
    from fgbgnet.data import (
        Blocks as Blocks,
        Manifest as Manifest,
        PairedFgBgDataset as PairedFgBgDataset,
        eval_transform as eval_transform,
        make_loader as make_loader,
        match_patterns as match_patterns,
        seeded_split as seeded_split,
        train_transform as train_transform,
    )
    from fgbgnet.errors import FgBgError as FgBgError
    from fgbgnet.evaluation import evaluate as evaluate
    from fgbgnet.inference import load_model as load_model
    from fgbgnet.losses import DepthLoss as DepthLoss, DualTaskLoss as DualTaskLoss, MaskLoss as MaskLoss
    from fgbgnet.metrics import DepthMetrics as DepthMetrics, MaskMetrics as MaskMetrics
    from fgbgnet.models import (
        DualHeadUNet as DualHeadUNet,
        create_model as create_model,
        freeze_branch as freeze_branch,
        frozen as frozen,
        frozen_branches as frozen_branches,
        list_encoders as list_encoders,
        list_models as list_models,
        unfreeze_branch as unfreeze_branch,
    )
    from fgbgnet.prediction import Prediction as Prediction
    from fgbgnet.synth import (
        ComposedDataset as ComposedDataset,
        SceneDataset as SceneDataset,
        SceneGenerator as SceneGenerator,
        compose as compose,
        perturb as perturb,
    )
    from fgbgnet.types import Sample as Sample

_HOMES = {
    "data": (
        "Blocks", "Manifest", "PairedFgBgDataset", "eval_transform", "make_loader", "match_patterns", "seeded_split",
        "train_transform",
    ),
    "errors": ("FgBgError",),
    "evaluation": ("evaluate",),
    "inference": ("load_model",),
    "losses": ("DepthLoss", "DualTaskLoss", "MaskLoss"),
    "metrics": ("DepthMetrics", "MaskMetrics"),
    "models": (
        "DualHeadUNet", "create_model", "freeze_branch", "frozen", "frozen_branches", "list_encoders", "list_models",
        "unfreeze_branch",
    ),
    "prediction": ("Prediction",),
    "synth": ("ComposedDataset", "SceneDataset", "SceneGenerator", "compose", "perturb"),
    "types": ("Sample",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = (
    "data", "errors", "evaluation", "inference", "losses", "metrics", "models", "plotting", "synth", "training",
    "types",
)  # fmt: skip

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name in _ROOMS:
        return import_module(f"fgbgnet.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fgbgnet' has no attribute {name!r}")
    value = getattr(import_module(f"fgbgnet.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
