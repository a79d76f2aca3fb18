"""Perturbations of a whole pair: those that need both pictures, the mask, or another sample."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.perturb import draws, objects
from fgbgnet.synth.perturb.registry import checked
from fgbgnet.synth.perturb.shapes import column
from fgbgnet.synth.perturb.steps import Draw, draw_rows
from fgbgnet.synth.streams import stream

Target: TypeAlias = Literal["bg", "fg_bg", "both"]
Layers: TypeAlias = Mapping[str, Tensor]
"""``bg``, ``fg_bg`` (B, 3, H, W), ``mask``, and perhaps ``depth``, ``depth_valid`` and ``alpha`` (B, 1, H, W)."""

PairOperation = Callable[[Layers, Layers, Tensor, Target], dict[str, Tensor]]


@dataclass(frozen=True)
class PairPerturbation:
    """One way in which a pair differs from a clean one, beyond what one picture alone can show.

    Args:
        name: Key in `PAIR_PERTURBATIONS`.
        meaning: What happens physically, the values at severities 1 to 5, and what the truth says.
        operation: ``(layers, partner layers, parameters, target) -> changed layers``.
        draw: Rule that draws its parameters.
        targets: Which pictures it can be applied to; the first is the default.
        needs_partner: Whether it shows something of another sample.
    """

    name: str
    meaning: str
    operation: PairOperation
    draw: Draw
    targets: tuple[Target, ...]
    needs_partner: bool = False

    def apply(
        self,
        layers: Layers,
        partners: Layers,
        severities: Sequence[float],
        seeds: Iterable[int],
        target: Target | None = None,
    ) -> dict[str, Tensor]:
        """The layers that change, for float32 or float64 pictures that were checked before."""
        streams = [stream(seed, self.name) for seed in seeds]
        parameters = draw_rows(self.draw, layers["bg"], severities, streams)
        return self.operation(layers, partners, parameters, target or self.targets[0])


def _mix(pictures: Tensor, colours: Tensor, cover: Tensor) -> Tensor:
    return (pictures + cover * (colours - pictures)).clamp_(0, 1)


def _unknown_depth(layers: Layers, where: Tensor) -> dict[str, Tensor]:
    """Depth and its validity where something of unknown distance has appeared."""
    changed = {}
    if "depth" in layers:
        changed["depth"] = layers["depth"].masked_fill(where, 0)
    if "depth_valid" in layers:
        changed["depth_valid"] = layers["depth_valid"] & ~where
    return changed


def _added(layers: Layers, partners: Layers, parameters: Tensor, target: Target) -> dict[str, Tensor]:
    colours, cover = objects.cut_out(partners["fg_bg"], partners["mask"], parameters)
    if target == "bg":
        return {"bg": _mix(layers["bg"], colours, cover)}
    new = cover >= 0.5
    seen = {"alpha": layers["alpha"] + cover * (1 - layers["alpha"])} if "alpha" in layers else {}
    return {
        **seen,
        "fg_bg": _mix(layers["fg_bg"], colours, cover),
        "mask": layers["mask"].masked_fill(new, 1),
        **_unknown_depth(layers, new),
    }


def _scenery(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> PairOperation:
    """A change of the scene itself, which on the frame stays behind the foreground."""

    def apply(layers: Layers, partners: Layers, parameters: Tensor, target: Target) -> dict[str, Tensor]:
        colours, cover = change(layers["bg"], parameters)
        if target == "bg":
            return {"bg": _mix(layers["bg"], colours, cover)}
        cover = cover * (1 - layers["mask"])
        return {"fg_bg": _mix(layers["fg_bg"], colours, cover), **_unknown_depth(layers, cover > 0)}

    return apply


def _same_colour(layers: Layers, partners: Layers, parameters: Tensor, target: Target) -> dict[str, Tensor]:
    return {"fg_bg": objects.recolour(layers["fg_bg"], layers["bg"], layers["mask"], parameters)}


def _wrong_background(layers: Layers, partners: Layers, parameters: Tensor, target: Target) -> dict[str, Tensor]:
    return {"bg": _mix(layers["bg"], partners["bg"], column(parameters, 0))}


def _empty(layers: Layers, partners: Layers, parameters: Tensor, target: Target) -> dict[str, Tensor]:
    nothing = {key: torch.zeros_like(layers[key]) for key in ("mask", "alpha") if key in layers}
    if target == "bg":
        return {"bg": layers["fg_bg"].clone(), **nothing}
    return {"fg_bg": layers["bg"].clone(), **nothing, **_unknown_depth(layers, layers["mask"] > 0)}


PAIR_PERTURBATIONS: dict[str, PairPerturbation] = {
    item.name: item
    for item in (
        PairPerturbation(
            "same_colour",
            "The foreground wears the colours of the background behind it: 25 to 95 % of the difference of the "
            "coarse colours goes, its texture stays. Mask and depth stay.",
            _same_colour,
            draws.same_colour,
            ("fg_bg",),
        ),
        PairPerturbation(
            "removed_object",
            "A piece of the scene with a radius of 4 to 19 % of the shorter side, here and there up to half as much "
            "again, is missing in the background; what is around goes on there. It belongs to the scene, so the mask "
            "does not show it.",
            _scenery(objects.remove),
            draws.removed,
            ("bg", "fg_bg"),
        ),
        PairPerturbation(
            "moved_object",
            "A piece of the scene of the same sizes stands 2 to 16 % of the shorter side elsewhere in the background. "
            "The mask shows neither place.",
            _scenery(objects.move),
            draws.moved,
            ("bg", "fg_bg"),
        ),
        PairPerturbation(
            "added_object",
            "Something of 10 to 50 % of the shorter side stood in the scene when the background was taken and is gone "
            "in the frame: the foreground of another sample. The mask does not show it.",
            _added,
            draws.cut_out,
            ("bg", "fg_bg"),
            needs_partner=True,
        ),
        PairPerturbation(
            "wrong_background",
            "The background of another scene shines through, 15, 30, 50, 75 %, or stands there alone. The mask still "
            "shows the foreground.",
            _wrong_background,
            draws.wrong_background,
            ("bg",),
            needs_partner=True,
        ),
        PairPerturbation(
            "empty",
            "Nothing new: the background is the frame itself. The mask is empty, the depth stays. All severities are "
            "alike.",
            _empty,
            draws.empty,
            ("bg", "fg_bg"),
        ),
    )
}
"""Every perturbation of a pair by name, in the order in which several are applied."""


def checked_layers(batch: Layers, shape: torch.Size | None = None) -> dict[str, Tensor]:
    """The two pictures and the mask of a batch.

    Args:
        batch: Any mapping.
        shape: That the pictures must have, (B, 3, H, W); any by default.

    Raises:
        InvalidArgumentError: If one is missing, of another size, or no picture in [0, 1].
    """
    missing = [key for key in ("bg", "fg_bg", "mask") if key not in batch]
    if missing:
        raise InvalidArgumentError(f"the batch has {sorted(batch)}; {missing} missing, expected bg, fg_bg and mask")
    layers = {key: checked(batch[key], "(B, 3, H, W)") for key in ("bg", "fg_bg")} | {"mask": batch["mask"]}
    shape = shape or layers["bg"].shape
    for key, layer in layers.items():
        expected = (*shape[:1], 1 if key == "mask" else 3, *shape[2:])
        if layer.shape != expected:
            raise InvalidArgumentError(f"{key} has the shape {tuple(layer.shape)}; expected {expected}")
        if layer.dtype != layers["bg"].dtype:
            raise InvalidArgumentError(
                f"{key} holds {layer.dtype}, bg {layers['bg'].dtype}; expected one type of float"
            )
    return layers


def next_in_batch(layers: Layers) -> dict[str, Tensor]:
    """A partner for each sample: its successor, the first for the last; a lone sample is its own, mirrored."""
    if len(layers["bg"]) == 1:
        return {key: layers[key].flip(-1) for key in ("bg", "fg_bg", "mask")}
    return {key: layers[key].roll(-1, 0) for key in ("bg", "fg_bg", "mask")}


__all__ = ["PAIR_PERTURBATIONS", "Layers", "PairPerturbation", "Target", "checked_layers", "next_in_batch"]
