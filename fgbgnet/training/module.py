"""The Lightning module: one training step, one validation step, the optimiser and its schedule."""

from typing import Any

import lightning
import torch
from torch import Tensor, nn

from fgbgnet.errors import TrainingError
from fgbgnet.losses import DepthLoss, DualTaskLoss
from fgbgnet.metrics import DepthMetrics, MaskMetrics, depth_protocol
from fgbgnet.training.config import FitConfig
from fgbgnet.training.schedule import Progress, one_cycle
from fgbgnet.types import DepthUnit

MONITORED_METRICS = {"mask": ("iou", "f1"), "depth": ("rmse", "abs_rel", "d1")}


class DualTaskModule(lightning.LightningModule):
    """Trains any model with the contract ``forward(bg, fg_bg, tasks=...)`` on the library's batches.

    Args:
        model: A `fgbgnet.DualHeadUNet`, or a module that is called alike.
        config: The settings; `FitConfig` by default.
        loss: Called with (outputs, batch), returns ``"total"`` and the tasks' losses; `default_loss` by default.
        progress: What the learning rate follows; steps of the trainer by default.
    """

    def __init__(
        self,
        model: nn.Module,
        config: FitConfig | None = None,
        loss: nn.Module | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.settings = config or FitConfig()
        self.progress = progress
        unit: DepthUnit = getattr(model, "depth_unit", "relative")
        self.loss = loss or default_loss(self.settings, unit)
        metrics = {"mask": MaskMetrics(), "depth": DepthMetrics(**depth_protocol(unit))}  # as `evaluate` scores
        self.val_metrics: dict[str, Any] = {task: metrics[task] for task in self.settings.tasks}
        self._val_metrics = nn.ModuleDict(self.val_metrics)  # registered, so that they follow the device

    def forward(self, bg: Tensor, fg_bg: Tensor) -> dict[str, Tensor]:
        """As the model's own forward, for the tasks that are trained."""
        outputs: dict[str, Tensor] = self.model(bg, fg_bg, tasks=self.settings.tasks)
        return outputs

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Loss of a batch."""
        loss = self._losses(batch, self(batch["bg"], batch["fg_bg"]), "train")
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} at step {self.global_step}, for the samples {', '.join(batch['id'])}; "
                "lower the learning rate, clip the gradient, or look at these samples"
            )
        return loss

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
        for task, metric in self.val_metrics.items():
            values = metric.compute()
            for name in MONITORED_METRICS[task]:
                self.log(f"val/{task}_{name}", torch.as_tensor(values[name], dtype=torch.float32), sync_dist=True)
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
                batch_size=len(batch["id"]),
                sync_dist=stage == "val",
            )
        return losses["total"]

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union
        """The optimiser over what is not frozen, and the one-cycle schedule over the run."""
        config = self.settings
        groups = _parameter_groups(self.model, config.weight_decay)
        optimizer: torch.optim.Optimizer
        if config.optimizer == "adamw":
            optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        else:
            optimizer = torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: one_cycle(self._share(), config.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _share(self) -> float:
        if self.progress is not None:
            return self.progress.share
        return min(1.0, self.global_step / max(1, int(self.trainer.estimated_stepping_batches)))


def default_loss(config: FitConfig, depth_unit: DepthUnit) -> DualTaskLoss:
    """`DualTaskLoss` with the weights of the settings and a depth loss that suits the unit.

    Metres span orders of magnitude, so they are compared as logarithms: an error of a tenth counts alike near and far.
    Relative depth spans [0, 1] with true zeros, so it is compared as it is.
    """
    depth = DepthLoss(space="log" if depth_unit == "metres" else "linear")
    return DualTaskLoss(depth=depth, weights={"mask": config.mask_weight, "depth": config.depth_weight})


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation layers, which have one dimension, do not."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]


__all__ = ["MONITORED_METRICS", "DualTaskModule", "default_loss"]
