"""fgbgnet: a clean background and the same scene with something new in it -> foreground mask and depth map.

The public API is this page. Names are imported when they are first used, so that ``import fgbgnet`` is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fgbgnet.data import (
        Blocks as Blocks,
    )
    from fgbgnet.data import (
        Manifest as Manifest,
    )
    from fgbgnet.data import (
        PairedFgBgDataset as PairedFgBgDataset,
    )
    from fgbgnet.data import (
        eval_transform as eval_transform,
    )
    from fgbgnet.data import (
        make_loader as make_loader,
    )
    from fgbgnet.data import (
        match_patterns as match_patterns,
    )
    from fgbgnet.data import (
        seeded_split as seeded_split,
    )
    from fgbgnet.data import (
        train_transform as train_transform,
    )
    from fgbgnet.errors import FgBgError as FgBgError
    from fgbgnet.evaluation import evaluate as evaluate
    from fgbgnet.inference import load_model as load_model
    from fgbgnet.losses import DepthLoss as DepthLoss
    from fgbgnet.losses import DualTaskLoss as DualTaskLoss
    from fgbgnet.losses import MaskLoss as MaskLoss
    from fgbgnet.metrics import DepthMetrics as DepthMetrics
    from fgbgnet.metrics import MaskMetrics as MaskMetrics
    from fgbgnet.models import (
        DualHeadUNet as DualHeadUNet,
    )
    from fgbgnet.models import (
        create_model as create_model,
    )
    from fgbgnet.models import (
        freeze_branch as freeze_branch,
    )
    from fgbgnet.models import (
        frozen as frozen,
    )
    from fgbgnet.models import (
        frozen_branches as frozen_branches,
    )
    from fgbgnet.models import (
        list_encoders as list_encoders,
    )
    from fgbgnet.models import (
        list_models as list_models,
    )
    from fgbgnet.models import (
        unfreeze_branch as unfreeze_branch,
    )
    from fgbgnet.prediction import Prediction as Prediction
    from fgbgnet.synth import (
        SceneDataset as SceneDataset,
    )
    from fgbgnet.synth import (
        SceneGenerator as SceneGenerator,
    )
    from fgbgnet.synth import (
        compose as compose,
    )
    from fgbgnet.synth import (
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
    "synth": ("SceneDataset", "SceneGenerator", "compose", "perturb"),
    "types": ("Sample",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name not in _HOME_OF:
        raise AttributeError(f"module 'fgbgnet' has no attribute {name!r}")
    value = getattr(import_module(f"fgbgnet.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
