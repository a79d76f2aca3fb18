"""`predict` for everything that has the models' forward: two pictures of any kind in, one `Prediction` out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.models.modes import evaluating
from fgbgnet.pictures import PictureInput, load_picture
from fgbgnet.prediction import Prediction
from fgbgnet.types import DepthUnit, Outputs


class PredictMixin(nn.Module):
    """Adds `predict` to a module with ``forward(bg, fg_bg) -> {"mask": logits, "depth": distances}``.

    Attributes:
        depth_unit: Unit of the depth that forward returns.
        input_size: Side of the square pictures that the module was trained on. Pictures are squashed to this square
            before they enter, whatever their shape, and the results stretched back: the geometry that
            `fgbgnet.train_transform` and `fgbgnet.eval_transform` teach. None feeds them as they are.
        in_channels: Channels of each picture; `predict` reads RGB and works for 3 only.
    """

    depth_unit: DepthUnit = "metres"
    input_size: int | None = None
    in_channels: int = 3

    def predict(self, bg: PictureInput, fg_bg: PictureInput, *, threshold: float = 0.5) -> Prediction:
        """Predicts the foreground mask and the depth map of one pair of pictures.

        Works in evaluation mode without gradients, and leaves the mode of each sub-module as it was.

        Args:
            bg: Clean background: a path, Pillow picture, array or tensor of any size. It is brought to the size of
                ``fg_bg``.
            fg_bg: The same scene with something new in it.
            threshold: Probability above which a pixel is foreground, in (0, 1).

        Returns:
            The prediction, at the size of ``fg_bg``.

        Raises:
            MissingFileError: If a path leads nowhere.
            PictureError: If a file is no picture.
            InvalidArgumentError: If an array, tensor or the threshold is out of range, or the module takes no RGB.
        """
        if self.in_channels != 3:
            raise InvalidArgumentError(
                f"predict reads RGB pictures, and this model takes in_channels={self.in_channels}; "
                "call it with tensors of that many channels: model(bg, fg_bg)"
            )
        checked_threshold(threshold)
        frame = load_picture(fg_bg, "fg_bg")[None]
        clean = resize(load_picture(bg, "bg")[None], frame.shape[-2:])
        device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))
        size = self._working_size(frame.shape[-2], frame.shape[-1])
        with evaluating(self), torch.no_grad():  # inference_mode would hand out tensors that autograd refuses
            outputs = self(resize(clean, size).to(device), resize(frame, size).to(device))
        return prediction_of(outputs, clean, frame, threshold, self.depth_unit)

    def _working_size(self, height: int, width: int) -> torch.Size:
        if self.input_size is None:
            return torch.Size((height, width))
        return torch.Size((self.input_size, self.input_size))


def checked_threshold(threshold: float) -> float:
    """A probability between 0 and 1.

    Raises:
        InvalidArgumentError: If it is something else.
    """
    if not 0 < threshold < 1:
        raise InvalidArgumentError(f"threshold={threshold}; expected a probability between 0 and 1")
    return threshold


def prediction_of(outputs: Outputs, bg: Tensor, fg_bg: Tensor, threshold: float, depth_unit: DepthUnit) -> Prediction:
    """What a model's outputs for one pair say at the size of the frame.

    Args:
        outputs: Of any size, batch 1.
        bg: The background, (1, 3, H, W).
        fg_bg: The frame, of the same shape.
        threshold: Probability above which a pixel is foreground.
        depth_unit: Unit of the depth.
    """
    # Logits, not probabilities, are interpolated: the contour stays where the network put it.
    layers = {key: resize(tensor.float().cpu(), fg_bg.shape[-2:])[0, 0] for key, tensor in outputs.items()}
    probability = layers["mask"].sigmoid() if "mask" in layers else None
    return Prediction(
        mask=None if probability is None else probability > threshold,
        mask_probability=probability,
        depth=layers.get("depth"),
        depth_unit=depth_unit,
        bg=bg[0],
        fg_bg=fg_bg[0],
        mask_uncertainty=layers.get("mask_uncertainty"),
        depth_uncertainty=layers.get("depth_uncertainty"),
    )


def resize(picture: Tensor, size: torch.Size) -> Tensor:
    """A batch of pictures, or maps, at another size; bilinear with antialiasing."""
    if picture.shape[-2:] == size:
        return picture
    return F.interpolate(picture, size=size, mode="bilinear", align_corners=False, antialias=True)


__all__ = ["PredictMixin", "checked_threshold", "prediction_of", "resize"]
