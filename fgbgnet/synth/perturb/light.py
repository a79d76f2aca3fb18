"""Light on the scene: shadows.

Functions of pictures (B, 3, H, W), RGB in [0, 1], with one row of parameters per picture; see `registry`.
"""

from torch import Tensor

from fgbgnet.synth.perturb.shapes import CONTOUR_PARAMETERS, blob


def shade(pictures: Tensor, cover: Tensor, factors: Tensor) -> Tensor:
    """Multiplies by ``factors`` (B, 3) where ``cover`` (B, 1, H, W) is 1: what is under a shadow keeps its texture."""
    return (pictures * (1 - cover * (1 - factors[:, :, None, None]))).clamp_(0, 1)


def shadow(pictures: Tensor, parameters: Tensor) -> Tensor:
    """One shadow: an ellipse with an irregular contour and a penumbra of constant width.

    Args:
        pictures: (B, 3, H, W).
        parameters: (B, 43 + 3): `shapes.blob`, then the factor on R, G, B in the umbra.
    """
    return shade(pictures, blob(parameters, pictures), parameters[:, CONTOUR_PARAMETERS : CONTOUR_PARAMETERS + 3])


__all__ = ["shade", "shadow"]
