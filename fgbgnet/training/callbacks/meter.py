"""What every step costs, beside the losses: images per second, the wait for the loader, the norm of the gradient."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler, Profiler

_FETCH = "].train_dataloader_next"
"""How Lightning ends the name of the action in which the loop waits for a batch."""


class WaitTimer(Profiler):
    """Adds up the time for which the training loop waits for its loader, and nothing else.

    Lightning tells its profiler what it does; this one costs a comparison of strings per action.

    >>> timer = WaitTimer()
    >>> with timer.profile("[_TrainingEpochLoop].train_dataloader_next"), timer.profile("backward"):
    ...     pass
    >>> 0 < timer.seconds < 1
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._start = 0.0

    def start(self, action_name: str) -> None:
        """Starts the clock if it is the loader's turn."""
        if action_name.endswith(_FETCH):
            self._start = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Stops it."""
        if action_name.endswith(_FETCH):
            self.seconds += time.perf_counter() - self._start


class StepMeter(Callback):
    """Logs ``time/images_per_second``, ``time/loader_wait`` and ``train/gradient_norm``.

    The first two are those of the last steps, validations left out: pairs of all processes per second, and the share
    of the time for which the loop waited for its loader (0 to 1). The third is the gradient's norm over all
    parameters before it is clipped, of every n-th step, since it costs a pass over them.

    Args:
        every: Steps between two norms of the gradient.
        window: Steps that the first two look back.

    >>> StepMeter(every=10).rates()
    {}
    """

    def __init__(self, every: int = 10, window: int = 50) -> None:
        self.every = every
        self.timer = WaitTimer()
        self._marks: deque[tuple[float, float, int]] = deque(maxlen=window + 1)
        self._images = 0
        self._paused = 0.0
        self._pause = 0.0

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Listens to the loop, unless another profiler does."""
        if isinstance(trainer.profiler, PassThroughProfiler):  # type: ignore[attr-defined]
            trainer.profiler = self.timer  # type: ignore[attr-defined]

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Starts the window."""
        self._marks.clear()
        self._mark()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: Mapping[str, Any],
        batch_idx: int,
    ) -> None:
        """Logs the rates."""
        self._images += len(batch["fg_bg"]) * trainer.world_size
        self._mark()
        for name, value in self.rates().items():
            pl_module.log(f"time/{name}", value, batch_size=1)

    def on_validation_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stops the clock."""
        self._pause = time.perf_counter()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Lets it run on."""
        self._paused += time.perf_counter() - self._pause

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Logs the norm; gradients are unscaled here, and not clipped yet."""
        if (trainer.global_step + 1) % self.every == 0:
            norms = [torch.linalg.vector_norm(p.grad.float()) for p in pl_module.parameters() if p.grad is not None]
            if norms:
                pl_module.log("train/gradient_norm", torch.linalg.vector_norm(torch.stack(norms)), batch_size=1)

    def rates(self) -> dict[str, float]:
        """The two rates of the window; empty before the first step."""
        if len(self._marks) < 2:
            return {}
        (first, waited, images), (now, waited_now, images_now) = self._marks[0], self._marks[-1]
        seconds = max(now - first, 1e-9)
        rates = {"images_per_second": (images_now - images) / seconds}
        if self.timer.seconds:
            rates["loader_wait"] = min(1.0, (waited_now - waited) / seconds)
        return rates

    def _mark(self) -> None:
        self._marks.append((time.perf_counter() - self._paused, self.timer.seconds, self._images))


__all__ = ["StepMeter", "WaitTimer"]
