"""Named perturbations with severities 1 to 5, and the function that applies them."""

import numbers
import operator
from collections.abc import Iterable

import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError, UnknownNameError
from fgbgnet.synth.perturb import draws, geometry, light, optics, sensor, tones
from fgbgnet.synth.perturb.steps import MAX_SEVERITY, NoiseStep, Perturbation, Step, WarpStep

_MIXED = (
    WarpStep(geometry.affine, draws.milder(draws.shift, 0.8)),
    Step(light.shadow, draws.milder(draws.soft_shadow, 0.8)),
    Step(tones.linear, draws.milder(draws.gain, 0.7)),
    Step(tones.linear, draws.milder(draws.white_balance, 0.6)),
    NoiseStep(sensor.noise, draws.milder(draws.noise, 0.5)),
    Step(sensor.jpeg, draws.milder(draws.jpeg, 0.7)),
)

PERTURBATIONS: dict[str, Perturbation] = {
    item.name: item
    for item in (
        Perturbation(
            "shift",
            "The camera was nudged: 0.25, 0.5, 1, 2, 3 % of the shorter side in a random direction.",
            (WarpStep(geometry.affine, draws.shift),),
        ),
        Perturbation(
            "rotate",
            "The camera turned about its axis: 0.2, 0.4, 0.8, 1.4, 2 degrees.",
            (WarpStep(geometry.affine, draws.rotate),),
        ),
        Perturbation(
            "zoom",
            "The camera zoomed: by 0.4, 0.8, 1.5, 2.5, 4 %, in or out.",
            (WarpStep(geometry.affine, draws.zoom),),
        ),
        Perturbation(
            "perspective",
            "The camera was turned and moved: each corner by 0.3, 0.6, 1.2, 2.2, 3.5 % of the shorter side.",
            (WarpStep(geometry.perspective, draws.perspective),),
        ),
        Perturbation(
            "stale_light",
            "Another time of day: a smooth field of light of another colour, up to 1.1 to 2 times as bright or dark.",
            (Step(light.relight, draws.stale_light),),
        ),
        Perturbation(
            "soft_shadow",
            "A shadow with a wide penumbra, 12 to 60 % darker and bluish, as all shadows.",
            (Step(light.shadow, draws.soft_shadow),),
        ),
        Perturbation(
            "hard_shadow",
            "A shadow with a sharp contour, 12 to 60 % darker.",
            (Step(light.shadow, draws.hard_shadow),),
        ),
        Perturbation(
            "cast_shadow",
            "Long shadows of one to three upright things, 12 to 60 % darker, softer with distance.",
            (Step(light.cast_shadow, draws.cast_shadow),),
        ),
        Perturbation(
            "dappled_shadow",
            "The shadow of leaves with patches of sun, 12 to 60 % darker.",
            (Step(light.dappled_shadow, draws.dappled_shadow),),
        ),
        Perturbation(
            "reflection",
            "A pane of glass mirrors the picture itself, blurred, with 6 to 45 % of its light.",
            (Step(light.reflection, draws.reflection),),
        ),
        Perturbation(
            "glare", "A streak of light across the lens, up to 8 to 60 % of white.", (Step(light.glare, draws.glare),)
        ),
        Perturbation(
            "defocus", "Out of focus: blur of 0.25 to 1.2 % of the shorter side.", (Step(optics.blur, draws.defocus),)
        ),
        Perturbation(
            "motion_blur",
            "The camera moved during the exposure, by 0.5 to 3.5 % of the shorter side.",
            (Step(optics.motion_blur, draws.motion_blur),),
            independent=True,
        ),
        Perturbation(
            "gain", "Exposure: every value times 1.05 to 1.57 or divided by it.", (Step(tones.linear, draws.gain),)
        ),
        Perturbation(
            "offset", "Stray light or black level: 2 to 16 % of full scale.", (Step(tones.linear, draws.offset),)
        ),
        Perturbation("gamma", "Tone curve: exponent 1.08 to 1.7 or its inverse.", (Step(tones.gamma, draws.gamma),)),
        Perturbation(
            "white_balance",
            "Colour temperature and tint: red against blue by 3 to 22 % each.",
            (Step(tones.linear, draws.white_balance),),
        ),
        Perturbation(
            "clipping",
            "Exposed beyond the range and developed back: all above 95 to 64 % of white, or below 4 to 22 %, is lost.",
            (Step(tones.clip, draws.clipping),),
        ),
        Perturbation(
            "noise",
            "Sensor noise: sigma 0.6 to 5 % at black, more at white.",
            (NoiseStep(sensor.noise, draws.noise),),
            independent=True,
        ),
        Perturbation(
            "jpeg", "Compression: quality 85, 70, 50, 32, 18.", (Step(sensor.jpeg, draws.jpeg),), independent=True
        ),
        Perturbation("mixed", "Shift, shadow, gain, white balance, noise and JPEG together.", _MIXED, independent=True),
    )
}
"""Every perturbation by name, in the physical order: geometry, light, lens, exposure, sensor, codec."""


def checked(pictures: Tensor, shape: str) -> Tensor:
    """Pictures that are floats in [0, 1]; up to 1e-3 beside that, as resizing leaves it, is cut off.

    Raises:
        InvalidArgumentError: If they are no floats, out of range, or NaN.
    """
    found = f"{pictures.dtype} of shape {tuple(pictures.shape)}"
    if pictures.ndim != shape.count(",") + 1 or pictures.shape[-3] != 3 or not pictures.is_floating_point():
        raise InvalidArgumentError(f"pictures are {found}; expected floats {shape} in [0, 1]")
    if 0 in pictures.shape[-3:]:
        raise InvalidArgumentError(f"pictures have no pixels: {found}")
    if pictures.numel() == 0:
        return pictures
    low, high = (bound.item() for bound in pictures.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also catches NaN
        raise InvalidArgumentError(
            f"pictures hold values from {low:g} to {high:g}; expected [0, 1]: divide by 255, or perturb before "
            "normalising"
        )
    return pictures if low >= 0 and high <= 1 else pictures.clamp(0, 1)


def integers(seeds: Iterable[int] | Tensor | torch.Generator, count: int) -> list[int]:
    """One seed per picture, drawn if a generator came.

    Raises:
        InvalidArgumentError: If they are no integers, or not as many as pictures.
    """
    if isinstance(seeds, torch.Generator):
        seeds = torch.randint(2**62, (count,), generator=seeds, device=seeds.device)
    try:
        whole = [operator.index(seed) for seed in (seeds.tolist() if isinstance(seeds, Tensor) else seeds)]
    except TypeError:
        raise InvalidArgumentError(
            f"seeds is {seeds!r}; expected one integer per picture ([5] for one), or a torch.Generator"
        ) from None
    if len(whole) != count:
        raise InvalidArgumentError(f"{len(whole)} seeds came for {count} pictures; expected one seed per picture")
    return whole


def check_severity(severity: object) -> None:
    """Refuses a severity that is no number, below 0 or above 5."""
    number = isinstance(severity, numbers.Real) and not isinstance(severity, bool)
    if not (number and 0 <= severity <= MAX_SEVERITY):  # type: ignore[operator]
        raise InvalidArgumentError(f"severity is {severity!r}; expected a number from 0 to {MAX_SEVERITY}")


def perturb(pictures: Tensor, name: str, severity: float, seeds: Iterable[int] | Tensor | torch.Generator) -> Tensor:
    """Perturbs a batch; each picture depends on its own seed alone, whatever stands beside it.

    Args:
        pictures: Floats (B, 3, H, W), RGB in [0, 1]. Half precision is computed in float32 and rounded at the end.
        name: Key of `PERTURBATIONS`.
        severity: 1 (barely visible) to 5 (as bad as real captures get); values between, and 0, are allowed. At 0 hardly
            anything changes, but for the codec, which has quality 97 then.
        seeds: One integer per picture, or a generator that draws them.

    Returns:
        Pictures of the same shape and type, in [0, 1].

    Raises:
        UnknownNameError: If there is no such perturbation.
        InvalidArgumentError: If the shape, the range, the severity or the seeds do not fit.

    >>> pictures = torch.rand(2, 3, 32, 32)
    >>> both = perturb(pictures, "mixed", 3, seeds=[1, 2])
    >>> torch.equal(both[1:], perturb(pictures[1:], "mixed", 3, seeds=[2]))
    True
    """
    if name not in PERTURBATIONS:
        raise UnknownNameError(
            "perturbation", name, PERTURBATIONS, "fgbgnet.synth.PERTURBATIONS lists all; perturb_pair knows more."
        )
    pictures = checked(pictures, "(B, 3, H, W)")
    check_severity(severity)
    own = integers(seeds, len(pictures))
    if not own:
        return pictures.clone()
    return PERTURBATIONS[name].apply(pictures, [severity] * len(own), own)


__all__ = ["PERTURBATIONS", "check_severity", "checked", "integers", "perturb"]
