"""What a model says about one pair of pictures."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from fgbgnet.files import write_bytes
from fgbgnet.plotting import overview, plot_sample
from fgbgnet.types import TASKS, DepthUnit, PathInput, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTH_STEPS = {"metres": 1000, "relative": 65535}
"""Steps of a saved 16-bit depth map per unit: millimetres, or shares of the type's range."""


@dataclass(frozen=True)
class Prediction:
    """Mask and depth of one pair, at the size of ``fg_bg``. A layer that was not predicted is None.

    Attributes:
        mask: Foreground, bool (H, W).
        mask_probability: Probability of foreground, float32 (H, W) in [0, 1].
        depth: Distance, float32 (H, W), near = small.
        depth_unit: ``"metres"`` or ``"relative"``.
        bg: The clean background, float32 (3, H, W) in [0, 1].
        fg_bg: The picture that was judged, float32 (3, H, W) in [0, 1].
        mask_uncertainty: Standard deviation of the mask's logit, float32 (H, W); of models that say it.
        depth_uncertainty: Laplace scale of the depth, or of its logarithm for models that predict that, float32 (H, W);
            of models that say it.
    """

    mask: Tensor | None
    mask_probability: Tensor | None
    depth: Tensor | None
    depth_unit: DepthUnit
    bg: Tensor
    fg_bg: Tensor
    mask_uncertainty: Tensor | None = None
    depth_uncertainty: Tensor | None = None

    def save(self, folder: PathInput) -> Path:
        """Writes ``mask.png``, ``depth.png`` and ``overview.png``.

        The mask is 8-bit, 0 or 255. The depth is 16-bit: millimetres for metres (so at most 65.535 m), shares of
        65535 for relative depth; values outside are cut off, and what is not a number is 0. The text chunks ``unit``
        and ``scale`` of the PNG say which: stored value times scale is the distance in the unit. A file of a layer
        that was not predicted is removed, so that the folder never mixes two predictions.

        Args:
            folder: Made if it is missing.

        Returns:
            The folder.
        """
        folder = Path(folder)
        layers = self.encode()
        for layer in TASKS:
            if layer in layers:
                write_bytes(folder / f"{layer}.png", layers[layer])
            else:
                (folder / f"{layer}.png").unlink(missing_ok=True)
        write_bytes(folder / "overview.png", _png(overview(self.bg, self.fg_bg, prediction=self)))
        return folder

    def encode(self) -> dict[Task, bytes]:
        """The layers that were predicted as PNG files, as `save` writes them."""
        layers: dict[Task, bytes] = {}
        if self.mask is not None:
            layers["mask"] = _png(Image.fromarray(self.mask.numpy().astype(np.uint8) * 255))
        if self.depth is not None:
            steps = self.depth.double().numpy() * DEPTH_STEPS[self.depth_unit]
            stored = np.rint(np.clip(np.nan_to_num(steps, nan=0), 0, 65535)).astype(np.uint16)
            text = {"unit": self.depth_unit, "scale": repr(1 / DEPTH_STEPS[self.depth_unit])}
            layers["depth"] = _png(Image.fromarray(stored), text)
        return layers

    def plot(self) -> "Figure":
        """The pictures side by side, as a matplotlib figure (extra ``plot``)."""
        return plot_sample({"bg": self.bg, "fg_bg": self.fg_bg}, prediction=self)


def _png(picture: Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    for key, value in (text or {}).items():
        info.add_text(key, value)
    picture.save(buffer, "PNG", pnginfo=info, compress_level=3)
    return buffer.getvalue()


__all__ = ["DEPTH_STEPS", "Prediction"]
