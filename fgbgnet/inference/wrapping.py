"""What stands around a model and is used like one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fgbgnet.models import PredictMixin, evaluating
from fgbgnet.models.checks import check_pair
from fgbgnet.types import Outputs, Task


class Wrapper(PredictMixin, ABC):
    """Calls a model in another way, under the models' own contract: the same forward and ``predict``.

    Works in evaluation mode without gradients. Wrappers can be put around each other, and stand wherever a model can:
    in `fgbgnet.evaluate`, around the floors, around a model that was read from an exported file.

    Args:
        model: Anything with the models' forward. Its ``depth_unit``, ``input_size``, ``in_channels`` and ``stride`` are
            taken over where it has them.
    """

    stride: int | None
    """What the model pads pictures to multiples of; None if it does not say."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.depth_unit = getattr(model, "depth_unit", self.depth_unit)
        self.input_size = getattr(model, "input_size", self.input_size)
        self.in_channels = getattr(model, "in_channels", self.in_channels)
        self.stride = getattr(model, "stride", None)

    def forward(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None = None) -> Outputs:
        """As the model's own.

        Args:
            bg: Clean background, float (B, C, H, W) in [0, 1].
            fg_bg: The same scene with something new in it, of the same shape.
            tasks: What is wanted; what the model gives unasked by default.

        Returns:
            The keys that the model gives, each (B, 1, H, W).

        Raises:
            InvalidArgumentError: If shapes or types do not fit.
        """
        check_pair(bg, fg_bg, self.in_channels)
        with evaluating(self.model), torch.no_grad():
            return self._outputs(bg, fg_bg, tasks)

    @abstractmethod
    def _outputs(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None) -> Outputs:
        """What forward returns, for a pair that was checked."""

    def _ask(self, bg: Tensor, fg_bg: Tensor, tasks: Sequence[Task] | Task | None) -> Outputs:
        """The model's own outputs."""
        outputs: Outputs = self.model(bg, fg_bg) if tasks is None else self.model(bg, fg_bg, tasks)
        return outputs


__all__ = ["Wrapper"]
