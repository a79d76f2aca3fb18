"""Colour changes that treat two pictures of one scene exactly alike."""

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from fgbgnet.data.albumentations_guard import import_albumentations

if TYPE_CHECKING:
    from albumentations import ColorJitter
else:
    ColorJitter = import_albumentations().ColorJitter


class SharedColorJitter(ColorJitter):  # type: ignore[misc]
    """``albumentations.ColorJitter`` for pairs: pixels that are equal in both pictures stay equal.

    ``ColorJitter`` turns up the contrast about the mean of each picture. Whatever is new in the frame moves that mean,
    and with it every pixel of the frame away from its equal in the background. Here the mean of the first picture,
    ``bg``, is the pivot of both. Arguments are those of ``albumentations.ColorJitter``.

    >>> import albumentations
    >>> bg, frame = np.full((2, 8, 8, 3), 90, np.uint8)
    >>> frame[:4] = 250
    >>> both = {"fg_bg": "image"}
    >>> jitter = albumentations.Compose([SharedColorJitter(p=1)], additional_targets=both, seed=1)
    >>> out = jitter(image=bg, fg_bg=frame)
    >>> bool((out["image"] == out["fg_bg"])[4:].all()), bool((out["image"] == bg).all())
    (True, False)
    """

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Takes the pivot of the contrast, a grey level, from ``bg``."""
        return {"pivot": float(cv2.cvtColor(data["image"], cv2.COLOR_RGB2GRAY).mean())}

    def apply(
        self,
        img: npt.NDArray[Any],
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        order: list[int],
        pivot: float,
        **params: Any,  # noqa: ANN401 - as in albumentations
    ) -> npt.NDArray[Any]:
        """Applies the four changes in the order that was drawn."""
        factors = (brightness, contrast, saturation, hue)
        for i in order:
            img = _contrast(img, contrast, pivot) if i == 1 else self.transforms[i](img, factors[i])
        return img


def _contrast(picture: npt.NDArray[Any], factor: float, pivot: float) -> npt.NDArray[Any]:
    if picture.dtype != np.uint8:
        changed: npt.NDArray[Any] = np.clip(picture * factor + pivot * (1 - factor), 0, 1).astype(picture.dtype)
        return changed
    levels = np.arange(256) * factor + pivot * (1 - factor)
    adjusted: Any = cv2.LUT(picture, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    return adjusted  # type: ignore[no-any-return]


__all__ = ["SharedColorJitter"]
