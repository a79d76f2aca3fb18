"""Networks: two pictures in, mask and depth out."""

from fgbgnet.models.decoder import UNetDecoder
from fgbgnet.models.dual_head_unet import DualHeadUNet
from fgbgnet.models.encoders import (
    Encoder,
    EncoderInfo,
    InputSizes,
    PlainEncoder,
    StagedEncoder,
    build_encoder,
    list_encoders,
)
from fgbgnet.models.features import Features, Pyramid
from fgbgnet.models.fixed_camera import FixedCamera
from fgbgnet.models.freeze import Freezable, freeze_branch, frozen, frozen_branches, unfreeze_branch
from fgbgnet.models.fusion import EarlyFusion, SiameseFusion, SingleStream, init_first_convolution
from fgbgnet.models.heads import DepthHead, MaskHead
from fgbgnet.models.modes import evaluating
from fgbgnet.models.predict import PredictMixin
from fgbgnet.models.pretrained import PretrainedMixin, find_model_folder, read_config
from fgbgnet.models.summary import count_parameters
from fgbgnet.models.task_branch import TaskBranch
from fgbgnet.models.zoo import ModelCard, create_model, list_models

__all__ = [
    "DepthHead",
    "DualHeadUNet",
    "EarlyFusion",
    "Encoder",
    "EncoderInfo",
    "Features",
    "FixedCamera",
    "Freezable",
    "InputSizes",
    "MaskHead",
    "ModelCard",
    "PlainEncoder",
    "PredictMixin",
    "PretrainedMixin",
    "Pyramid",
    "SiameseFusion",
    "SingleStream",
    "StagedEncoder",
    "TaskBranch",
    "UNetDecoder",
    "build_encoder",
    "count_parameters",
    "create_model",
    "evaluating",
    "find_model_folder",
    "freeze_branch",
    "frozen",
    "frozen_branches",
    "init_first_convolution",
    "list_encoders",
    "list_models",
    "read_config",
    "unfreeze_branch",
]
