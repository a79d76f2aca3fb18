"""The command that exports a model."""

from typing import Any, Literal


def export(
    model: str,
    out: str,
    format: Literal["onnx", "pt2"] | None = None,  # noqa: A002 - the word that users know
    tasks: str | None = None,
    probabilities: bool = False,
    byte_pictures: bool = False,
    size: int | None = None,
    precision: Literal["fp32", "fp16", "int8"] = "fp32",
    overwrite: bool = False,
) -> None:
    """Export a model as one file that runs without its code, checked against the model before it is left there.

    The inputs are bg and fg_bg, the outputs mask and depth; batch, height and width are free. The file can be given
    wherever a model is expected, and runs without fgbgnet in anything that reads ONNX.

    Args:
        model: A model's or run's folder, or a floor: difference, compensated_difference.
        out: The file, e.g. model.onnx or model.pt2.
        format: onnx or pt2; by default by the end of --out.
        tasks: What the file computes: mask, depth, or mask,depth; all that the model computes by default.
        probabilities: Whether mask is a probability instead of a logit.
        byte_pictures: Whether the file takes bytes (B, H, W, C) instead of floats (B, C, H, W) in [0, 1].
        size: Fixes the pictures to this square, for models that have no graph for any size.
        precision: How an ONNX file stores its weights: fp32, fp16 or int8; it computes in fp32.
        overwrite: Replace a file that is there.
    """
    from fgbgnet.inference import export_model, load_model

    names: Any = None if tasks is None else [name.strip() for name in tasks.split(",") if name.strip()]
    report = export_model(
        load_model(model),
        out,
        format=format,
        tasks=names,
        probabilities=probabilities,
        byte_pictures=byte_pictures,
        size=size,
        precision=precision,
        overwrite=overwrite,
    )
    print(f"Wrote {report.summary()}")


__all__ = ["export"]
