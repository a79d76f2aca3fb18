"""The two-headed U-Net: a clean background and the same scene with something new in it -> mask and depth."""

import copy
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.checks import (
    check_disjoint,
    check_pair,
    check_range,
    checked_count,
    checked_depth_unit,
    checked_tasks,
    per_channel,
    reads_values,
)
from fgbgnet.models.decoder import UNetDecoder, mirrored_channels, upsampling_strides
from fgbgnet.models.encoders import PLAIN_ENCODERS, Encoder, StagedEncoder, build_encoder
from fgbgnet.models.freeze import Freezable, frozen_branches
from fgbgnet.models.fusion import (
    EarlyFusion,
    Fusion as FusionName,
    FusionInit,
    Merge,
    SiameseFusion,
    fused_channels,
    init_first_convolution,
)
from fgbgnet.models.heads import DEFAULT_ACTIVATIONS, DepthActivation, DepthHead, MaskHead
from fgbgnet.models.predict import PredictMixin
from fgbgnet.models.pretrained import OWN_MODULE, PretrainedMixin
from fgbgnet.models.summary import summarize
from fgbgnet.types import TASKS, DepthUnit, Outputs, Task

DEFAULT_DECODER_CHANNELS = (256, 128, 64, 32, 16)


class TaskBranch(nn.Module):
    """What belongs to one task alone: the deeper encoder stages that are not shared, the decoder, and the head."""

    def __init__(self, tail: Encoder | None, decoder: UNetDecoder, head: MaskHead | DepthHead) -> None:
        super().__init__()
        self.tail = tail
        self.decoder = decoder
        self.head = head

    def forward(self, shared: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Shared features, shallow to deep -> (B, 1, H, W)."""
        features = [*shared, *self.tail(shared[-1])] if self.tail is not None else list(shared)
        result: Tensor = self.head(self.decoder(features, size))
        return result


class DualHeadUNet(PredictMixin, PretrainedMixin, Freezable):
    """A U-Net with two pictures in and two tasks out.

    ``forward(bg, fg_bg)`` takes float pictures in [0, 1] of any size and returns ``{"mask": logits, "depth":
    distances}`` of that size. Pictures are normalised inside. The three branches ``"shared"``, ``"mask"`` and
    ``"depth"`` can be frozen with `fgbgnet.freeze_branch`.

    Args:
        encoder_name: One of `fgbgnet.list_encoders`, or a `fgbgnet.models.Encoder` of your own; where stages are not
            shared, the second task gets a copy of them.
        encoder_weights: Pretrained weights of the encoder, e.g. ``"imagenet"``; True for its default, None for random.
        encoder_depth: The deepest feature has a stride of at most ``2 ** encoder_depth``.
        shared_stages: How many encoder stages both tasks share; the deeper ones exist once per task. None shares all.
        fusion: ``"early"`` stacks the pictures, ``"early_diff"`` also their signed difference, ``"siamese"`` encodes
            each of them with the same encoder.
        fusion_init: How pretrained filters are spread over stacked pictures; see
            `fgbgnet.models.init_first_convolution`. None means ``"mean"`` with pretrained weights and leaves random
            ones alone.
        merge: How ``"siamese"`` merges features: ``"concat"`` or ``"abs_diff"``.
        decoder_channels: Channels after each step up, deep to shallow. None chooses by the encoder.
        decoder_use_norm: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``.
        decoder_interpolation: ``"bilinear"`` or ``"nearest"``.
        in_channels: Channels of each picture. Other than 3, they are normalised by the average of the RGB statistics,
            and `predict`, which reads RGB, is not available.
        depth_activation: ``"log"`` (for metres by default) predicts the logarithm of the distance, ``"sigmoid"`` (for
            relative depth by default, which spans [0, 1]) a value in (0, 1), ``"linear"`` anything.
        depth_unit: What the depth means: ``"metres"`` or ``"relative"``. Carried along, not computed with.
        input_size: Side of the square pictures that the model is trained on; `predict` squashes pictures to this
            square, as `fgbgnet.train_transform` and `fgbgnet.eval_transform` do. None feeds them as they are.
        tasks: What forward and `predict` compute unless they are told otherwise; a model that learned from data
            without depth says ``"mask"``. Both branches exist all the same.

    Raises:
        UnknownNameError: If a name is unknown; the message lists the nearest.
        InvalidArgumentError: If a number is out of range, or the encoder cannot be split.

    >>> model = DualHeadUNet("unet_small").eval()
    >>> outputs = model(torch.rand(1, 3, 50, 70), torch.rand(1, 3, 50, 70))
    >>> {task: tuple(tensor.shape) for task, tensor in outputs.items()}
    {'mask': (1, 1, 50, 70), 'depth': (1, 1, 50, 70)}
    """

    mutable_arguments = ("depth_unit", "input_size", "tasks")

    def __init__(
        self,
        encoder_name: str | Encoder = "resnet34",
        encoder_weights: str | bool | None = None,
        encoder_depth: int = 5,
        shared_stages: int | None = None,
        fusion: FusionName = "early",
        fusion_init: FusionInit | None = None,
        merge: Merge = "concat",
        decoder_channels: Sequence[int] | None = None,
        decoder_use_norm: str = "batchnorm",
        decoder_interpolation: str = "bilinear",
        in_channels: int = 3,
        depth_activation: DepthActivation | None = None,
        depth_unit: DepthUnit = "metres",
        input_size: int | None = None,
        tasks: Sequence[Task] | Task = TASKS,
    ) -> None:
        super().__init__()
        self.arguments = {
            "encoder_name": encoder_name if isinstance(encoder_name, str) else OWN_MODULE + type(encoder_name).__name__,
            "encoder_weights": encoder_weights,
            "encoder_depth": encoder_depth,
            "shared_stages": shared_stages,
            "fusion": fusion,
            "fusion_init": fusion_init,
            "merge": merge,
            "decoder_channels": None if decoder_channels is None else list(decoder_channels),
            "decoder_use_norm": decoder_use_norm,
            "decoder_interpolation": decoder_interpolation,
            "in_channels": in_channels,
            "depth_activation": depth_activation,
        }
        self.in_channels = checked_count("in_channels", in_channels)
        self.depth_unit = checked_depth_unit(depth_unit)
        self.input_size = None if input_size is None else checked_count("input_size", input_size)
        self.tasks = checked_tasks(tasks)
        self._range_checked = False

        encoders = [self._build_encoder(encoder_name)]
        if shared_stages is not None:
            given = isinstance(encoder_name, nn.Module)
            encoders.append(copy.deepcopy(encoders[0]) if given else self._build_encoder(encoder_name))
        trunk, tails = _split(encoders, shared_stages, fusion)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", per_channel(encoders[0].mean, in_channels))
        self.register_buffer("std", per_channel(encoders[0].std, in_channels))

        self.shared = SiameseFusion(trunk, merge) if fusion == "siamese" else EarlyFusion(trunk, fusion == "early_diff")
        channels, strides = self.shared.out_channels, self.shared.strides
        if tails[0] is not None:
            channels += tuple(tails[0].out_channels)
            strides += tuple(tails[0].strides)
        self.stride = strides[-1]
        classic = encoder_name == "unet"
        if decoder_channels is None:
            steps = len(upsampling_strides(strides))
            plain = PLAIN_ENCODERS.get(encoder_name) if isinstance(encoder_name, str) else None
            decoder_channels = mirrored_channels(plain, steps) if plain else DEFAULT_DECODER_CHANNELS[-steps:]

        def branch(tail: Encoder | None, head: MaskHead | DepthHead) -> TaskBranch:
            decoder = UNetDecoder(channels, strides, decoder_channels, decoder_use_norm, decoder_interpolation, classic)
            return TaskBranch(tail, decoder, head)

        self.mask_branch = branch(tails[0], MaskHead(decoder_channels[-1]))
        self.depth_branch = branch(
            tails[-1], DepthHead(decoder_channels[-1], depth_activation or DEFAULT_ACTIVATIONS[depth_unit])
        )
        check_disjoint(self.branches())

    def _build_encoder(self, encoder: str | Encoder) -> Encoder:
        if isinstance(encoder, nn.Module):
            if not all(hasattr(encoder, name) for name in ("out_channels", "strides", "mean", "std")):
                raise InvalidArgumentError(
                    f"encoder {type(encoder).__name__} has no out_channels, strides, mean and std; "
                    "derive it from fgbgnet.models.Encoder"
                )
            return encoder
        fusion, weights = self.arguments["fusion"], self.arguments["encoder_weights"]
        channels = fused_channels(fusion, self.in_channels)
        built = build_encoder(encoder, channels, self.arguments["encoder_depth"], weights)
        fusion_init = self.arguments["fusion_init"] or ("mean" if weights else None)
        if fusion_init and fusion != "siamese":
            init_first_convolution(built, fusion, fusion_init, self.in_channels, pretrained=bool(weights))
        return built

    def branches(self) -> Mapping[str, nn.Module]:
        """The parts that `fgbgnet.freeze_branch` knows: what both tasks share, and what each has alone."""
        return {"shared": self.shared, "mask": self.mask_branch, "depth": self.depth_branch}

    @property
    def frozen_branches(self) -> tuple[str, ...]:
        """Names of the branches that are frozen."""
        return frozen_branches(self)

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None = None) -> Outputs:
        """Predicts the tasks that are asked for.

        Args:
            bg: Clean background, float (B, C, H, W) in [0, 1]. Every batch is checked on a CPU, the first one on an
                accelerator, none in a compiled graph.
            fg_bg: The same scene with something new in it, of the same shape.
            tasks: ``("mask",)`` or ``("depth",)`` computes one branch only; the model's ``tasks`` by default.

        Returns:
            ``"mask"``: logits (B, 1, H, W); ``"depth"``: distances (B, 1, H, W), near = small.

        Raises:
            InvalidArgumentError: If shapes, types or ranges do not fit.
            UnknownNameError: If a task is unknown.
        """
        names = checked_tasks(self.tasks if tasks is None else tasks)
        features, padded = self.encode(bg, fg_bg)
        height, width = fg_bg.shape[-2:]
        return {task: self.decode(features, task, padded)[..., :height, :width] for task in names}

    def encode(self, bg: Tensor, fg_bg: Tensor) -> tuple[list[Tensor], tuple[int, int]]:
        """The shared features of a pair.

        Returns:
            The features, shallow to deep, and the size to which the pictures were padded: a multiple of the deepest
            stride, so that all levels lie exactly on each other.
        """
        check_pair(bg, fg_bg, self.in_channels)
        if reads_values(bg) and (bg.device.type == "cpu" or not self._range_checked):
            check_range(bg, fg_bg)
            self._range_checked = self._range_checked or bg.device.type != "cpu"
        height, width = bg.shape[-2:]
        padding = (0, -width % self.stride, 0, -height % self.stride)
        pictures = [self._normalize(picture, padding) for picture in (bg, fg_bg)]
        features: list[Tensor] = self.shared(*pictures)
        return features, (height + padding[3], width + padding[1])

    def decode(self, features: Sequence[Tensor], task: Task, size: Sequence[int]) -> Tensor:
        """One task from shared features.

        Args:
            features: What `encode` returned.
            task: ``"mask"`` or ``"depth"``.
            size: The size that `encode` returned.

        Returns:
            ``(B, 1, *size)``.
        """
        checked_tasks(task)
        branch = self.mask_branch if task == "mask" else self.depth_branch
        result: Tensor = branch(features, size)
        return result

    def _normalize(self, picture: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        picture = ((picture - self.mean) / self.std).to(self.mean.dtype)  # the parameters' type
        return F.pad(picture, padding, mode="replicate") if any(padding) else picture

    def summary(self, size: int | tuple[int, int] = 224) -> str:
        """A table of the branches with parameters, multiply-accumulates at ``size``, and what is frozen."""
        return summarize(self, (size, size) if isinstance(size, int) else size)

    @torch.no_grad()
    def set_priors(self, foreground: float, depth: float) -> None:
        """Sets the heads' biases to what is true on average, so that training starts from there and not from a half.

        Args:
            foreground: Share of foreground pixels, in (0, 1).
            depth: Typical distance in the unit of the data.
        """
        if not 0 < foreground < 1:
            raise InvalidArgumentError(f"foreground={foreground}; expected a share between 0 and 1")
        self.mask_branch.head.set_prior(foreground)
        self.depth_branch.head.set_prior(depth)


def _split(encoders: Sequence[Encoder], shared_stages: int | None, fusion: str) -> tuple[Encoder, list[Encoder | None]]:
    """The trunk that both tasks share, and the deeper stages of each."""
    if shared_stages is None:
        return encoders[0], [None, None]
    stages = len(encoders[0].strides)
    if not all(isinstance(encoder, StagedEncoder) for encoder in encoders):
        raise InvalidArgumentError(
            f"shared_stages={shared_stages}: this encoder cannot be split between the tasks; use shared_stages=None "
            f"(all stages shared), or one of {', '.join(map(repr, PLAIN_ENCODERS))}"
        )
    if not 1 <= shared_stages <= stages:
        raise InvalidArgumentError(
            f"shared_stages={shared_stages}; this encoder has {stages} stages: expected 1 to {stages}, or None for all"
        )
    if shared_stages == stages:
        return encoders[0], [None, None]
    if fusion == "siamese":
        raise InvalidArgumentError(
            "fusion='siamese' merges the features of all stages, so all are shared; use shared_stages=None, "
            "or fusion='early'"
        )
    parts = [encoder.split(shared_stages) for encoder in encoders if isinstance(encoder, StagedEncoder)]
    return parts[0][0], [tail for _, tail in parts]


__all__ = ["DualHeadUNet", "TaskBranch"]
