"""The command that uses a model on pictures and videos."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import check_output

if TYPE_CHECKING:
    from fgbgnet.inference import Pair
    from fgbgnet.models import PredictMixin

_FAILURES_SHOWN = 20


def predict(
    model: str,
    out: str,
    bg: str | None = None,
    fg_bg: str | None = None,
    data: str | None = None,
    threshold: float = 0.5,
    tile: int | None = None,
    flip: bool = False,
    batch_size: int = 8,
    workers: int | None = None,
    overwrite: bool = False,
    device: str | None = None,
) -> int:
    """Predict mask and depth: of one pair of pictures, of folders or a manifest, or of a video.

    One pair: mask.png, depth.png (16 bit) and overview.png. Folders and manifests: mask/NAME.png and depth/NAME.png;
    what is there already is skipped, and pictures that cannot be read are listed at the end. A video: the same video
    with the foreground tinted.

    Args:
        model: A model's or run's folder, an exported file, or a floor: difference, compensated_difference.
        out: Folder for the result; for a video the new video, .avi or .mp4.
        bg: The clean background picture; or a folder with one for each picture of fg_bg, of the same name.
        fg_bg: The picture of the same scene with something new in it; or a folder of such pictures, or a video.
        data: A manifest.csv, instead of bg and fg_bg.
        threshold: Probability above which a pixel is foreground.
        tile: Side of the tiles in pixels by which pictures are seen at their own size; whole by default.
        flip: Whether to average with what is said of the mirror image; takes twice the time.
        batch_size: Pairs of a folder or manifest per step.
        workers: Threads that read and write; by default one for each CPU, but at most 8.
        overwrite: Whether to remove the results of earlier runs in out first.
        device: Where to compute, such as cpu or cuda:1; by default a GPU if there is one.
    """
    from fgbgnet.data.storage import is_folder
    from fgbgnet.inference import folder_pairs, manifest_pairs, predict_video
    from fgbgnet.inference.sources import VIDEO_SUFFIXES

    bg, fg_bg = _checked_input(bg, fg_bg, data)
    video = Path(fg_bg).suffix.lower() in VIDEO_SUFFIXES and not is_folder(fg_bg)
    check_output(out, folder=not video)
    wrapped = _wrapped(model, tile, flip, device, progress=not is_folder(fg_bg) and not video and data is None)
    if data is not None or is_folder(fg_bg):
        pairs = folder_pairs(bg, fg_bg) if data is None else manifest_pairs(data)
        return _many(wrapped, pairs, out, threshold, batch_size, workers, overwrite)
    if video:
        print(f"Wrote {predict_video(wrapped, bg, fg_bg, out, threshold=threshold)} frames to {out}")
    else:
        print(f"Wrote {wrapped.predict(bg, fg_bg, threshold=threshold).save(out)}")
    return 0


def _checked_input(bg: str | None, fg_bg: str | None, data: str | None) -> tuple[str, str]:
    if data is not None:
        if bg is not None or fg_bg is not None:
            raise InvalidArgumentError("--data came with --bg or --fg-bg; a manifest names both, so give it alone")
        return "", ""
    if bg is None or fg_bg is None:
        missing = " and ".join(name for name, value in (("--bg", bg), ("--fg-bg", fg_bg)) if value is None)
        raise InvalidArgumentError(f"{missing} missing; expected --bg and --fg-bg, or --data with a manifest")
    return bg, fg_bg


def _wrapped(name: str, tile: int | None, flip: bool, device: str | None, progress: bool) -> "PredictMixin":
    """The model, on its device, as the options want it."""
    import torch

    from fgbgnet.inference import FlipAveraged, TiledModel, load_model

    model = load_model(name)
    try:
        model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (RuntimeError, AssertionError) as error:  # torch has either for a device that it does not have
        raise InvalidArgumentError(f"--device {device} cannot be used: {str(error).splitlines()[0]}") from error
    if flip:
        model = FlipAveraged(model)
    return model if tile is None else TiledModel(model, tile, progress=progress)


def _many(
    model: "PredictMixin",
    pairs: "list[Pair]",
    out: str,
    threshold: float,
    batch_size: int,
    workers: int | None,
    overwrite: bool,
) -> int:
    from fgbgnet.inference import predict_pairs

    report = predict_pairs(
        model, pairs, out, threshold=threshold, batch_size=batch_size, workers=workers, overwrite=overwrite
    )
    skipped = f", {report.skipped} were there already" if report.skipped else ""
    print(f"Wrote the results of {report.written} pairs to {out}{skipped}")
    for name, why in list(report.failed.items())[:_FAILURES_SHOWN]:
        print(f"failed: {name}: {why}", file=sys.stderr)
    if len(report.failed) > _FAILURES_SHOWN:
        print(f"failed: {len(report.failed) - _FAILURES_SHOWN} more", file=sys.stderr)
    return 1 if report.failed else 0


__all__ = ["predict"]
