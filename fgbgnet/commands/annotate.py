"""Commands that add to data."""

from typing import Any, Literal, cast


def depth(
    manifest: str,
    model: str,
    out: str,
    of: Literal["fg_bg", "bg"] = "fg_bg",
    batch_size: int = 8,
    device: str = "auto",
    normalise: str | None = None,
    value_range: tuple[float, float] | None = None,
    unit: str | None = None,
    direction: str | None = None,
) -> None:
    """Let a depth-estimation model guess the depth of pictures: writes 16-bit maps and a manifest.csv with them.

    Args:
        manifest: manifest.csv of the pictures.
        model: Folder of a depth-estimation model of Hugging Face, or its id there; mind its licence.
        out: Folder; an interrupted run is taken up again.
        of: fg_bg writes the column depth, bg the column depth_bg (the empty scene).
        batch_size: Pictures before the model at a time.
        device: cpu, cuda, mps, or auto: the fastest there is.
        normalise: per_image stretches every map to the full range; by default metres stay metres, and relative depth
            has one range for all pictures.
        value_range: Smallest and largest value of relative depth, to give several data sets one range.
        unit: metres or relative, where the model does not say it.
        direction: near_small (distance) or near_large (inverse depth), where the model does not say it.
    """
    from fgbgnet.data import Manifest
    from fgbgnet.files import check_output
    from fgbgnet.synth import annotate, load_teacher

    check_output(out, folder=True)
    table = Manifest.read(manifest)  # before a large model is fetched
    # Plain strings: the library's own checks name the nearest, the parser's do not.
    teacher = load_teacher(model, device, cast(Any, unit), cast(Any, direction))
    print(teacher)
    written = annotate(table, teacher, out, of, batch_size, cast(Any, normalise), value_range=value_range)
    print(f"Wrote {written}")


__all__ = ["depth"]
