"""A camera that does not move: the background's features are computed once."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.checks import check_pair, check_range, checked_tasks, reads_values
from fgbgnet.models.fusion import SiameseFusion
from fgbgnet.models.modes import evaluating
from fgbgnet.models.predict import checked_threshold, prediction_of, resize
from fgbgnet.models.task_branch import RawOutputs, interpret, needed_branches
from fgbgnet.pictures import PictureInput, load_picture
from fgbgnet.prediction import Prediction
from fgbgnet.types import Outputs, Task

if TYPE_CHECKING:
    from fgbgnet.models.dual_head_unet import DualHeadUNet


class _Kept(NamedTuple):
    """What does not depend on the frame."""

    streams: list[Tensor]
    """Features of the background, shallow to deep."""
    tails: dict[Task, list[Tensor]]
    """Its features in the deeper stages of each task that has some."""
    references: dict[Task, Tensor]
    """Raw values of the background with itself, for models with a cross-task step."""


class FixedCamera:
    """A model with the features of one background: what `fgbgnet.DualHeadUNet.fix_background` returns.

    Works in evaluation mode without gradients. If the model's weights, its device or its type change, or autocast is
    switched, the features are computed anew before the next frame.

    Args:
        model: A siamese model; it is not copied.
        bg: The clean background: a path, Pillow picture, array or tensor.

    Raises:
        InvalidArgumentError: If the fusion reads both pictures together, so that nothing can be kept.
    """

    def __init__(self, model: "DualHeadUNet", bg: PictureInput) -> None:
        if not isinstance(model.shared, SiameseFusion):
            raise InvalidArgumentError(
                f"fusion={model.arguments['fusion']!r} stacks background and frame before the first layer, so that no "
                "feature belongs to the background alone and nothing can be kept; use a model with fusion='siamese'"
            )
        changed = [name for name in ("compensate_exposure", "align_background") if getattr(model, name)]
        if changed:
            raise InvalidArgumentError(
                f"{changed[0]}=True changes the background with every frame, so that nothing of it can be kept; use a "
                "model without it"
            )
        if model.shared.merge == "exchange":
            raise InvalidArgumentError(
                "merge='exchange' mixes background and frame between the stages, so that nothing of the background can "
                "be kept; use a model with another merge"
            )
        self.model = model
        self.bg = load_picture(bg, "bg")
        """The background, float32 (3, H, W) in [0, 1]."""
        check_range(self.bg, self.bg)
        self._kept: dict[Hashable, _Kept] = {}

    def __call__(self, frame: Tensor, tasks: Sequence[Task] | Task | None = None) -> Outputs:
        """As ``model(bg, frame, tasks)`` in evaluation mode; for single frames bit by bit.

        Args:
            frame: Float (B, C, H, W) in [0, 1], of the background's size.
            tasks: ``("mask",)`` or ``("depth",)`` computes one branch only; the model's ``tasks`` by default.

        Returns:
            The model's outputs.

        Raises:
            InvalidArgumentError: If shape, type or range do not fit.
            UnknownNameError: If a task is unknown.
        """
        return self._outputs(self.bg, frame, checked_tasks(self.model.tasks if tasks is None else tasks))

    def predict(self, frame: PictureInput, *, threshold: float = 0.5) -> Prediction:
        """As ``model.predict(bg, frame)``.

        Args:
            frame: A picture of any kind. One of another size is brought to the background's, which the camera has.
            threshold: Probability above which a pixel is foreground, in (0, 1).

        Returns:
            The prediction, at the size of the frame.

        Raises:
            MissingFileError: If a path leads nowhere.
            PictureError: If a file is no picture.
            InvalidArgumentError: If the frame or the threshold is out of range.
        """
        checked_threshold(threshold)
        picture = load_picture(frame, "frame")[None]
        own = self.bg[None]
        side = self.model.input_size
        size = own.shape[-2:] if side is None else torch.Size((side, side))
        outputs = self._outputs(resize(own, size)[0], resize(picture, size), self.model.tasks)
        return prediction_of(outputs, resize(own, picture.shape[-2:]), picture, threshold, self.model.depth_unit)

    @torch.no_grad()
    def _outputs(self, bg: Tensor, frame: Tensor, tasks: Sequence[Task]) -> Outputs:
        model = self.model
        frame = frame.to(model.mean.device)
        check_pair(bg.expand_as(frame) if frame.ndim == 4 and frame.shape[1:] == bg.shape else bg[None], frame,
                   model.in_channels)  # fmt: skip
        if reads_values(frame) and frame.device.type == "cpu":
            check_range(frame, frame)
        with evaluating(model):
            return self._run(self._prepared(bg), frame, tasks)

    def _run(self, kept: _Kept, frame: Tensor, tasks: Sequence[Task]) -> Outputs:
        model, shared = self.model, _siamese(self.model.shared)
        normalized = model.normalize(frame)
        padded, batch = normalized.shape[-2:], len(frame)
        own = shared.stream(normalized)
        pyramid = shared.merge_streams(_repeated(kept.streams, batch), own)
        branches = model.task_branches()
        raws: dict[Task, RawOutputs] = {}
        for task in needed_branches(tasks, model.cross_task):
            branch, levels = branches[task], pyramid.levels
            if branch.tail is not None:
                tail = _siamese(branch.tail)
                deeper = tail.merge_streams(_repeated(kept.tails[task], batch), tail.stream(own[-1]))
                levels = [*levels, *deeper.levels]
            reference = kept.references.get(task)
            repeated = None if reference is None else _repeated([reference], batch)[0]
            raws[task] = branch.raw_of_levels(levels, padded), repeated
        return interpret(raws, {task: branch.head for task, branch in branches.items()}, tasks, frame.shape[-2:])

    def _prepared(self, bg: Tensor) -> _Kept:
        """The kept features for the background at this size, made again if the model is not what it was."""
        key = (tuple(bg.shape), self._state())
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = self._prepare(bg)
        return self._kept[key]

    def _prepare(self, bg: Tensor) -> _Kept:
        model, shared = self.model, _siamese(self.model.shared)
        clean = model.normalize(bg[None].to(model.mean.device))
        padded = clean.shape[-2:]
        streams = shared.stream(clean)
        branches = model.task_branches()
        tails = {
            task: _siamese(branch.tail).stream(streams[-1])
            for task, branch in branches.items()
            if branch.tail is not None
        }
        if not model.cross_task:
            return _Kept(streams, tails, {})
        references = {}
        for task, branch in branches.items():
            levels = shared.merge_streams(streams, streams).levels
            if branch.tail is not None:
                levels = [*levels, *_siamese(branch.tail).merge_streams(tails[task], tails[task]).levels]
            references[task] = branch.raw_of_levels(levels, padded)
        return _Kept(streams, tails, references)

    def _state(self) -> Hashable:
        """Changes whenever a weight is written or replaced, and with what autocast would compute in."""
        kind = self.model.mean.device.type
        autocast = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind)
        tensors = (*self.model.parameters(), *self.model.buffers())
        # Tensors made in inference mode count no versions; nobody trains them.
        return autocast, tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)


def _siamese(fusion: object) -> SiameseFusion:
    assert isinstance(fusion, SiameseFusion)  # the constructor refuses all others
    return fusion


def _repeated(levels: Sequence[Tensor], batch: int) -> list[Tensor]:
    return [level if batch == 1 else level.expand(batch, -1, -1, -1) for level in levels]


__all__ = ["FixedCamera"]
