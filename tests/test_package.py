import subprocess
import sys

import pytest

import fgbgnet
import fgbgnet.errors
from fgbgnet.errors import FgBgError, UnknownNameError


def test_every_public_name_is_there():
    for name in fgbgnet.__all__:
        assert getattr(fgbgnet, name) is not None
        assert name in dir(fgbgnet)


def test_public_api_is_what_was_decided():
    """A change here is a change for users: mention it in the changelog."""
    assert fgbgnet.__all__ == [
        "Blocks", "ComposedDataset", "DepthLoss", "DepthMetrics", "DualHeadUNet", "DualTaskLoss", "FgBgError",
        "Manifest", "MaskLoss", "MaskMetrics", "PairedFgBgDataset", "Prediction", "Sample", "SceneDataset",
        "SceneGenerator", "compose", "create_model", "eval_transform", "evaluate", "freeze_branch", "frozen",
        "frozen_branches", "list_encoders", "list_models", "load_model", "make_loader", "match_patterns", "perturb",
        "seeded_split", "train_transform", "unfreeze_branch",
    ]  # fmt: skip


def test_import_is_light():
    heavy = (
        "torch torchvision timm segmentation_models_pytorch albumentations cv2 lightning torchmetrics matplotlib PIL"
    )
    code = f"import fgbgnet, sys; print([m for m in {heavy.split()!r} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


ROOMS = [
    "data", "errors", "evaluation", "inference", "losses", "metrics", "models", "plotting", "synth", "training",
    "types",
]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_attributes_of_a_bare_import(room):
    assert room in dir(fgbgnet)
    code = f"import fgbgnet; assert fgbgnet.{room}.__name__ == 'fgbgnet.{room}'"
    if room in ("models", "training"):  # the others by the same lines, without the price of a process each
        subprocess.run([sys.executable, "-c", code], check=True)
    assert fgbgnet.__getattr__(room) is sys.modules[f"fgbgnet.{room}"]


def test_unknown_name():
    with pytest.raises(AttributeError, match="Mainfest"):
        _ = fgbgnet.Mainfest


def test_errors_stand_for_their_builtins():
    builtins = {
        "InvalidArgumentError": ValueError, "ManifestError": ValueError, "MaskError": (OSError, ValueError),
        "MissingFileError": FileNotFoundError, "PictureError": (OSError, ValueError), "SplitError": ValueError,
        "WeightsError": ValueError, "BranchError": RuntimeError,
    }  # fmt: skip
    for name, builtin in builtins.items():
        error = getattr(fgbgnet.errors, name)("what came; what to do")
        assert isinstance(error, FgBgError)
        for kind in builtin if isinstance(builtin, tuple) else (builtin,):
            assert isinstance(error, kind)
        assert str(error) == "what came; what to do"


def test_unknown_names_list_the_nearest():
    error = UnknownNameError("encoder", "resnet43", [f"resnet{n}" for n in (18, 34, 50)] + ["vgg11"] * 20)
    assert isinstance(error, KeyError)
    assert "unknown encoder 'resnet43'" in str(error)
    assert "'resnet34'" in str(error)
    assert "vgg" not in str(error)
    assert "known are 'a', 'b'" in str(UnknownNameError("letter", "zzz", ["a", "b"]))
