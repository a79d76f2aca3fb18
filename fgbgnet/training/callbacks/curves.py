"""The curves of a run as one picture, drawn from its ``metrics.csv``."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning
from lightning.pytorch.callbacks import Callback

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, MissingFileError
from fgbgnet.files import write_bytes
from fgbgnet.training.callbacks.checkpoints import survives_full_disk
from fgbgnet.training.callbacks.metrics_file import is_whole
from fgbgnet.types import PathInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = list[tuple[float, float]]

_SMOOTHED = 25
"""Rows of the training over which the drawn mean runs; the rows themselves are drawn pale."""


class RunCurves(NamedTuple):
    """What a run noted.

    Attributes:
        values: (step, value) by the name of the column.
        phases: The first step and the number of every phase and size: (step, phase, size).
    """

    values: dict[str, Curve]
    phases: list[tuple[float, str, str]]


class _Panel(NamedTuple):
    title: str
    names: tuple[str, ...]
    log: bool = False


_PANELS = (
    _Panel("loss", ("train/loss", "val/loss")),
    _Panel("mask loss", ("train/mask_loss", "val/mask_loss")),
    _Panel("depth loss", ("train/depth_loss", "val/depth_loss")),
    _Panel("mask, validation", ("val/mask_iou", "val/mask_f1")),
    _Panel("depth errors, validation", ("val/depth_abs_rel", "val/depth_rmse"), log=True),
    _Panel("depth within 25 %, validation", ("val/depth_d1",)),
    _Panel("learning rate", ("learning_rate",)),
    _Panel("gradient norm", ("train/gradient_norm",), log=True),
    _Panel("images per second", ("time/images_per_second",)),
)


def read_run_curves(metrics: PathInput) -> RunCurves:
    r"""Reads ``metrics.csv``.

    Args:
        metrics: The file.

    Raises:
        MissingFileError: If there is no such file.
        InvalidArgumentError: If it is not the file of a run.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "metrics.csv")
    >>> _ = path.write_text("epoch,step,phase,size,train/loss\n0,10,1,64,0.5\n0,20,2,96,0.25\n")
    >>> curves = read_run_curves(path)
    >>> curves.values, curves.phases
    ({'train/loss': [(10.0, 0.5), (20.0, 0.25)]}, [(10.0, '1', '64'), (20.0, '2', '96')])
    """
    path = Path(metrics)
    if not path.is_file():
        raise MissingFileError(f"no curves to draw: there is no file {path}")
    values: dict[str, Curve] = {}
    phases: list[tuple[float, str, str]] = []
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        if "step" not in (rows.fieldnames or ()):
            raise InvalidArgumentError(f"{path} has no column 'step'; expected the metrics.csv of a run")
        for row in filter(is_whole, rows):
            step, phase, size = float(row["step"]), row.get("phase") or "", row.get("size") or ""
            if size and (not phases or phases[-1][1:] != (phase, size)):
                phases.append((step, phase, size))
            for name, value in row.items():
                if (name == "learning_rate" or "/" in name) and value not in ("", "nan", None):
                    values.setdefault(name, []).append((step, float(value)))
    return RunCurves(values, phases)


def plot_curves(metrics: PathInput) -> "Figure":
    """Draws losses, learning rate, and the validation metrics of both tasks over the steps of a run.

    Where phases or sizes change, a dotted line says so. What a run does not have is left out.

    Args:
        metrics: ``metrics.csv`` of a run, whether it has ended or not.

    Returns:
        A matplotlib figure; it is not shown.

    Raises:
        MissingFileError: If there is no such file.
        InvalidArgumentError: If it is not the file of a run.
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:  # pragma: no cover - every development environment has it
        raise MissingExtraError("A plot of the curves", "train") from error
    curves = read_run_curves(metrics)
    shown = [panel for panel in _PANELS if any(name in curves.values for name in panel.names)]
    if not shown:
        raise InvalidArgumentError(f"{metrics} has no rows yet; nothing can be drawn")
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
    for axis, panel in zip(axes, shown, strict=False):
        _draw(axis, panel, curves)
    for axis in axes[len(shown) :]:
        axis.remove()
    return figure


def _draw(axis: "Axes", panel: _Panel, curves: RunCurves) -> None:
    for number, name in enumerate(name for name in panel.names if name in curves.values):
        steps, values = zip(*curves.values[name], strict=True)
        colour = f"C{number}"
        if name.startswith(("train/", "time/")):
            axis.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            axis.plot(steps, _running_mean(values), color=colour, label=name)
        else:
            axis.plot(steps, values, color=colour, label=name, marker="." if name.startswith("val/") else "")
    axis.set_title(panel.title, fontsize=10)
    axis.set_xlabel("step", fontsize=8)
    axis.tick_params(labelsize=8, labelbottom=True)
    if panel.log:
        axis.set_yscale("log")
    if len(panel.names) > 1:
        axis.legend(fontsize=7)
    several = len({phase for _, phase, _ in curves.phases}) > 1
    for step, phase, size in curves.phases[1:]:
        axis.axvline(step, color="0.5", linestyle=":", linewidth=1)
        label = f"phase {phase}, {size} px" if several else f"{size} px"
        axis.annotate(
            label, (step, 1), xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right", fontsize=6
        )


def _running_mean(values: tuple[float, ...]) -> list[float]:
    """Over the last rows, fewer at the start."""
    window = max(1, min(_SMOOTHED, len(values) // 4))
    return [sum(values[max(0, k + 1 - window) : k + 1]) / min(k + 1, window) for k in range(len(values))]


class DrawCurves(Callback):
    """Draws ``curves.png`` when a training ends, whether it is done, interrupted or has failed.

    Args:
        metrics: ``metrics.csv`` of the run.
        path: Where the picture goes.
    """

    def __init__(self, metrics: Path, path: Path) -> None:
        self.metrics = metrics
        self.path = path

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draws."""
        self._draw(trainer)

    def on_exception(self, trainer: lightning.Trainer, *args: Any) -> None:  # noqa: ANN401 - a hook
        """Draws as far as it came."""
        self._draw(trainer)

    def _draw(self, trainer: lightning.Trainer) -> None:
        if not trainer.is_global_zero or not self.metrics.is_file() or not read_run_curves(self.metrics).values:
            return  # it ended before anything was noted
        buffer = io.BytesIO()
        plot_curves(self.metrics).savefig(buffer, format="png", dpi=110)
        survives_full_disk(f"{self.path.name} was not drawn", lambda: write_bytes(self.path, buffer.getvalue()))


__all__ = ["DrawCurves", "RunCurves", "plot_curves", "read_run_curves"]
