"""From what stands where to pictures, masks and depth."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.enclosure import Enclosures
from fgbgnet.synth.geometry import CENTRE, QUINCUNX, Array, Cameras, Window, cast_solids, solids_window
from fgbgnet.synth.layout import Foregrounds
from fgbgnet.synth.occlusion import bounding_balls, near, occluders, occlusion, padded
from fgbgnet.synth.placing import Assembly
from fgbgnet.synth.planes import CORNERS, doubled, lens_blur, shifted, to_levels
from fgbgnet.synth.shading import Columns, Hits, Surface, colours, scene_table, solid_table, surface
from fgbgnet.synth.textures import TextureBank
from fgbgnet.synth.walls import cast_walls, face_table, wall_surface

_FOCAL, _LENS = 12, -1
"""Columns of `scene_table`."""
_MARGIN = 4
"""Pixels by which feather and lens may spread a figure, and one more."""


@dataclass(frozen=True)
class SceneBatch:
    """B scenes as what stands where."""

    scenes: Enclosures
    furniture: Assembly
    figures: Assembly
    foregrounds: Foregrounds

    def __len__(self) -> int:
        return len(self.scenes.focal)

    def part(self, first: int, last: int) -> "SceneBatch":
        """Scenes ``first`` to ``last`` (exclusive)."""
        fore = self.foregrounds
        return SceneBatch(
            Enclosures(*(getattr(self.scenes, field.name)[first:last] for field in fields(Enclosures))),
            self.furniture.part(first, last),
            self.figures.part(first, last),
            Foregrounds(fore.placed, *(getattr(fore, field.name)[first:last] for field in fields(fore)[1:])),
        )


class _Ground(NamedTuple):
    """The scene without its foreground."""

    depth: Tensor
    """(B, H, W); the sky has that of the box."""
    sky: Tensor
    """bool (B, H, W)."""
    surface: Surface
    """Tensors (B, H * W)."""


class _Renderer:
    """Renders one batch on one device."""

    def __init__(self, batch: SceneBatch, size: tuple[int, int], bank: TextureBank, device: torch.device) -> None:
        self.batch, self.size, self.bank, self.device = batch, size, bank, device
        scenes = batch.scenes
        self.cameras = Cameras(scenes.camera, scenes.axes, scenes.focal * min(size), size)
        self.table = self._tensor(scene_table(self.cameras, scenes.light).T)
        self.lights = Columns(self.table, None)

    def _tensor(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    def render(self, out: dict[str, Tensor]) -> None:
        count, (height, width) = len(self.batch), self.size
        ground = self._ground()
        key, around = self._furniture_shadows(ground)
        planes = torch.stack(colours(ground.surface, self.lights, key, around), 1)
        lens = self.table[_LENS].view(-1, 1, 1, 1)
        to_levels(lens_blur(planes.view(count, 3, height, width), lens), out["bg"])
        fg_bg = self._shadowed(planes, ground, key, around).view(count, 3, height, width)
        torch.logical_not(ground.sky[:, None], out=out["depth_valid"])
        torch.mul(ground.depth[:, None], out["depth_valid"], out=out["depth_bg"])
        out["depth"].copy_(out["depth_bg"])
        out["alpha"].zero_()
        out["mask"].zero_()
        window = solids_window(self.batch.figures.solids, self.cameras, _MARGIN)
        if window is not None:
            top, left, bottom, right = window
            part = {name: plane[..., top:bottom, left:right] for name, plane in out.items()}
            self._foreground(window, ground.depth, fg_bg[..., top:bottom, left:right], lens, part)
        to_levels(lens_blur(fg_bg, lens), out["fg_bg"])

    def _ground(self) -> _Ground:
        scenes, furniture = self.batch.scenes, self.batch.furniture
        walls = cast_walls(scenes, self.cameras, self.device)
        outdoors = torch.from_numpy(scenes.outdoors).to(self.device)
        nearest, index = (x[:, 0] for x in cast_solids(furniture.solids, self.cameras, CENTRE, self.device))
        in_front = nearest < walls.depth
        camera, focal = self._tensor(scenes.camera), self.table[_FOCAL]
        faces = self._tensor(face_table(scenes).T)
        painted = wall_surface(walls, faces, self.lights, camera, focal, outdoors, self.bank)
        depth = torch.minimum(nearest, walls.depth)
        scene, y, x = torch.nonzero(in_front, as_tuple=True)
        if len(scene):
            at = (scene * self.size[0] + y) * self.size[1] + x
            far, row = (plane.flatten().index_select(0, at) for plane in (depth, index))
            solids = surface(self._hits(furniture, self.table, scene, x + 0.5, y + 0.5, far, row), self.bank)
            for whole, part in zip(_planes(painted), _planes(solids), strict=True):
                whole.view(-1).index_copy_(0, at, part)
        sky = outdoors.view(-1, 1, 1) & (walls.face != 2) & ~in_front
        return _Ground(depth, sky, painted)

    def _hits(
        self, assembly: Assembly, table: Tensor, scene: Tensor, x: Tensor, y: Tensor, depth: Tensor, row: Tensor
    ) -> Hits:
        numbers = solid_table(assembly.solids, self.cameras, assembly.half, assembly.materials[assembly.row])
        return Hits(Columns(self._tensor(numbers.T), row), Columns(table, scene), x, y, depth)

    def _coarse(self, position: tuple[Tensor, ...], halvings: int) -> tuple[Tensor, ...]:
        step = 2**halvings
        return tuple(p.view(-1, *self.size)[:, ::step, ::step].flatten(1) for p in position)

    def _fine(self, plane: Tensor, halvings: int) -> Tensor:
        """Values at every 2 ** halvings-th pixel -> at every pixel, (B, H * W)."""
        sizes = [(-(-self.size[0] // 2**k), -(-self.size[1] // 2**k)) for k in range(halvings + 1)]
        plane = plane.view(-1, *sizes[-1])
        for size in reversed(sizes[:-1]):
            plane = doubled(plane, size)
        return plane.flatten(1)

    def _furniture_shadows(self, ground: _Ground, halvings: int = 2) -> tuple[Tensor, Tensor]:
        """Visibility of the key light and of the surroundings past the furniture, (B, H * W)."""
        table, scene = occluders(self.batch.furniture, 0.85)
        constants = padded(table, scene, self.batch.scenes.light, self.device)
        key, around = occlusion(constants, self._coarse(ground.surface.position, halvings))  # type: ignore[arg-type]
        return self._fine(key, halvings), self._fine(around, halvings)

    def _shadowed(self, planes: Tensor, ground: _Ground, key: Tensor, around: Tensor, halvings: int = 1) -> Tensor:
        """The picture (B, 3, H * W), in place, with the shadows of the figures."""
        figures, lights = self.batch.figures, self.batch.scenes.light
        table, scene = occluders(figures, 0.9)
        if not len(table):
            return planes
        coarse = self._coarse(ground.surface.position, halvings)
        balls = padded(*bounding_balls(figures, figures.thing_scene), lights, self.device)
        near_by = near(balls, coarse)  # type: ignore[arg-type]
        which, at = torch.nonzero(near_by, as_tuple=True)
        if not len(which):
            return planes
        # As many columns as the scene with the most such points needs.
        number = near_by.sum(1)
        rank = torch.arange(len(which), device=self.device) - (number.cumsum(0) - number)[which]
        points = []
        for p in coarse:
            column = torch.zeros(len(number), int(number.max()), device=self.device)
            column[which, rank] = p[which, at]
            points.append(column)
        found = occlusion(padded(table, scene, lights, self.device), tuple(points))  # type: ignore[arg-type]
        maps = []
        for values in found:
            plane = torch.ones(near_by.shape, device=self.device)
            plane[which, at] = values[which, rank]
            maps.append(self._fine(plane, halvings))
        b, p = torch.nonzero((maps[0] < 1) | (maps[1] < 1), as_tuple=True)
        part = Surface(
            *(tuple(t[b, p] for t in x) if isinstance(x, tuple) else x[b, p] for x in ground.surface)  # type: ignore[arg-type]
        )
        darker = torch.minimum(key[b, p], maps[0][b, p]), around[b, p] * maps[1][b, p]
        for k, plane in enumerate(colours(part, Columns(self.table, b), *darker)):
            planes[b, k, p] = plane
        return planes

    def _foreground(
        self, window: Window, ground: Tensor, picture: Tensor, lens: Tensor, out: dict[str, Tensor]
    ) -> None:
        """Lays the figures over a window of the linear picture, in place; writes mask and depth there."""
        top, left, bottom, right = window
        ground = ground[:, top:bottom, left:right]
        alpha, depth, row, corner = self._coverage(window, ground)
        fore = self.batch.foregrounds
        hardness, feather = (self._tensor(v).view(-1, 1, 1, 1) for v in (fore.hardness, fore.feather))
        alpha = (alpha[:, None] - 0.5).mul_(hardness).add_(0.5).clamp_(0, 1)
        layers = torch.zeros(len(row), 4, *row.shape[1:], device=self.device)  # premultiplied
        layers[:, 3:] = alpha
        scene, y, x = torch.nonzero(row >= 0, as_tuple=True)
        if len(scene):
            at = (scene * row.shape[1] + y) * row.shape[2] + x
            far, which, place, cover = (p.flatten().index_select(0, at) for p in (depth, row, corner, alpha))
            offsets = self._tensor(np.array([(0.5, 0.5), *CORNERS]))[place]
            table = self._tensor(scene_table(self.cameras, fore.light).T)
            hits = self._hits(
                self.batch.figures, table, scene, x + left + offsets[:, 0], y + top + offsets[:, 1], far, which
            )
            for k, plane in enumerate(colours(surface(hits, self.bank), hits.scene)):
                layers[scene, k, y, x] = plane.mul_(cover)
        soft = torch.nonzero(feather.flatten() > 0).flatten()
        if len(soft):
            layers[soft] = lens_blur(lens_blur(layers[soft], feather[soft]), feather[soft])
        picture.mul_(1 - layers[:, 3:]).add_(layers[:, :3])
        out["alpha"].copy_(lens_blur(layers[:, 3:], lens))
        mask = (out["alpha"] >= 0.5) & (row[:, None] >= 0)
        out["mask"].copy_(mask)
        out["depth"].copy_(torch.where(mask, depth[:, None], out["depth"]))
        out["depth_valid"].logical_or_(mask)

    def _coverage(self, window: Window, ground: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Share that figures cover, their depth (``inf`` where there is none), solid (-1), corner; (B, h, w) each."""
        depths, index = cast_solids(self.batch.figures.solids, self.cameras, QUINCUNX, self.device, window)
        seen = depths[:, 0] < ground
        alpha = seen.float() * 0.5
        depth, row = torch.where(seen, depths[:, 0], torch.inf), torch.where(seen, index[:, 0], -1)
        corner = torch.zeros_like(row)
        # The centre counts one half and decides; where it is free the nearest corner stands for the pixel.
        for k, (dx, dy) in enumerate(CORNERS):
            at, which = (shifted(plane[:, 1], dx, dy) for plane in (depths, index))
            close = at < ground
            alpha.add_(close, alpha=0.125)
            better = (close & ~seen).logical_and_(at < depth)
            depth, row = torch.where(better, at, depth), torch.where(better, which, row)
            corner.masked_fill_(better, k + 1)
        return alpha, depth, row, corner


def _planes(painted: Surface) -> list[Tensor]:
    return [plane for item in painted for plane in (item if isinstance(item, tuple) else (item,))]


def render(
    batch: SceneBatch, size: tuple[int, int], bank: TextureBank, device: torch.device, out: dict[str, Tensor]
) -> None:
    """Writes pictures, masks and depth of scenes where `fgbgnet.synth.SceneGenerator.batch` will return them."""
    _Renderer(batch, size, bank, device).render(out)


__all__ = ["SceneBatch", "render"]
