"""Tables of training, made from the result files in ``results/training/``."""

import race_tables
from synth_tables import NOT_YET, _command, _load, _table

MASK = ("IoU, clean", "IoU, imperfect", "boundary IoU, imperfect", "false alarms, empty")
DEPTH = ("AbsRel", "AbsRel, aligned", "AbsRel, contour", "RMSE", "d1")


def _losses(folder, group, columns, head=False):
    """Rows of the study of losses whose names begin with the group."""
    path = folder / "losses.json"
    if not path.exists():
        return NOT_YET
    content = _load(path)
    rows = [
        [name.removeprefix(f"{group}: "), row["seeds"], *(_spread(row["figures"][column]) for column in columns)]
        for name, row in content["rows"].items()
        if name.startswith(f"{group}: ")
    ]
    parts = [_table(["", "seeds", *columns], [[str(cell) for cell in row] for row in rows])]
    if head:
        budget = content["budget"]
        text = (
            f"{budget['scenes']} rooms, {budget['steps']} steps of {budget['batch']}; "
            f"{budget['test_scenes']} rooms to judge on."
        )
        parts = [_command(content), text, *parts]
    return "\n\n".join(parts)


def _spread(figure):
    if figure["low"] == figure["high"]:
        return f"{figure['mean']:.3f}"
    return f"{figure['mean']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def mask_losses(folder):
    """Figures of the losses of the mask."""
    return _losses(folder, "mask", MASK, head=True)


def depth_losses(folder):
    """Figures of the losses of the depth."""
    return _losses(folder, "depth", DEPTH)


def balances(folder):
    """Figures of both tasks under every balance."""
    return _losses(folder, "both", (*MASK[1:3], *DEPTH[:2]))


TABLES = {"mask losses": mask_losses, "depth losses": depth_losses, "balances": balances} | race_tables.TABLES
