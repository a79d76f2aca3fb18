"""Which function of 8 bits stands for which of tensors."""

from collections.abc import Callable
from typing import Any

from fgbgnet.data.arrays import ByteArray
from fgbgnet.synth.perturb import light, optics, sensor, tones
from fgbgnet.synth.perturb.eightbit import (
    light as eightbit_light,
    optics as eightbit_optics,
    sensor as eightbit_sensor,
    tones as eightbit_tones,
)

OPERATIONS: dict[Callable[..., Any], Callable[..., ByteArray]] = {
    tones.linear: eightbit_tones.linear,
    tones.gamma: eightbit_tones.gamma,
    tones.clip: eightbit_tones.clip,
    light.shadow: eightbit_light.shadow,
    light.cast_shadow: eightbit_light.cast_shadow,
    light.dappled_shadow: eightbit_light.dappled_shadow,
    light.relight: eightbit_light.relight,
    light.reflection: eightbit_light.reflection,
    light.glare: eightbit_light.glare,
    optics.blur: eightbit_optics.blur,
    optics.motion_blur: eightbit_optics.motion_blur,
    sensor.noise: eightbit_sensor.noise,
    sensor.jpeg: eightbit_sensor.jpeg,
}
"""For every operation that moves no pixels its twin."""

__all__ = ["OPERATIONS"]
