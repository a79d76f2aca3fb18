"""The same validation samples drawn after every validation."""

import io
import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch.utils.data import IterableDataset

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import write_bytes
from fgbgnet.models.predict import prediction_of
from fgbgnet.plotting import overview, stack
from fgbgnet.training.callbacks.board import RunBoard
from fgbgnet.training.callbacks.checkpoints import survives_full_disk
from fgbgnet.types import DepthUnit, Sample

KEPT_PICTURES = 12
WIDEST = 2000
"""Pixels; the eight panels of a sample are shown at 224 pixels as they are."""
TENSORBOARD_RATIO = 1.5
_LAYERS = ("bg", "fg_bg", "mask", "depth", "depth_valid", "mask_valid")
_NAME = re.compile(r"step_(\d{8,})\.png")


class ValidationPictures(Callback):
    """Draws a fixed set of validation samples with what the model says of them, after every validation.

    ``step_00001200.png`` in the folder has one row per sample: the pictures, truth and prediction of both tasks, and
    their errors, as `fgbgnet.plotting.overview` draws them. At most ``keep`` of them stay: the first, the last, and
    between them those that are spread most evenly over the logarithm of the step, since a network changes most in the
    beginning. TensorBoard, which forgets nothing, receives a picture (``val/pictures``) whenever the step has grown by
    half.

    It draws in ``on_validation_epoch_end``, with the weights that were validated.

    Args:
        data: Validation data, as they are validated. Samples are taken once and kept: they never change.
        folder: Where the pictures go.
        count: Samples to draw.
        keep: Most pictures that stay, at least 2.
        depth_unit: Unit of the depth.
        steps_before: Steps of earlier phases, from which it counts on.

    Raises:
        InvalidArgumentError: If ``count`` is less than 1, or ``keep`` less than 2.
    """

    def __init__(
        self,
        data: Any,  # noqa: ANN401 - any dataset of samples
        folder: Path,
        count: int = 6,
        keep: int = KEPT_PICTURES,
        depth_unit: DepthUnit = "metres",
        steps_before: int = 0,
    ) -> None:
        if count < 1 or keep < 2:
            raise InvalidArgumentError(f"count={count}, keep={keep}; expected at least 1 sample and 2 pictures to keep")
        self.data = data
        self.folder = folder
        self.count = count
        self.keep = keep
        self.depth_unit: DepthUnit = depth_unit
        self.steps_before = steps_before
        self.samples: list[Sample] = []
        """What is drawn; empty before the start."""
        self._last_on_board = 0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Chooses the samples."""
        if trainer.is_global_zero and not self.samples:
            self.samples = fixed_samples(self.data, self.count)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Removes pictures that lie behind the checkpoint from which a run goes on."""
        if trainer.is_global_zero:
            for step, path in pictures_by_step(self.folder).items():
                if step > self.steps_before + trainer.global_step:
                    path.unlink()

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draws."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        step = self.steps_before + trainer.global_step
        sheet = self._draw(trainer, pl_module)
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG", compress_level=6)
        path = self.folder / f"step_{step:08d}.png"
        survives_full_disk(f"{path.name} was not drawn", lambda: write_bytes(path, buffer.getvalue()))
        steps = pictures_by_step(self.folder)
        for superfluous in steps.keys() - set(spread_steps(sorted(steps), self.keep)):
            steps[superfluous].unlink()
        if step >= TENSORBOARD_RATIO * self._last_on_board:
            self._last_on_board = step
            for logger in trainer.loggers:
                if isinstance(logger, RunBoard):
                    logger.add_image("val/pictures", np.asarray(sheet), step)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"last_on_board": self._last_on_board}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._last_on_board = int(state_dict["last_on_board"])

    def _draw(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> Image.Image:
        rows = []
        for sample in self.samples:
            # One by one: they may differ in size, and the memory of a step is there anyway.
            bg, fg_bg = sample["bg"][None], sample["fg_bg"][None]
            with torch.no_grad(), trainer.precision_plugin.val_step_context():
                outputs = pl_module(bg.to(pl_module.device), fg_bg.to(pl_module.device))
            prediction = prediction_of(outputs, bg, fg_bg, 0.5, self.depth_unit)
            layers = {key: sample[key] for key in _LAYERS if key in sample}  # type: ignore[literal-required]
            rows.append((sample["id"], _narrowed(overview(**layers, prediction=prediction))))
        return stack(rows)


def _narrowed(picture: Image.Image) -> Image.Image:
    """At most `WIDEST` pixels wide: many pictures stay, and a run is to be bounded."""
    if picture.width <= WIDEST:
        return picture
    return picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.BOX)


def fixed_samples(data: Any, count: int) -> list[Sample]:  # noqa: ANN401 - any dataset of samples
    """Samples spread evenly over a data set; the first ones of a data set that is read in order.

    Args:
        data: A data set.
        count: How many; all if there are fewer.

    >>> fixed_samples(range(10), 3)
    [0, 4, 9]
    """
    if isinstance(data, IterableDataset):
        return list(itertools.islice(data, count))
    indices = np.linspace(0, len(data) - 1, min(count, len(data))).astype(int)
    return [data[index] for index in indices.tolist()]


def pictures_by_step(folder: Path) -> dict[int, Path]:
    """The pictures in a folder by their step, in its order; nothing if there is no folder."""
    matches = {path: _NAME.fullmatch(path.name) for path in folder.glob("step_*.png")}
    return dict(sorted((int(match[1]), path) for path, match in matches.items() if match))


def spread_steps(steps: Sequence[int], keep: int) -> list[int]:
    """Which of some steps to keep: the first, the last, and between them the most even on a logarithmic scale.

    Args:
        steps: In rising order.
        keep: How many, at least 2.

    >>> spread_steps([10, 20, 30, 40, 80], 4)
    [10, 20, 40, 80]
    """
    kept = list(steps)
    while len(kept) > keep:
        scale = [math.log(max(step, 1)) for step in kept]
        gaps = [after - before for before, after in zip(scale, scale[2:], strict=False)]
        del kept[1 + gaps.index(min(gaps))]
    return kept


__all__ = ["KEPT_PICTURES", "ValidationPictures", "fixed_samples", "pictures_by_step", "spread_steps"]
