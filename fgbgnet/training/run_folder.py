"""The folder of a run: what it holds, and whether a run may start or go on there."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.files import write_json
from fgbgnet.models import DualHeadUNet, frozen_branches
from fgbgnet.training.config import FitConfig

# What may differ when a run goes on: its length, and where and how fast it is computed.
_FREE_SETTINGS = ("epochs", "minutes", "num_workers", "accelerator")
_CONTENT = ("checkpoints", "model", "tensorboard", "config.json", "metrics.csv", "train.csv", "val.csv")


class RunFolder:
    """Paths of a run, and the record of how it was made.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.last = self.checkpoints / "last.ckpt"
        self.model = path / "model"
        self.metrics = path / "metrics.csv"
        self.record = path / "config.json"

    def claim(self, record: dict[str, Any], resume: bool, overwrite: bool) -> None:
        """Takes the folder for a run, or makes sure that the run there is the same one. Writes nothing yet.

        Args:
            record: How this run is made; see `describe`.
            resume: Go on with the run that is there.
            overwrite: Remove the run that is there.

        Raises:
            InvalidArgumentError: If the folder is a file, holds a run, one that was made otherwise, or files of the
                same names that are no run.
            MissingFileError: If there is nothing to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InvalidArgumentError(f"{self.path} is a file; expected the folder of a run")
        there = [name for name in _CONTENT if (self.path / name).exists()]
        if resume:
            if not self.last.is_file():
                raise MissingFileError(f"nothing to resume: no checkpoint at {self.last}")
            self._compare(record)
        elif there and not self.record.is_file():
            raise InvalidArgumentError(
                f"{self.path} holds {', '.join(there)}, but no run (no {self.record.name}); choose another folder"
            )
        elif there and not overwrite:
            raise InvalidArgumentError(
                f"{self.path} holds a run already ({', '.join(there)}); go on with it (resume), "
                "remove it (overwrite), or choose another folder"
            )

    def begin(self, record: dict[str, Any], train: Any, val: Any, resume: bool) -> None:  # noqa: ANN401 - any dataset
        """Writes the record and, for data with manifests, which samples stand on which side."""
        if not resume:
            for name in _CONTENT:
                content = self.path / name
                shutil.rmtree(content) if content.is_dir() else content.unlink(missing_ok=True)
        write_json(self.record, record)  # first: what follows can be told from files that are not ours
        for side, data in (("train", train), ("val", val)):
            if hasattr(data, "manifest"):
                data.manifest.write(self.path / f"{side}.csv")

    def _compare(self, record: dict[str, Any]) -> None:
        try:
            before = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise InvalidArgumentError(
                f"{self.record}, the record of the run to resume, is missing or damaged ({error}); start a new run in "
                "another folder"
            ) from error
        changes = []
        for part in ("fit", "model", "data"):
            old, new = before.get(part, {}), json.loads(json.dumps(record[part]))
            for name in sorted(old.keys() | new.keys()):
                if name not in _FREE_SETTINGS and old.get(name) != new.get(name):
                    changes.append(f"{name} was {old.get(name)} and is {new.get(name)}")
        if changes:
            raise InvalidArgumentError(
                f"the run in {self.path} was made otherwise: {'; '.join(changes)}. Resume it with the settings, model "
                "and data that it began with; only its length, workers and accelerator may change"
            )


def describe(model: DualHeadUNet, train: Any, val: Any, config: FitConfig, metadata: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Everything that makes a run what it is, as plain types."""
    data = {f"{side}_{key}": value for side, d in (("train", train), ("val", val)) for key, value in _of(d).items()}
    settings = {**config.to_dict(), "freeze": list(frozen_branches(model))}  # however they came to be frozen
    return {"fit": settings, "model": model.config, "data": data, "metadata": metadata}


def _of(data: Any) -> dict[str, Any]:  # noqa: ANN401
    """Number of samples, and a fingerprint of which ones if the data set tells their ids."""
    ids = sorted(str(id) for id in data.ids) if hasattr(data, "ids") else []
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16] if ids else None
    return {"samples": len(data), "ids_sha256": digest}


__all__ = ["RunFolder", "describe"]
