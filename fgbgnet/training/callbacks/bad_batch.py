"""Which samples gave a loss that is not finite."""

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from fgbgnet.errors import NonFiniteLossError
from fgbgnet.files import write_json


class NameBadBatch(Callback):
    """Writes ``bad_batch.json`` when a loss that is not finite ends a run.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Writes step, epoch and ids."""
        if not isinstance(exception, NonFiniteLossError):
            return
        rank = f"_{trainer.global_rank}" if trainer.world_size > 1 else ""
        facts: dict[str, Any] = {"step": trainer.global_step, "epoch": trainer.current_epoch, "ids": exception.ids}
        write_json(self.folder / f"bad_batch{rank}.json", facts)


__all__ = ["NameBadBatch"]
