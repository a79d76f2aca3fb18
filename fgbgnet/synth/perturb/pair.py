"""One function that applies any perturbation to a pair, and keeps mask and depth true."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.perturb.geometry import Sources
from fgbgnet.synth.perturb.pairs import PAIR_PERTURBATIONS, Target, checked_layers, next_in_batch
from fgbgnet.synth.perturb.registry import PERTURBATIONS, check_severity, integers
from fgbgnet.synth.perturb.steps import Perturbation
from fgbgnet.synth.streams import stream


def perturb_pair(
    batch: Mapping[str, Any],
    name: str,
    severity: float,
    seeds: Iterable[int] | Tensor | torch.Generator,
    target: Target | None = None,
    partners: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Perturbs the pairs of a batch; each depends on its own seed, and its partner, alone.

    A perturbation that moves pixels of the frame moves every other layer of its size but ``bg`` with it, without
    interpolation: the mask stays binary, and no depth appears that was not there. What it uncovers shows the picture
    mirrored, with the mask mirrored alike; depth is 0 and not valid there.

    With the target ``"both"``, what belongs to one exposure (noise, motion blur, JPEG, and all of ``mixed``) is drawn
    for each picture alone; everything else is one draw for both, such as the same shadow in both pictures, or both
    moved alike.

    Args:
        batch: ``bg``, ``fg_bg`` (B, 3, H, W) floats, RGB in [0, 1]; ``mask`` (B, 1, H, W), 0 or 1; perhaps ``depth``
            and ``depth_valid`` (bool), and ``alpha`` (floats, the opacity of the foreground), (B, 1, H, W). Anything
            else is passed on.
        name: Key of `PERTURBATIONS` or `PAIR_PERTURBATIONS`.
        severity: As for `perturb`, from 0 to 5; ``empty`` is the same at all of them.
        seeds: One integer per sample, or a generator that draws them.
        target: The picture that changes: ``"bg"``, ``"fg_bg"`` or ``"both"``. By default the background, and for
            ``same_colour`` the frame.
        partners: Another sample for each, from which objects and wrong backgrounds are taken: ``bg``, ``fg_bg`` and
            ``mask`` of the same shapes. By default the next sample of the batch, or for a lone one itself, mirrored.
            The next sample may show the same background; whoever knows the backgrounds gives partners, as `evaluate`
            does.

    Returns:
        A new dictionary with new tensors where something changed.

    Raises:
        UnknownNameError: If there is no such perturbation or target.
        InvalidArgumentError: If a layer, the severity or the seeds do not fit, or the perturbation cannot be applied to
            the target.

    >>> batch = {"bg": torch.rand(2, 3, 32, 32), "fg_bg": torch.rand(2, 3, 32, 32), "mask": torch.ones(2, 1, 32, 32)}
    >>> worse = perturb_pair(batch, "gain", 3, seeds=[1, 2])
    >>> torch.equal(worse["fg_bg"], batch["fg_bg"]), torch.equal(worse["bg"], batch["bg"])
    (True, False)
    >>> perturb_pair(batch, "empty", 3, seeds=[1, 2])["mask"].sum().item()
    0.0
    """
    check_pair_perturbation(name, severity, target)
    layers = checked_layers(batch)
    count = len(layers["mask"])
    numbers = integers(seeds, count)
    if not numbers:
        return dict(batch)
    if name in PERTURBATIONS:
        changed = _perturb_pictures(
            {**batch, **layers}, PERTURBATIONS[name], [severity] * count, numbers, target or "bg"
        )
    else:
        others = next_in_batch(layers) if partners is None else checked_layers(partners, layers["bg"].shape)
        labels = {key: batch[key] for key in ("depth", "depth_valid", "alpha") if key in batch}
        changed = PAIR_PERTURBATIONS[name].apply(
            {**exact(layers), **labels}, exact(others), [severity] * count, numbers, target
        )
    # Half precision is computed in float32 and rounded once.
    return {**batch, **{key: layer.to(batch[key].dtype) for key, layer in changed.items()}}


def check_pair_perturbation(name: str, severity: float, target: Target | None = None) -> None:
    """Refuses what `perturb_pair` cannot do, before any work is done.

    Raises:
        UnknownNameError: If there is no such perturbation or target.
        InvalidArgumentError: If the severity is out of range, or the perturbation cannot be applied to the target.
    """
    known = [*PERTURBATIONS, *PAIR_PERTURBATIONS]
    if name not in known:
        raise UnknownNameError(
            "perturbation", name, known, "PERTURBATIONS and PAIR_PERTURBATIONS of fgbgnet.synth list all."
        )
    if target is not None and target not in get_args(Target):
        raise UnknownNameError("target", str(target), get_args(Target))
    allowed = PAIR_PERTURBATIONS[name].targets if name in PAIR_PERTURBATIONS else get_args(Target)
    if target is not None and target not in allowed:
        raise InvalidArgumentError(f"{name} cannot be applied to {target!r}; expected one of {list(allowed)}")
    check_severity(severity)


def exact(layers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Layers in a precision in which parameters are exact: half precision as float32."""
    return {key: layer if layer.dtype == torch.float64 else layer.float() for key, layer in layers.items()}


def _perturb_pictures(
    batch: Mapping[str, Any], perturbation: Perturbation, severities: Sequence[float], seeds: list[int], target: Target
) -> dict[str, Tensor]:
    changed: dict[str, Tensor] = {}
    if target != "fg_bg":
        changed["bg"] = perturbation.apply(batch["bg"], severities, seeds)
    if target == "bg":
        return changed
    if target == "both" and perturbation.independent:
        seeds = [int(stream(seed, "fg_bg").integers(2**62)) for seed in seeds]
    changed["fg_bg"] = perturbation.apply(batch["fg_bg"], severities, seeds)
    if perturbation.geometric:
        frame = changed["fg_bg"]
        sources = Sources(perturbation.moves(exact({"fg_bg": frame})["fg_bg"], severities, seeds), *frame.shape[-2:])
        changed |= _moved_labels(batch, sources, frame)
    return changed


def _moved_labels(batch: Mapping[str, Any], sources: Sources, frame: Tensor) -> dict[str, Tensor]:
    """Everything of the size of the frame but the pictures, moved with it."""
    covered = sources.covered.to(frame.device)
    changed = {}
    for key, layer in batch.items():
        of_its_size = isinstance(layer, Tensor) and layer.ndim == 4 and layer.shape[-2:] == frame.shape[-2:]
        if of_its_size and key not in ("bg", "fg_bg"):
            moved = sources.take(layer)
            changed[key] = moved.masked_fill(~covered, 0) if key.startswith("depth") else moved
    return changed


__all__ = ["check_pair_perturbation", "exact", "perturb_pair"]
