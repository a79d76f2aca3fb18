"""The two-headed U-Net: a clean background and the same scene with something new in it -> mask and depth."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models import registration
from fgbgnet.models.assembly import EncoderArguments, build_backbone, default_decoder_channels
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
from fgbgnet.models.decoder import DecoderBlock, UNetDecoder
from fgbgnet.models.encoders import Encoder, canonical_name
from fgbgnet.models.features import Features
from fgbgnet.models.fixed_camera import FixedCamera
from fgbgnet.models.freeze import Freezable, frozen_branches
from fgbgnet.models.fusion import Fusion as FusionName, FusionInit, Merge
from fgbgnet.models.heads import DEFAULT_ACTIVATIONS, DepthActivation, DepthHead, MaskHead
from fgbgnet.models.predict import PredictMixin
from fgbgnet.models.pretrained import OWN_MODULE, PretrainedMixin
from fgbgnet.models.sizes import padded
from fgbgnet.models.summary import summarize
from fgbgnet.models.task_branch import TaskBranch, interpret, needed_branches
from fgbgnet.pictures import PictureInput
from fgbgnet.types import TASKS, DepthUnit, Outputs, Task


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
        merge: How ``"siamese"`` merges features: ``"concat"``, ``"abs_diff"``, ``"exchange"`` or ``"correlation"``; see
            `fgbgnet.models.SiameseFusion`.
        compensate_exposure: Whether the background is brought to the exposure of the frame first; see
            `fgbgnet.models.registration.compensate_exposure`.
        align_background: Whether the background is moved to where the frame's camera looks first; see
            `fgbgnet.models.registration.align_background`. Not in exported graphs.
        decoder_channels: Channels after each step up, deep to shallow. None chooses by the encoder.
        decoder_use_norm: ``"batchnorm"``, ``"groupnorm"`` or ``"identity"``.
        decoder_interpolation: ``"bilinear"`` or ``"nearest"``.
        decoder_block: ``"double"``: two full convolutions per step; ``"separable"``: a depthwise and a pointwise one.
        upsampling: 1, 2 or 4: the decoder stops at this stride, and the heads predict all pixels of a cell at once.
        in_channels: Channels of each picture. Other than 3, they are normalised by the average of the RGB statistics,
            and `predict`, which reads RGB, is not available.
        depth_activation: ``"log"`` (for metres by default) predicts the logarithm of the distance, ``"sigmoid"`` (for
            relative depth by default, which spans [0, 1]) a value in (0, 1), ``"linear"`` anything.
        uncertainty: Tasks that also say how sure they are, under ``"mask_uncertainty"`` and ``"depth_uncertainty"``;
            see `fgbgnet.models.MaskHead` and `fgbgnet.models.DepthHead`.
        cross_task: Whether the mask gates a residual on the background's own depth, and what the network would call
            foreground in two equal pictures is subtracted from the mask: two equal pictures then give an empty mask
            and the background's depth by construction. Each decoder runs twice; so does an early-fusion encoder.
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
        compensate_exposure: bool = False,
        align_background: bool = False,
        decoder_channels: Sequence[int] | None = None,
        decoder_use_norm: str = "batchnorm",
        decoder_interpolation: str = "bilinear",
        decoder_block: DecoderBlock = "double",
        upsampling: int = 1,
        in_channels: int = 3,
        depth_activation: DepthActivation | None = None,
        uncertainty: Sequence[Task] | Task = (),
        cross_task: bool = False,
        depth_unit: DepthUnit = "metres",
        input_size: int | None = None,
        tasks: Sequence[Task] | Task = TASKS,
    ) -> None:
        super().__init__()
        uncertain = checked_tasks(uncertainty) if uncertainty else ()
        self.arguments = {
            "encoder_name": (
                canonical_name(encoder_name)
                if isinstance(encoder_name, str)
                else OWN_MODULE + type(encoder_name).__name__
            ),
            "encoder_weights": encoder_weights,
            "encoder_depth": encoder_depth,
            "shared_stages": shared_stages,
            "fusion": fusion,
            "fusion_init": fusion_init,
            "merge": merge,
            "compensate_exposure": compensate_exposure,
            "align_background": align_background,
            "decoder_channels": None if decoder_channels is None else list(decoder_channels),
            "decoder_use_norm": decoder_use_norm,
            "decoder_interpolation": decoder_interpolation,
            "decoder_block": decoder_block,
            "upsampling": upsampling,
            "in_channels": in_channels,
            "depth_activation": depth_activation,
            "uncertainty": list(uncertain),
            "cross_task": cross_task,
        }
        self.in_channels = checked_count("in_channels", in_channels)
        self.depth_unit = checked_depth_unit(depth_unit)
        self.input_size = None if input_size is None else checked_count("input_size", input_size)
        self.tasks = checked_tasks(tasks)
        self.cross_task = cross_task
        self.compensate_exposure = compensate_exposure
        self.align_background = align_background
        self._range_checked = False

        backbone = build_backbone(
            EncoderArguments(encoder_name, encoder_weights, encoder_depth, fusion, fusion_init, in_channels),
            shared_stages,
            merge,
        )
        self.shared = backbone.shared
        self.input_sizes = backbone.input_sizes
        self.stride = backbone.input_sizes.multiple
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", per_channel(self.shared.encoder.mean, in_channels))
        self.register_buffer("std", per_channel(self.shared.encoder.std, in_channels))

        widths = tuple(decoder_channels or default_decoder_channels(encoder_name, backbone.strides, upsampling))

        def decoder() -> UNetDecoder:
            return UNetDecoder(
                backbone.channels,
                backbone.strides,
                widths,
                norm=decoder_use_norm,
                interpolation=decoder_interpolation,
                block=decoder_block,
                out_stride=upsampling,
                classic=encoder_name == "unet",
            )

        mask_decoder, depth_decoder = decoder(), decoder()
        features, activation = mask_decoder.out_channels, depth_activation or DEFAULT_ACTIVATIONS[depth_unit]
        mask_head = MaskHead(features, upsampling, "mask" in uncertain)
        depth_head = DepthHead(features, activation, upsampling, "depth" in uncertain)
        self.mask_branch = TaskBranch(backbone.tails[0], mask_decoder, mask_head)
        self.depth_branch = TaskBranch(backbone.tails[1], depth_decoder, depth_head)
        check_disjoint(self.branches())

    def branches(self) -> Mapping[str, nn.Module]:
        """The parts that `fgbgnet.freeze_branch` knows: what both tasks share, and what each has alone."""
        return {"shared": self.shared, "mask": self.mask_branch, "depth": self.depth_branch}

    def task_branches(self) -> dict[Task, TaskBranch]:
        """What each task has alone."""
        return {"mask": self.mask_branch, "depth": self.depth_branch}

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
            ``"mask"``: logits (B, 1, H, W); ``"depth"``: distances (B, 1, H, W), near = small; and, of the tasks that
            have one, ``"mask_uncertainty"`` and ``"depth_uncertainty"``, of the same shape.

        Raises:
            InvalidArgumentError: If shapes, types or ranges do not fit.
            UnknownNameError: If a task is unknown.
        """
        names = checked_tasks(self.tasks if tasks is None else tasks)
        features = self.encode(bg, fg_bg)
        return self._decode_all(features, names)

    def encode(self, bg: Tensor, fg_bg: Tensor) -> Features:
        """The shared features of a pair, from which `decode` makes each task.

        Args:
            bg: As for `forward`.
            fg_bg: As for `forward`.

        Returns:
            The features, and the sizes that belong to them.

        Raises:
            InvalidArgumentError: If shapes, types or ranges do not fit.
        """
        check_pair(bg, fg_bg, self.in_channels)
        if reads_values(bg) and (bg.device.type == "cpu" or not self._range_checked):
            check_range(bg, fg_bg)
            self._range_checked = self._range_checked or bg.device.type != "cpu"
        height, width = bg.shape[-2:]
        if self.align_background:
            bg = registration.align_background(bg, fg_bg)
        if self.compensate_exposure:
            bg = registration.compensate_exposure(bg, fg_bg)
        clean, frame = self.normalize(bg), self.normalize(fg_bg)
        pair, reference = (
            self.shared.with_reference(clean, frame) if self.cross_task else (self.shared(clean, frame), None)
        )
        return Features(pair, reference, (height, width), (clean.shape[-2], clean.shape[-1]))

    def decode(self, features: Features, task: Task) -> Tensor:
        """One task from shared features.

        Args:
            features: What `encode` returned.
            task: ``"mask"`` or ``"depth"``.

        Returns:
            (B, 1, H, W): logits or distances, at the size of the pictures.

        Raises:
            UnknownNameError: If the task is unknown.
        """
        return self._decode_all(features, checked_tasks(task))[task]

    def _decode_all(self, features: Features, tasks: Sequence[Task]) -> Outputs:
        branches = self.task_branches()
        raws = {task: branches[task](features) for task in needed_branches(tasks, self.cross_task)}
        return interpret(raws, {task: branch.head for task, branch in branches.items()}, tasks, features.size)

    def normalize(self, picture: Tensor) -> Tensor:
        """What the encoder sees of a picture in [0, 1]: normalised, and continued beyond the bottom right.

        Args:
            picture: (B, C, H, W).

        Returns:
            (B, C, H', W') in the parameters' type, H' and W' as the encoder takes them.

        Raises:
            InvalidArgumentError: If the encoder takes pictures of one size only, and this is another.
        """
        self.input_sizes.check(picture.shape[-2:])
        return padded(((picture - self.mean) / self.std).to(self.mean.dtype), self.stride, self.input_sizes.least)

    def fix_background(self, bg: PictureInput) -> FixedCamera:
        """Computes a background's features once, for a camera that does not move.

        Args:
            bg: The clean background, as for `predict`.

        Returns:
            A function of the frame alone, with the bits of ``model(bg, frame)``.

        Raises:
            InvalidArgumentError: If the fusion reads both pictures together, so that nothing can be kept.

        >>> model = DualHeadUNet("unet_small", fusion="siamese").eval()
        >>> bg, frame = torch.rand(3, 48, 64), torch.rand(1, 3, 48, 64)
        >>> torch.equal(model.fix_background(bg)(frame)["mask"], model(bg[None], frame)["mask"])
        True
        """
        return FixedCamera(self, bg)

    def summary(self, size: int | tuple[int, int] = 224) -> str:
        """A table of the branches with parameters, multiply-accumulates at ``size``, and what is frozen."""
        return summarize(self, (size, size) if isinstance(size, int) else size)

    @torch.no_grad()
    def set_priors(self, foreground: float | None = None, depth: float | None = None) -> None:
        """Sets the heads' biases to what is true on average, so that training starts from there and not from a half.

        Args:
            foreground: Share of foreground pixels, in (0, 1); None leaves the mask's head alone.
            depth: Typical distance in the unit of the data; None leaves the depth's head alone.
        """
        if foreground is not None and not 0 < foreground < 1:
            raise InvalidArgumentError(f"foreground={foreground}; expected a share between 0 and 1")
        if foreground is not None:
            self.mask_branch.head.set_prior(foreground)
        if depth is not None:
            self.depth_branch.head.set_prior(depth)


__all__ = ["DualHeadUNet"]
