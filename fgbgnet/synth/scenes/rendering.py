"""From what stands where to pictures, masks and depth."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fgbgnet.synth.scenes.casting import cast_solids, cast_tiles
from fgbgnet.synth.scenes.enclosure import Enclosures
from fgbgnet.synth.scenes.geometry import TILE, Array, Cameras
from fgbgnet.synth.scenes.layout import Foregrounds
from fgbgnet.synth.scenes.occlusion import bounding_balls, near, occluders, occlusion, padded
from fgbgnet.synth.scenes.placing import Assembly
from fgbgnet.synth.scenes.planes import CORNERS, doubled, lens_blur, to_levels
from fgbgnet.synth.scenes.shading import Columns, Hits, Surface, colours, rays, scene_table, solid_table, surface
from fgbgnet.synth.scenes.textures import TextureBank
from fgbgnet.synth.scenes.walls import cast_walls, face_table, wall_surface

_FOCAL, _LENS = 12, -1
"""Columns of `scene_table`."""


@dataclass(frozen=True)
class SceneBatch:
    """B scenes as what stands where. ``foregrounds.placed`` is what the figures were made from, of the whole batch."""

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


class _Hit(NamedTuple):
    """Pixels of figures, P of them."""

    scene: Tensor
    pixel: Tensor
    """Row times width plus column."""
    x: Tensor
    """Position that stands for the pixel: its centre, or a corner."""
    y: Tensor
    alpha: Tensor
    """Share of the pixel that is covered."""
    depth: Tensor
    row: Tensor
    """Row of the solid."""


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
        self._foreground(ground.depth, fg_bg, lens, out)
        to_levels(lens_blur(fg_bg, lens), out["fg_bg"])

    def _ground(self) -> _Ground:
        scenes, furniture = self.batch.scenes, self.batch.furniture
        walls = cast_walls(scenes, self.cameras, self.device)
        outdoors = torch.from_numpy(scenes.outdoors).to(self.device)
        nearest, index = cast_solids(furniture.solids, self.cameras, self.device)
        in_front = nearest < walls.depth
        camera, focal = self._tensor(scenes.camera), self.table[_FOCAL]
        faces = self._tensor(face_table(scenes).T)
        painted = wall_surface(walls, faces, self.lights, camera, focal, outdoors, self.bank)
        depth = torch.minimum(nearest, walls.depth)
        scene, y, x = torch.nonzero(in_front, as_tuple=True)
        if len(scene):
            at = (scene * self.size[0] + y) * self.size[1] + x
            far, row, *view = (p.flatten().index_select(0, at) for p in (depth, index, *walls.directions))
            hits = Hits(self._solids(furniture, row), Columns(self.table, scene), tuple(view), far)  # type: ignore[arg-type]
            solids = surface(hits, self.bank)
            for whole, part in zip(_planes(painted), _planes(solids), strict=True):
                whole.view(-1).index_copy_(0, at, part)
        sky = outdoors.view(-1, 1, 1) & (walls.face != 2) & ~in_front
        return _Ground(depth, sky, painted)

    def _solids(self, assembly: Assembly, row: Tensor) -> Columns:
        numbers = solid_table(assembly.solids, assembly.half, assembly.materials[assembly.row])
        return Columns(self._tensor(numbers.T), row)

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

    def _figure_shadows(self, ground: _Ground, halvings: int = 1) -> tuple[Tensor, Tensor] | None:
        """Visibility past the figures, as `_furniture_shadows`; None where none of them casts a shadow."""
        figures, lights = self.batch.figures, self.batch.scenes.light
        table, scenes = occluders(figures, 0.9)
        if not len(table):
            return None
        coarse = self._coarse(ground.surface.position, halvings)
        balls = padded(*bounding_balls(figures, figures.thing_scene), lights, self.device)
        near_by = near(balls, coarse)  # type: ignore[arg-type]
        scene, at = torch.nonzero(near_by, as_tuple=True)
        if not len(scene):
            return None
        # Only points in reach, as many columns of them as the scene with the most needs.
        number = near_by.sum(1)
        rank = torch.arange(len(scene), device=self.device) - (number.cumsum(0) - number)[scene]
        points = []
        for p in coarse:
            column = torch.zeros(len(number), int(number.max()), device=self.device)
            column[scene, rank] = p[scene, at]
            points.append(column)
        maps = []
        for values in occlusion(padded(table, scenes, lights, self.device), tuple(points)):  # type: ignore[arg-type]
            plane = torch.ones(near_by.shape, device=self.device)
            plane[scene, at] = values[scene, rank]
            maps.append(self._fine(plane, halvings))
        return maps[0], maps[1]

    def _shadowed(self, planes: Tensor, ground: _Ground, key: Tensor, around: Tensor) -> Tensor:
        """The picture (B, 3, H * W), in place, with the shadows of the figures."""
        shadows = self._figure_shadows(ground)
        if shadows is None:
            return planes
        at = torch.nonzero(((shadows[0] < 1) | (shadows[1] < 1)).flatten()).flatten()
        pixels = planes.shape[2]
        scene = at // pixels

        def pick(plane: Tensor) -> Tensor:
            return plane.reshape(-1).index_select(0, at)

        part = Surface(*(tuple(map(pick, x)) if isinstance(x, tuple) else pick(x) for x in ground.surface))  # type: ignore[arg-type]
        darker = torch.minimum(pick(key), pick(shadows[0])), pick(around).mul_(pick(shadows[1]))
        for k, plane in enumerate(colours(part, Columns(self.table, scene), *darker)):
            planes.view(-1).index_copy_(0, at + (scene * 2 + k) * pixels, plane)
        return planes

    def _foreground(self, ground: Tensor, picture: Tensor, lens: Tensor, out: dict[str, Tensor]) -> None:
        """Lays the figures over the linear picture (B, 3, H, W), in place, and writes alpha, mask and depth."""
        fore, (height, width) = self.batch.foregrounds, self.size
        hit = self._coverage(ground)
        lights = Columns(self._tensor(scene_table(self.cameras, fore.light).T), hit.scene)
        hits = Hits(self._solids(self.batch.figures, hit.row), lights, rays(lights, hit.x, hit.y), hit.depth)
        hardness, feather = self._tensor(fore.hardness), self._tensor(fore.feather).view(-1, 1, 1, 1)
        cover = (hit.alpha - 0.5).mul_(hardness.index_select(0, hit.scene)).add_(0.5).clamp_(0, 1)
        # Premultiplied layers of the figures.
        layers = torch.zeros(len(fore.feather), 4, height, width, device=self.device)
        flat, first = layers.view(-1), hit.scene * (4 * height * width) + hit.pixel
        for k, plane in enumerate((*(c.mul_(cover) for c in colours(surface(hits, self.bank), hits.scene)), cover)):
            flat.index_copy_(0, first + k * (height * width), plane)
        soft = torch.nonzero(feather.flatten() > 0).flatten()
        if len(soft):
            layers[soft] = lens_blur(lens_blur(layers[soft], feather[soft]), feather[soft])
        picture.mul_(1 - layers[:, 3:]).add_(layers[:, :3])
        out["alpha"].copy_(lens_blur(layers[:, 3:], lens))
        out["mask"].zero_()
        at = hit.scene * (height * width) + hit.pixel
        chosen = out["alpha"].view(-1).index_select(0, at) >= 0.5
        at = at[chosen]
        out["mask"].view(-1).index_fill_(0, at, 1)
        out["depth"].view(-1).index_copy_(0, at, hit.depth[chosen])
        out["depth_valid"].view(-1).index_fill_(0, at, True)

    def _coverage(self, ground: Tensor) -> _Hit:
        """The pixels that figures cover, in part or whole, in front of the ground (B, H, W)."""
        height, width = self.size
        tiles = cast_tiles(self.batch.figures.solids, self.cameras, self.device)
        scene, top, left = (column.view(-1, 1, 1) for column in tiles.tile.unbind(1))
        step = torch.arange(TILE, device=self.device)
        y, x = (top + step.view(-1, 1)).expand(-1, -1, TILE), (left + step).expand(-1, TILE, -1)
        inside = (y < height) & (x < width)
        pixel = (y * width + x).mul_(inside)
        far = ground.reshape(-1).index_select(0, (scene * (height * width) + pixel).flatten()).view(pixel.shape)
        far.masked_fill_(~inside, -1)
        seen = tiles.centre[0] < far
        alpha = seen.float().mul_(0.5)
        depth, row = torch.where(seen, tiles.centre[0], torch.inf), torch.where(seen, tiles.centre[1], -1)
        dx, dy = torch.full_like(depth, 0.5), torch.full_like(depth, 0.5)
        # The centre counts one half and decides; where it is free the nearest corner stands for the pixel.
        for right, down in CORNERS:
            at, which = (plane[:, down : down + TILE, right : right + TILE] for plane in tiles.corner)
            close = at < far
            alpha.add_(close, alpha=0.125)
            better = (close & ~seen).logical_and_(at < depth)
            depth, row = torch.where(better, at, depth), torch.where(better, which, row)
            dx.masked_fill_(better, right)
            dy.masked_fill_(better, down)
        chosen = torch.nonzero(row.flatten() >= 0).flatten()
        scene, y, x = scene.expand_as(pixel), y + dy, x + dx
        return _Hit(*(p.reshape(-1).index_select(0, chosen) for p in (scene, pixel, x, y, alpha, depth, row)))


def _planes(painted: Surface) -> list[Tensor]:
    return [plane for item in painted for plane in (item if isinstance(item, tuple) else (item,))]


def render(
    batch: SceneBatch, size: tuple[int, int], bank: TextureBank, device: torch.device, out: dict[str, Tensor]
) -> None:
    """Writes pictures, masks and depth of scenes where `fgbgnet.synth.SceneGenerator.batch` will return them."""
    _Renderer(batch, size, bank, device).render(out)


__all__ = ["SceneBatch", "render"]
