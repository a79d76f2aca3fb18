"""Procedural rooms and yards with something new in them: pictures, exact masks, exact depth."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.synth.arguments import Size, height_and_width, integer
from fgbgnet.synth.geometry import CENTRE, QUINCUNX, Array, Cameras, Solids, cast_room, cast_solids
from fgbgnet.synth.layout import Background, draw_background, draw_foreground
from fgbgnet.synth.parts import Group, join_solids, occluders
from fgbgnet.synth.planes import CORNERS, doubled, lens_blur, shifted, to_levels
from fgbgnet.synth.shading import ROOM, Columns, Hits, Surface, occlusion, scene_table, solid_table, surface
from fgbgnet.synth.textures import TextureBank

_PIXELS_PER_CHUNK = 150_000
"""Scenes are rendered a few at a time, so that the arrays of a step stay in the cache of a CPU."""


GENERATOR_VERSION = 1
"""To be raised whenever the same seed and number give another scene, so that no folder holds two kinds."""


class SceneGenerator:
    """Rooms and yards with one to three people, animals, vehicles or things in them.

    Scene ``i`` is a function of (seed, i) alone: the same bits on a CPU in any batch, order and process, as long as
    `GENERATOR_VERSION` is the same.
    Depth is planar z in metres at the pixel centre (in a pixel of the mask whose centre is free, at the
    nearest of its corners). The sky has no depth. The mask is where the alpha is at least
    one half; there, and only there, ``depth`` differs from ``depth_bg``. Shadows of the foreground are in ``fg_bg`` and
    not in the mask.

    Args:
        size: Height and width in pixels, or one number for both; at least 16.
        seed: Another seed draws other scenes and paints other textures.
        device: Where to compute and return; layouts are drawn on the CPU.

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
        ids = [integer("ids", i) for i in ids]
        backgrounds = ids if bg_ids is None else [integer("bg_ids", b) for b in bg_ids]
        if not ids or len(ids) != len(backgrounds):
            raise InvalidArgumentError(
                f"{len(ids)} ids and {len(backgrounds)} bg_ids came; expected one each per scene"
            )
        if min(ids) < 0 or min(backgrounds) < 0:
            raise InvalidArgumentError(f"ids start at {min(*ids, *backgrounds)}; expected numbers from 0 upwards")
        if self._bank is None:
            self._bank = TextureBank(self.seed, self.device)
        pixels = self.size[0] * self.size[1]
        chunk = max(1, _PIXELS_PER_CHUNK // pixels) if self.device.type == "cpu" else len(ids)
        parts = []
        for k in range(0, len(ids), chunk):
            drawn = {b: draw_background(self.seed, b) for b in dict.fromkeys(backgrounds[k : k + chunk])}
            scenes = [drawn[b] for b in backgrounds[k : k + chunk]]
            aspect = self.size[1] / self.size[0]
            figures = [
                draw_foreground(self.seed, s, i, aspect) for s, i in zip(scenes, ids[k : k + chunk], strict=True)
            ]
            parts.append(self._render(scenes, figures, self._bank))
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def _cameras(self, scenes: Sequence[Background]) -> Cameras:
        return Cameras(
            np.stack([s.camera for s in scenes]),
            np.stack([s.axes for s in scenes]),
            np.array([s.focal for s in scenes]) * min(self.size),
            self.size,
        )

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    def _render(self, scenes: Sequence[Background], figures: Sequence[Group], bank: TextureBank) -> dict[str, Tensor]:
        count, (height, width) = len(scenes), self.size
        cameras = self._cameras(scenes)
        table = self._tensor(scene_table(cameras, np.stack([s.light for s in scenes])).T)
        depth_bg, face, ground = self._background(scenes, cameras, table, bank)
        lights = np.stack([s.light for s in scenes])
        key, around = self._shadows([s.solids for s in scenes], 0.85, lights, ground, halvings=2)
        key_new, around_new = self._shadows(figures, 0.9, lights, ground, halvings=1)
        planes = list(zip(ground.above, ground.key, ground.glow, strict=True))
        bg = torch.stack([a * around + k * key + g for a, k, g in planes], 1).view(count, 3, height, width)
        key, around = torch.minimum(key, key_new), around * around_new
        fg_bg = torch.stack([a * around + k * key + g for a, k, g in planes], 1).view(count, 3, height, width)
        alpha, depth_fg, fg_bg = self._foreground(figures, cameras, table, depth_bg, fg_bg, bank)

        lens = table[-1].view(-1, 1, 1, 1)
        alpha = lens_blur(alpha, lens)
        mask = (alpha >= 0.5) & (depth_fg < torch.inf)
        valid_bg = ~(torch.tensor([s.outdoors for s in scenes], device=self.device).view(-1, 1, 1, 1) & (face == 3))
        depth_bg = torch.where(valid_bg, depth_bg, 0.0)
        return {
            "bg": to_levels(lens_blur(bg, lens)),
            "fg_bg": to_levels(lens_blur(fg_bg, lens)),
            "mask": mask.float(),
            "alpha": alpha,
            "depth": torch.where(mask, depth_fg, depth_bg),
            "depth_bg": depth_bg,
            "depth_valid": valid_bg | mask,
        }

    def _shadows(
        self, groups: Sequence[Group], shrink: float, lights: Array, ground: Surface, halvings: int
    ) -> list[Tensor]:
        """Visibility of the key light and of the surroundings, (B, H * W), computed at a part of the resolution."""
        count, (height, width) = len(groups), self.size
        sizes = [(-(-height // 2**k), -(-width // 2**k)) for k in range(halvings + 1)]
        step = 2**halvings
        coarse = [p.view(count, height, width)[:, ::step, ::step].flatten(1) for p in ground.position]
        maps = occlusion(occluders(groups, shrink), lights, (coarse[0], coarse[1], coarse[2]))
        out = []
        for plane in maps:
            plane = plane.view(count, *sizes[-1])
            for size in reversed(sizes[:-1]):
                plane = doubled(plane, size)
            out.append(plane.flatten(1))
        return out

    def _grid(self) -> tuple[Tensor, Tensor]:
        x = torch.arange(self.size[1], device=self.device, dtype=torch.float32) + 0.5
        y = torch.arange(self.size[0], device=self.device, dtype=torch.float32) + 0.5
        return x.repeat(self.size[0]), y.repeat_interleave(self.size[1])

    def _background(
        self, scenes: Sequence[Background], cameras: Cameras, table: Tensor, bank: TextureBank
    ) -> tuple[Tensor, Tensor, Surface]:
        """Depth (B, 1, H, W), face of the enclosing box (-1 on furniture), and colours (B, H * W)."""
        count = len(scenes)
        low, high = np.stack([s.low for s in scenes]), np.stack([s.high for s in scenes])
        depth, face = cast_room(
            self._tensor(low),
            self._tensor(high),
            self._tensor(cameras.position),
            self._tensor(cameras.rays()),
            self.size,
        )
        solids, half, materials = join_solids([s.solids for s in scenes])
        nearest, index = (x[:, 0] for x in cast_solids(solids, cameras, CENTRE, self.device))
        faces = Solids(
            np.repeat(np.arange(count), 6),
            np.full(6 * count, ROOM),
            np.repeat(np.stack([np.diag(2 / size) for size in high - low]), 6, axis=0),
            np.repeat(-(low + high) / (high - low), 6, axis=0),
            np.zeros(6 * count),
        )
        walls = solid_table(
            faces, cameras, np.repeat((high - low) / 2, 6, axis=0), np.concatenate([s.faces for s in scenes])
        )
        rows = [walls]
        if len(half):
            rows.append(solid_table(solids, cameras, half, materials))
        in_front = nearest < depth
        row = torch.where(
            in_front, index + 6 * count, face + 6 * torch.arange(count, device=self.device).view(-1, 1, 1)
        )
        depth = torch.where(in_front, nearest, depth)
        x, y = self._grid()
        columns = Columns(self._tensor(np.concatenate(rows).T), row.flatten(1))
        ground = surface(Hits(columns, Columns(table, None), x, y, depth.flatten(1)), bank)
        return depth[:, None], torch.where(in_front, -1, face)[:, None], ground

    def _foreground(
        self,
        figures: Sequence[Group],
        cameras: Cameras,
        table: Tensor,
        depth_bg: Tensor,
        picture: Tensor,
        bank: TextureBank,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Coverage and depth (``inf`` where there is none), both (B, 1, H, W), and the linear picture with it."""
        solids, half, materials = join_solids(figures)
        depths, index = cast_solids(solids, cameras, QUINCUNX, self.device)
        ground = depth_bg[:, 0]
        seen = depths[:, 0] < ground
        alpha = seen.float() * 0.5
        depth, row = torch.where(seen, depths[:, 0], torch.inf), torch.where(seen, index[:, 0], -1)
        corner = torch.zeros_like(row)
        # The centre counts one half and decides; where it is free the nearest corner stands for the pixel.
        for k, (dx, dy) in enumerate(CORNERS):
            at, which = (shifted(plane[:, 1], dx, dy) for plane in (depths, index))
            near = at < ground
            alpha = alpha + near.float() * 0.125
            better = near & ~seen & (at < depth)
            depth, row = torch.where(better, at, depth), torch.where(better, which, row)
            corner = torch.where(better, k + 1, corner)
        scene, y, x = torch.nonzero(row >= 0, as_tuple=True)
        if len(scene):
            offsets = self._tensor(np.array([(0.5, 0.5), *CORNERS]))[corner[scene, y, x]]
            columns = Columns(self._tensor(solid_table(solids, cameras, half, materials).T), row[scene, y, x])
            hits = Hits(columns, Columns(table, scene), x + offsets[:, 0], y + offsets[:, 1], depth[scene, y, x])
            painted = surface(hits, bank)
            cover = alpha[scene, y, x]
            for k in range(3):
                colour = painted.above[k] + painted.key[k] + painted.glow[k]
                below = picture[scene, k, y, x]
                picture[scene, k, y, x] = below + cover * (colour - below)
        return alpha[:, None], depth[:, None], picture


__all__ = ["GENERATOR_VERSION", "SceneGenerator"]
