"""Commands that take recordings of fixed cameras in."""

import json
import warnings
from pathlib import Path
from typing import Any, Literal

from fgbgnet.errors import FgBgWarning, InvalidArgumentError
from fgbgnet.files import check_output


def recordings(
    data: str,
    kind: Literal["cdnet2014", "sbm-rgbd", "ocid"],
    out: str,
    only: str | None = None,
    every: int = 1,
    background_frames: int = 50,
    bootstrapping: Literal["skip", "masked_median"] = "skip",
    depth_unit: Literal["metres", "relative"] | None = None,
) -> None:
    """Take in CDnet-2014, SBM-RGBD or OCID as they are on disk: writes backgrounds, masks and a manifest.csv.

    Frames and depth stay where they are. Nothing is downloaded.

    Args:
        data: Folder of the data set, or of a part of it; may lie in a zip archive.
        kind: Which data set it is.
        out: Folder; an interrupted run is taken up again.
        only: Parts to take, such as baseline,shadow/bungalows; all by default.
        every: Take every n-th frame with ground truth; not for ocid.
        background_frames: Most frames of which the median makes a background; not for ocid.
        bootstrapping: Recordings without frames before the first foreground; skip leaves them out, masked_median makes
            a background of labelled frames without their foreground; not for ocid.
        depth_unit: List only depth of this unit; for sbm-rgbd, whose recordings differ in it.
    """
    from fgbgnet.data import index_cdnet, index_ocid, index_sbm_rgbd

    check_output(out, folder=True)
    options: dict[str, Any] = {"only": None if only is None else [name.strip() for name in only.split(",")]}
    chosen: dict[str, Any] = {"every": every, "background_frames": background_frames, "bootstrapping": bootstrapping}
    given = [name for name, value in chosen.items() if value != {"every": 1, "background_frames": 50}.get(name, "skip")]
    if kind == "ocid" and given:
        raise InvalidArgumentError(f"--{given[0].replace('_', '-')} is not for ocid, whose backgrounds are its frames")
    if kind != "sbm-rgbd" and depth_unit is not None:
        raise InvalidArgumentError(
            f"--depth-unit is for sbm-rgbd; {kind} has {'metres' if kind == 'ocid' else 'no depth'}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FgBgWarning)  # the table tells what was left out
        if kind == "ocid":
            manifest = index_ocid(data, out, **options)
        elif kind == "cdnet2014":
            manifest = index_cdnet(data, out, **options, **chosen)
        else:
            manifest = index_sbm_rgbd(data, out, **options, **chosen, depth_unit=depth_unit)
    _show(json.loads((Path(out) / "recordings.json").read_text(encoding="utf-8"))["recordings"])
    print(f"Wrote {Path(out) / 'manifest.csv'}: {len(manifest)} samples")


def _show(reports: list[dict[str, Any]]) -> None:
    """Prints what became of every recording."""
    width = max(len("recording"), *(len(report["name"]) for report in reports))
    print(f"{'recording':<{width}}{'samples':>9}  {'background':<26}{'depth':<10}")
    for report in reports:
        source = f"{report['background']}, {report['background_frames']} frames" if report["background_frames"] else ""
        line = f"{report['name']:<{width}}{report['samples']:>9}  {source or report['background'] or '-':<26}"
        remarks = ([f"left out: {report['left_out']}"] if report["left_out"] else []) + report["notes"]
        print(f"{line}{report['depth_unit'] or '-':<10}{'; '.join(remarks)}".rstrip())


__all__ = ["recordings"]
