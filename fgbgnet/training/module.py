"""The Lightning module: one training step, one validation step, the optimiser and its schedule."""

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from fgbgnet.errors import NonFiniteLossError
from fgbgnet.losses import DepthSpace, DualTaskLoss, depth_consistency_loss, make_loss
from fgbgnet.metrics import DepthMetrics, MaskMetrics, depth_protocol
from fgbgnet.training.callbacks.checkpoints import has_finite_weights
from fgbgnet.training.config import MONITORED_METRICS, FitConfig
from fgbgnet.training.optimizers import advance, make_optimizer, make_scheduler
from fgbgnet.training.schedule import RunShare, TrainerShare
from fgbgnet.types import DepthUnit


class DualTaskModule(lightning.LightningModule):
    """Trains any model with the contract ``forward(bg, fg_bg, tasks=...)`` on the library's batches.

    Args:
        model: A `fgbgnet.DualHeadUNet`, or a module that is called alike.
        config: The settings of one phase; `FitConfig` by default.
        loss: Called with (outputs, batch), returns ``"total"`` and the tasks' losses; `default_loss` by default. If it
            has ``end_epoch``, that is called after every epoch.
        progress: What the learning rate follows; steps of the trainer by default.
        steps: Optimiser steps of the run, for schedules that count; the trainer's estimate by default.
    """

    def __init__(
        self,
        model: nn.Module,
        config: FitConfig | None = None,
        loss: nn.Module | None = None,
        progress: RunShare | None = None,
        steps: int | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.settings = config or FitConfig()
        self.progress = progress
        self.steps = steps
        unit: DepthUnit = getattr(model, "depth_unit", "relative")
        self.loss = loss or default_loss(self.settings, unit)
        metrics = {"mask": MaskMetrics(), "depth": DepthMetrics(**depth_protocol(unit))}  # as `evaluate` scores
        self.val_metrics: dict[str, Any] = {task: metrics[task] for task in self.settings.tasks}
        self._validated = False
        self._ids_before: list[str] = []
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._val_metrics = nn.ModuleDict(self.val_metrics)  # registered, so that they follow the device

    def forward(self, bg: Tensor, fg_bg: Tensor) -> dict[str, Tensor]:
        """As the model's own forward, for the tasks that are trained."""
        outputs: dict[str, Tensor] = self.model(bg, fg_bg, tasks=self.settings.tasks)
        return outputs

    def on_train_start(self) -> None:
        """Restores what Lightning does not know of."""
        if self._plateau is not None and self._plateau_state is not None:
            self._plateau.load_state_dict(self._plateau_state)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Loss of a batch."""
        outputs = self(batch["bg"], batch["fg_bg"])
        loss = self._losses(batch, outputs, "train")
        if self.settings.consistency and "depth" in outputs:
            loss = loss + self.settings.consistency * self._inconsistency(batch, outputs)
        if not torch.isfinite(loss):
            raise self._not_finite(loss, batch["id"])
        self._ids_before = batch["id"]
        return loss

    def _not_finite(self, loss: Tensor, ids: list[str]) -> NonFiniteLossError:
        what = f"the loss is {loss.item()} at step {self.global_step}"
        if self._ids_before and not has_finite_weights(self.model):  # a gradient was not, though its loss was
            ids, what = self._ids_before, f"the weights are not finite since the step before, and {what}"
        return NonFiniteLossError(
            f"{what}, for the samples {', '.join(ids)}; lower the learning rate, clip the gradient, or look at these "
            "samples",
            ids,
        )

    def _inconsistency(self, batch: dict[str, Any], outputs: dict[str, Tensor]) -> Tensor:
        empty = self.model(batch["bg"], batch["bg"], tasks=("depth",))["depth"]
        pictures = batch["mask"], batch["bg"], batch["fg_bg"], batch.get("mask_valid")
        space: DepthSpace = getattr(getattr(self.loss, "depth", None), "space", "linear")
        loss: Tensor = depth_consistency_loss(outputs["depth"], empty, *pictures, space=space)
        self.log("train/consistency_loss", loss.detach(), batch_size=len(batch["id"]))
        return loss

    def on_train_epoch_end(self) -> None:
        """Moves what goes by epochs: a plateau's rate after a validation, and some balances."""
        if self._plateau is not None and self._validated:
            self._plateau.step(float(self.trainer.callback_metrics[self.settings.monitor]))
        self._validated = False
        end_epoch = getattr(self.loss, "end_epoch", None)
        if callable(end_epoch):
            end_epoch()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Loss and metrics of a batch."""
        outputs = self(batch["bg"], batch["fg_bg"])
        self._losses(batch, outputs, "val")
        if "mask" in outputs:
            self.val_metrics["mask"].update(outputs["mask"], batch["mask"], batch.get("mask_valid"))
        if "depth" in outputs:
            self.val_metrics["depth"].update(outputs["depth"], batch["depth"], batch["depth_valid"])

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the whole validation set."""
        self._validated = not self.trainer.sanity_checking
        for task, metric in self.val_metrics.items():
            values = metric.compute()
            for name in MONITORED_METRICS[task]:  # type: ignore[index]
                self.log(f"val/{task}_{name}", torch.as_tensor(values[name], dtype=torch.float32))
            metric.reset()

    def _losses(self, batch: dict[str, Any], outputs: dict[str, Tensor], stage: str) -> Tensor:
        losses: dict[str, Tensor] = self.loss(outputs, batch)
        for name, value in losses.items():
            label = "loss" if name == "total" else f"{name}_loss"
            self.log(
                f"{stage}/{label}",
                value.detach(),
                on_step=stage == "train",
                on_epoch=stage == "val",
                # Not a whole number: Lightning would round the mean of the processes' numbers of samples down.
                batch_size=float(len(batch["id"])),  # type: ignore[arg-type]
                sync_dist=stage == "val",
            )
        return losses["total"]

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union
        """The optimiser over what is not frozen, and its schedule."""
        optimizer = make_optimizer(self.model, self.loss, self.settings)
        progress, steps = self.progress, self.steps
        if progress is None:
            progress, steps = TrainerShare(self.trainer), int(self.trainer.estimated_stepping_batches)
        self.progress = progress
        scheduler = make_scheduler(optimizer, self.settings, progress, steps)
        if isinstance(scheduler, ReduceLROnPlateau):
            self._plateau = scheduler  # not Lightning's: it leaves out the epoch in which a run is resumed
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:  # noqa: ANN401 - Lightning's own union
        """Moves the schedule by a step."""
        if self.progress is not None:
            advance(scheduler, self.progress)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what Lightning does not know of."""
        if self._plateau is not None:
            checkpoint["plateau"] = self._plateau.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leaves out the length that a schedule had: a run may go on for longer."""
        self._plateau_state = checkpoint.get("plateau")
        for state in checkpoint["lr_schedulers"]:
            for name in ("total_steps", "_schedule_phases"):
                state.pop(name, None)


def default_loss(config: FitConfig, depth_unit: DepthUnit) -> DualTaskLoss:
    """The loss that the settings describe, see `fgbgnet.losses.make_loss`.

    Args:
        config: The settings of one phase.
        depth_unit: That of the model.
    """
    weights = {"mask": config.mask_weight, "depth": config.depth_weight}
    return make_loss(config.mask_loss, config.depth_loss, weights, config.balance, depth_unit, config.seed)


__all__ = ["DualTaskModule", "default_loss"]
