"""Two looks at each pair: as it is, and in the mirror."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fgbgnet.inference.wrapping import Wrapper
from fgbgnet.types import Outputs, Task


class FlipAveraged(Wrapper):
    """Averages what a model says about a pair and about its mirror image; takes twice the time.

    Masks: the mean of the two probabilities, returned as its logit. Depth and uncertainties: the arithmetic mean. (The
    geometric mean, that of log-distances, would need depth that is positive, which ``depth_activation="linear"`` does
    not promise; for two distances that differ by a share s of their mean it is smaller by a share of s² / 8.)

    The two are computed one after the other, so that a mirrored pair gives the mirrored result, bit by bit.

    Args:
        model: Anything with the models' forward.

    >>> from fgbgnet import DualHeadUNet
    >>> model = FlipAveraged(DualHeadUNet("unet_small"))
    >>> bg, frame = torch.rand(2, 1, 3, 40, 56)
    >>> mirrored = model(bg.flip(-1), frame.flip(-1))["depth"]
    >>> torch.equal(mirrored.flip(-1), model(bg, frame)["depth"])
    True
    """

    def _outputs(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None) -> Outputs:
        # Copies of one layout for both: a kernel that is chosen by it may round differently.
        pairs = (bg, fg_bg), (bg.flip(-1), fg_bg.flip(-1))
        straight, mirrored = (self._ask(one.contiguous(), other.contiguous(), tasks) for one, other in pairs)
        return {
            key: (_mean_of_logits if key == "mask" else _mean)(layer, mirrored[key].flip(-1))
            for key, layer in straight.items()
        }


def _mean(one: Tensor, other: Tensor) -> Tensor:
    return (one + other) / 2


def _mean_of_logits(one: Tensor, other: Tensor) -> Tensor:
    """The logit of the mean probability of two logits.

    Exponentials are rounded one way by vector instructions and another way where a row's remainder is left to scalar
    ones, so it is computed from both ends of the rows.
    """
    high, low = torch.maximum(one, other).float(), torch.minimum(one, other).float()
    return _mean(_logit_of_mean(high, low), _logit_of_mean(high.flip(-1), low.flip(-1)).flip(-1))


def _logit_of_mean(one: Tensor, other: Tensor) -> Tensor:
    """logit((p + q) / 2) = log(p + q) - log((1 - p) + (1 - q)); finite where p and q would be rounded to 0 or 1."""
    foreground = torch.logaddexp(F.logsigmoid(one), F.logsigmoid(other))
    return foreground - torch.logaddexp(F.logsigmoid(-one), F.logsigmoid(-other))


__all__ = ["FlipAveraged"]
