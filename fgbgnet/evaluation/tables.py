"""Figures of an evaluation as HTML tables, and what they mean in words."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fgbgnet.evaluation.evaluate import Evaluation

FLOOR_TITLES = {
    "difference": "difference",
    "difference_oracle": "difference, best threshold on these pictures",
    "compensated_difference": "exposure-compensated difference",
    "compensated_difference_oracle": "exposure-compensated difference, best threshold on these pictures",
    "global_mean": "global mean depth",
    "background_mean": "mean depth of the same background",
}


class Column(NamedTuple):
    """A column of a table: where its figure is found, what it is called, and which way is up."""

    key: str
    title: str
    higher_is_better: bool


MASK_COLUMNS = (
    Column("iou", "IoU", True),
    Column("iou_image_mean", "IoU, image mean", True),
    Column("f1", "F1", True),
    Column("boundary_iou", "Boundary IoU", True),
    Column("precision", "Precision", True),
    Column("recall", "Recall", True),
    Column("mae", "MAE", False),
    Column("fpr_empty", "False alarms on empty pictures", False),
)
DEPTH_COLUMNS = (
    Column("rmse", "RMSE", False),
    Column("abs_rel", "AbsRel", False),
    Column("d1", "δ<sub>1</sub>", True),
    Column("d2", "δ<sub>2</sub>", True),
    Column("silog", "SILog", False),
    Column("foreground.rmse", "RMSE, foreground", False),
    Column("foreground.abs_rel", "AbsRel, foreground", False),
    Column("contour.abs_rel", "AbsRel, contour", False),
)


def task_tables(name: str, evaluation: Evaluation) -> str:
    """Verdicts and tables of the tasks that an evaluation has.

    Args:
        name: Title of the evaluation, for the verdict.
        evaluation: The figures.

    Returns:
        HTML.
    """
    parts = []
    for task, figures, columns in (
        ("mask", evaluation.mask, MASK_COLUMNS),
        ("depth", evaluation.depth, DEPTH_COLUMNS),
    ):
        if figures is None:
            continue
        floors = {key: floor for key, floor in evaluation.floors.items() if columns[0].key in floor}
        parts.append(f"<h3>{task.capitalize()}</h3>")
        parts.append(f'<p class="verdict">{html.escape(verdict(name, evaluation, task))}</p>')
        rows = {"<b>model</b>": figures} | {html.escape(_title(key, floor)): floor for key, floor in floors.items()}
        parts.append(_table(rows, columns))
    return "".join(parts)


def verdict(name: str, evaluation: Evaluation, task: str) -> str:
    r"""One sentence that sets the model's main figure beside the best floor, whichever way it turns out.

    Args:
        name: Title of the evaluation.
        evaluation: The figures.
        task: ``"mask"`` (pooled IoU) or ``"depth"`` (RMSE).

    Returns:
        Plain text.

    Example:
        >>> worse = Evaluation(2, {"iou": 0.5}, None, {"difference": {"iou": 0.75}}, {})
        >>> print(verdict("Clean", worse, "mask").replace(", 0", ",\n0"))
        Clean: the model has a pooled IoU of 0.500,
        0.250 below the best floor (difference: 0.750). The floor is better here.
    """
    column = (MASK_COLUMNS if task == "mask" else DEPTH_COLUMNS)[0]
    unit = " m" if task == "depth" and evaluation.protocol.get("depth_unit") == "metres" else ""
    noun = "a pooled IoU" if task == "mask" else "an RMSE"
    own = figure(getattr(evaluation, task), column.key)
    if not math.isfinite(own):
        return f"{name}: there is no true {task} to compare with."
    start = f"{name}: the model has {noun} of {own:.3f}{unit}"
    floors = {key: figure(floor, column.key) for key, floor in evaluation.floors.items()}
    floors = {key: value for key, value in floors.items() if math.isfinite(value)}
    if not floors:
        return f"{start}; no floor was computed."
    choose = max if column.higher_is_better else min
    best = choose(floors, key=floors.__getitem__)
    floor = f"the best floor ({_title(best, evaluation.floors[best])}: {floors[best]:.3f}{unit})"
    margin = own - floors[best]
    if abs(margin) < 5e-4:
        return f"{start}, no different from {floor}."
    side = "above" if margin > 0 else "below"
    better = "model" if (margin > 0) == column.higher_is_better else "floor"
    return f"{start}, {abs(margin):.3f}{unit} {side} {floor}. The {better} is better here."


def figure(figures: Mapping[str, Any] | None, key: str) -> float:
    """The figure under a key, with a dot between a region and its figure; nan if there is none."""
    value: Any = figures
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return math.nan if value is None else float(value)


def _title(key: str, floor: Mapping[str, Any]) -> str:
    title = FLOOR_TITLES.get(key, key.replace("_", " "))
    if "threshold" in floor:
        title += f" ({floor['threshold'] * 255:.4g}/255)"
    if floor.get("coverage", 1) < 1:
        title += f" (known for {100 * floor['coverage']:.0f} %)"
    return title


def _table(rows: Mapping[str, Mapping[str, Any]], columns: Sequence[Column]) -> str:
    head = "".join(f'<th scope="col">{c.title}&nbsp;{"↑" if c.higher_is_better else "↓"}</th>' for c in columns)
    best = {}
    for column in columns:
        values = [value for row in rows.values() if math.isfinite(value := figure(row, column.key))]
        best[column.key] = (max if column.higher_is_better else min)(values, default=math.nan)
    body = []
    for title, row in rows.items():
        cells = "".join(_cell(figure(row, column.key), best[column.key]) for column in columns)
        body.append(f'<tr><th scope="row">{title}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">Method</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cell(value: float, best: float) -> str:
    if not math.isfinite(value):
        return "<td>&ndash;</td>"
    # Equal at the printed precision is equally good to a reader.
    text = f"{value:.3f}"
    return f'<td class="best">{text}</td>' if text == f"{best:.3f}" else f"<td>{text}</td>"


__all__ = ["FLOOR_TITLES", "figure", "task_tables", "verdict"]
