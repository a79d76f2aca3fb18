"""Procedural rooms and streets with something new in them: pictures, exact masks, exact depth."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.arguments import Size, height_and_width, integer
from fgbgnet.synth.scenes.draws import Draws
from fgbgnet.synth.scenes.enclosure import draw_enclosures
from fgbgnet.synth.scenes.geometry import Array
from fgbgnet.synth.scenes.layout import camouflage, draw_foregrounds, draw_furniture
from fgbgnet.synth.scenes.placing import assemble
from fgbgnet.synth.scenes.props import props
from fgbgnet.synth.scenes.rendering import SceneBatch, render
from fgbgnet.synth.scenes.textures import TextureBank

_PIXELS_PER_CHUNK = 160_000
"""Scenes are rendered a few at a time, so that the arrays of a step stay in the cache of a CPU."""

_LAYERS = (
    ("bg", 3, torch.float32), ("fg_bg", 3, torch.float32), ("mask", 1, torch.float32), ("alpha", 1, torch.float32),
    ("depth", 1, torch.float32), ("depth_bg", 1, torch.float32), ("depth_valid", 1, torch.bool),
)  # fmt: skip

GENERATOR_VERSION = 2
"""To be raised whenever the same seed and number give another scene, so that no folder holds two kinds."""


class SceneGenerator:
    """Rooms and streets with one to three people, animals, vehicles or things in them.

    Scene ``i`` is a function of (seed, i) alone: the same bits on a CPU in any batch, order and process, as long as
    `GENERATOR_VERSION` is the same.
    Depth is planar z in metres at the pixel centre (in a pixel of the mask whose centre is free, at the
    nearest of its corners). The sky has no depth. The mask is where a figure is hit and the alpha is at
    least one half; there, and only there, ``depth`` differs from ``depth_bg``. About one mask in fifty is empty:
    everything new is hidden, or out of sight. Shadows of the foreground are in ``fg_bg`` and
    not in the mask. Nearly half of the foregrounds are lit by a light of their own and throw no shadow, as in
    composites.

    Args:
        size: Height and width in pixels, or one number for both; at least 16.
        seed: Another seed draws other scenes, designs other things and paints other textures.
        device: Where to render and return; what stands where is decided on the CPU.

    Raises:
        InvalidArgumentError: If the size is not possible.

    >>> batch = SceneGenerator(size=32, seed=1).batch([5, 9])
    >>> batch["fg_bg"].shape, batch["depth"].shape
    (torch.Size([2, 3, 32, 32]), torch.Size([2, 1, 32, 32]))
    """

    def __init__(self, size: Size = 224, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self.size = height_and_width(size)
        self.seed = integer("seed", seed)
        self.device = torch.device(device)
        self._bank: TextureBank | None = None

    def __getstate__(self) -> dict[str, object]:
        # The texture bank is painted again (or inherited by fork), not sent to worker processes.
        return {**self.__dict__, "_bank": None}

    @torch.no_grad()
    def batch(self, ids: Sequence[int], bg_ids: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Renders scenes.

        Small pictures (64 to 96 pixels) are made of thousands of short steps. With several torch threads on a busy
        machine each step waits for the slowest thread, and the rate collapses: take one thread
        (``torch.set_num_threads(1)``) and several processes, as `make_loader` and `write_scenes` do.

        Args:
            ids: Which scenes: integers from 0 to 2 ** 63 - 1.
            bg_ids: Background of each scene; scenes with the same one share their ``bg`` bit for bit. By
                default every scene has its own.

        Returns:
            ``bg``, ``fg_bg`` (B, 3, H, W) RGB in [0, 1] on 8-bit levels; ``mask`` (B, 1, H, W) 0 or 1; ``alpha``
            (B, 1, H, W) in [0, 1]; ``depth``, ``depth_bg`` (B, 1, H, W) in metres, 0 where not valid; ``depth_valid``
            bool (B, 1, H, W), for ``depth``.

        Raises:
            InvalidArgumentError: If there are no ids, or not as many backgrounds.
        """
        numbers, backgrounds = _checked(ids, bg_ids)
        if self._bank is None:
            self._bank = TextureBank(self.seed, self.device)
        height, width = self.size
        out = {
            name: torch.empty(len(numbers), channels, height, width, dtype=kind, device=self.device)
            for name, channels, kind in _LAYERS
        }
        chunk = max(1, _PIXELS_PER_CHUNK // (height * width)) if self.device.type == "cpu" else len(numbers)
        for k in range(0, len(numbers), 8 * chunk):
            drawn = self._draw(numbers[k : k + 8 * chunk], backgrounds[k : k + 8 * chunk])
            for first in range(0, len(drawn), chunk):
                views = {name: layer[k + first : k + first + chunk] for name, layer in out.items()}
                render(drawn.part(first, first + chunk), self.size, self._bank, self.device, views)
        return out

    def _draw(self, numbers: Array, backgrounds: Array) -> SceneBatch:
        store = props(self.seed)
        draws = Draws(self.seed, "background", backgrounds)
        scenes = draw_enclosures(draws)
        furniture = draw_furniture(draws, scenes, store, backgrounds)
        foregrounds = draw_foregrounds(self.seed, scenes, store, numbers, self.size[1] / self.size[0])
        figures = assemble(foregrounds.placed, store, self.seed, "figures")
        camouflage(self.seed, figures, foregrounds, scenes)
        return SceneBatch(scenes, assemble(furniture, store, self.seed, "furniture"), figures, foregrounds)


def _checked(ids: Sequence[int], bg_ids: Sequence[int] | None) -> tuple[Array, Array]:
    numbers = [integer("ids", i) for i in ids]
    backgrounds = numbers if bg_ids is None else [integer("bg_ids", b) for b in bg_ids]
    if not numbers or len(numbers) != len(backgrounds):
        raise InvalidArgumentError(
            f"{len(numbers)} ids and {len(backgrounds)} bg_ids came; expected one each per scene"
        )
    if min(numbers) < 0 or min(backgrounds) < 0 or max(*numbers, *backgrounds) >= 2**63:
        raise InvalidArgumentError(
            f"ids go from {min(*numbers, *backgrounds)} to {max(*numbers, *backgrounds)}; expected 0 to 2 ** 63 - 1"
        )
    return np.array(numbers, dtype=np.int64), np.array(backgrounds, dtype=np.int64)


__all__ = ["GENERATOR_VERSION", "SceneGenerator"]
