"""The folder of a run: what it holds, and whether a run may start or go on there."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fgbgnet.errors import InvalidArgumentError, MissingFileError
from fgbgnet.files import write_bytes, write_json
from fgbgnet.models import DualHeadUNet, frozen_branches
from fgbgnet.training.config import FitConfig
from fgbgnet.training.datamodule import count_samples
from fgbgnet.training.recipes import dump_options
from fgbgnet.types import TASKS

# What may differ when a run goes on, beside its length: where and how fast it is computed, and what is kept of it.
_FREE_SETTINGS = (
    "num_workers", "accelerator", "devices", "num_nodes", "strategy", "compile", "patience",
    "checkpoint_minutes", "keep_checkpoints", "pictures",
)  # fmt: skip
_CONTENT = (
    "checkpoints", "model", "tensorboard", "pictures", "config.json", "phases.json", "batch_sizes.json",
    "metrics.csv", "curves.png", "train.csv", "val.csv", "train.yaml", "bad_batch.json",
)  # fmt: skip


class RunFolder:
    """Paths of a run, and the record of how it was made.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.metrics = path / "metrics.csv"
        self.curves = path / "curves.png"
        self.pictures = path / "pictures"
        self.record = path / "config.json"
        self.phases = path / "phases.json"
        self.batch_sizes = path / "batch_sizes.json"

    def checkpoints_of(self, phase: int, phases: int) -> Path:
        """Where the checkpoints of a phase go."""
        return self.checkpoints if phases == 1 else self.checkpoints / f"phase_{phase + 1}"

    def model_after(self, phase: int, phases: int) -> Path:
        """Where the best model of a phase is kept; the run's own folder is also written by the phase that follows."""
        return self.model if phase + 1 == phases else self.checkpoints_of(phase, phases) / "model"

    def found_batch_size(self, phase: int) -> int | None:
        """The batch size that was found for a phase by an earlier session of the run."""
        if not self.batch_sizes.is_file():
            return None
        found: dict[str, int] = json.loads(self.batch_sizes.read_text(encoding="utf-8"))
        return found.get(str(phase))

    def note_batch_size(self, phase: int, batch_size: int) -> None:
        """Keeps it: another session may find another one, and would not go on with the same run."""
        before = json.loads(self.batch_sizes.read_text(encoding="utf-8")) if self.batch_sizes.is_file() else {}
        write_json(self.batch_sizes, {**before, str(phase): batch_size})

    def finished_phase(self, phase: int, config: FitConfig) -> dict[str, Any] | None:
        """What came of a phase; None if it has not ended, or is to be longer now."""
        finished = self._finished()
        done = finished[phase] if phase < len(finished) else None
        return done if done is not None and done["length"] == _length(config) else None

    def finish_phase(self, phase: int, config: FitConfig, done: dict[str, Any]) -> None:
        """Notes that a phase has ended."""
        write_json(self.phases, [*self._finished()[:phase], {"length": _length(config), **done}])

    def _finished(self) -> list[dict[str, Any]]:
        if not self.phases.is_file():
            return []
        finished: list[dict[str, Any]] = json.loads(self.phases.read_text(encoding="utf-8"))
        return finished

    def reopen_phase(self, phase: int, phases: int) -> None:
        """Prepares for a phase that goes on after its end: what came later was made of what it was then."""
        finished = self._finished()
        if phase >= len(finished):
            return
        for later in range(phase + 1, phases):
            shutil.rmtree(self.checkpoints_of(later, phases), ignore_errors=True)
        own = self.model_after(phase, phases)
        if own != self.model and own.is_dir():  # the best so far, which it may or may not outdo
            shutil.rmtree(self.model, ignore_errors=True)
            shutil.copytree(own, self.model)
        write_json(self.phases, finished[:phase])

    def claim(self, record: dict[str, Any], resume: bool, overwrite: bool) -> bool:
        """Takes the folder for a run, or makes sure that the run there is the same one. Writes nothing yet.

        Args:
            record: How this run is made; see `describe`.
            resume: Go on with the run that is there.
            overwrite: Remove the run that is there.

        Returns:
            Whether there is a checkpoint to go on from; a run that ended before its first begins again.

        Raises:
            InvalidArgumentError: If the folder is a file, holds a run, one that was made otherwise, or files of the
                same names that are no run.
            MissingFileError: If there is nothing to resume.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InvalidArgumentError(f"{self.path} is a file; expected the folder of a run")
        there = [name for name in _CONTENT if (self.path / name).exists()]
        if resume:
            going = any(self.checkpoints.glob("**/last.ckpt"))
            if not going and not self.record.is_file():
                raise MissingFileError(f"nothing to resume: no run in {self.path}")
            self._compare(record)
            return going
        if there and not self.record.is_file():
            raise InvalidArgumentError(
                f"{self.path} holds {', '.join(there)}, but no run (no {self.record.name}); choose another folder"
            )
        if there and not overwrite:
            raise InvalidArgumentError(
                f"{self.path} holds a run already ({', '.join(there)}); go on with it (resume), "
                "remove it (overwrite), or choose another folder"
            )
        return False

    def begin(
        self,
        record: dict[str, Any],
        train: Any,  # noqa: ANN401 - any dataset
        val: Any,  # noqa: ANN401
        resume: bool,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes the record, the options and, for data with manifests, which samples stand on which side."""
        if not resume:
            for name in _CONTENT:
                content = self.path / name
                shutil.rmtree(content) if content.is_dir() else content.unlink(missing_ok=True)
        write_json(self.record, record)  # first: what follows can be told from files that are not ours
        if options is not None:
            write_bytes(self.path / "train.yaml", dump_options(options).encode())
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
            old, new = (_without_length(p) for p in (before.get(part, {}), json.loads(json.dumps(record[part]))))
            for name in sorted(old.keys() | new.keys()):
                if name not in _FREE_SETTINGS and old.get(name) != new.get(name):
                    changes.append(f"{name} was {old.get(name)} and is {new.get(name)}")
        if changes:
            raise InvalidArgumentError(
                f"the run in {self.path} was made otherwise: {'; '.join(changes)}. Resume it with the settings, model "
                "and data that it began with; only its length, workers and accelerator may change"
            )


def _without_length(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without what may grow: epochs, minutes, the epochs of the last size; in phases, too."""
    kept = {name: value for name, value in settings.items() if name not in ("epochs", "minutes")}
    if kept.get("sizes"):
        kept["sizes"] = [*kept["sizes"][:-1], list(kept["sizes"][-1])[:2]]
    if kept.get("phases"):
        kept["phases"] = [_without_length(phase) for phase in kept["phases"]]
    return kept


def _length(config: FitConfig) -> dict[str, Any]:
    settings = config.to_dict()
    return {name: settings[name] for name in ("epochs", "minutes", "sizes")}


def describe(model: DualHeadUNet, train: Any, val: Any, config: FitConfig, metadata: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Everything that makes a run what it is, as plain types."""
    data = {f"{side}_{key}": value for side, d in (("train", train), ("val", val)) for key, value in _of(d).items()}
    frozen = {*frozen_branches(model), *config.freeze}  # however they come to be frozen
    settings = {**config.to_dict(), "freeze": [name for name in ("shared", *TASKS) if name in frozen]}
    return {"fit": settings, "model": model.config, "data": data, "metadata": metadata}


def _of(data: Any) -> dict[str, Any]:  # noqa: ANN401
    """Number of samples, and a fingerprint of which ones if the data set tells their ids."""
    ids = sorted(str(id) for id in data.ids) if hasattr(data, "ids") else []
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16] if ids else None
    return {"samples": count_samples(data), "ids_sha256": digest}


__all__ = ["RunFolder", "describe"]
