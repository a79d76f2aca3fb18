"""An exponential moving average of the weights."""

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from fgbgnet.errors import InvalidArgumentError


class AverageWeights(Callback):
    """Keeps an exponential moving average of what learns, and puts it in place while validating.

    After each step of the optimiser ``a <- d a + (1 - d) w`` with ``d = min(decay, (1 + n) / (10 + n))`` after ``n``
    steps, so that the random start is soon forgotten (Polyak and Juditsky, 1992; the warm-up of the decay is
    TensorFlow's). Buffers, such as statistics of BatchNorm, are those of the model. What is frozen is not averaged,
    and so stays as it is to the last bit.

    Args:
        model: What is averaged.
        decay: Below 1; near 1 averages over ``1 / (1 - decay)`` steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.steps = 0
        self._average: dict[str, Tensor] = {}
        self._put_aside: dict[str, Tensor] = {}
        self._restored: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts from the weights as they are, or from those of the checkpoint."""
        learning = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if self._restored and self._restored.keys() != learning.keys():
            raise InvalidArgumentError("the averaged weights of the checkpoint are those of another model")
        self._average = {
            name: (self._restored.get(name, p.detach()).to(p.device, copy=True)) for name, p in learning.items()
        }
        self._restored = {}

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Averages after a step of the optimiser; while gradients are accumulated there is none."""
        if trainer.global_step == self.steps:
            return
        self.steps = trainer.global_step
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            weights = dict(self.model.named_parameters())
            torch._foreach_lerp_(list(self._average.values()), [weights[name] for name in self._average], 1 - decay)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the average in place."""
        if self._average and not self._put_aside:
            self._put_aside = self._exchange(self._average)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Puts the weights that learn back: not sooner, so that all callbacks see the average after a validation."""
        self._put_back()

    def on_exception(self, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Puts the weights that learn back."""
        self._put_back()

    def _put_back(self) -> None:
        if self._put_aside:
            self._exchange(self._put_aside)
            self._put_aside = {}

    def _exchange(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Puts values in place, and returns what was there."""
        before: dict[str, Tensor] = {}
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in values:
                    before[name] = parameter.detach().clone()
                    parameter.copy_(values[name])
        return before

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"steps": self.steps, "average": self._average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self.steps, self._restored = state_dict["steps"], state_dict["average"]


__all__ = ["AverageWeights"]
