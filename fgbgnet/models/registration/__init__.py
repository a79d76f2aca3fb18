"""Bringing the background to the frame before a network sees the two: place and exposure."""

from fgbgnet.models.registration.exposure import compensate_exposure, fit_exposure
from fgbgnet.models.registration.homography import align_background, find_homography

__all__ = ["align_background", "compensate_exposure", "find_homography", "fit_exposure"]
