"""Cameras and solids, as numbers.

World: metres, x right, y up, z forward. Camera: x right, y down, z forward. Rays are scaled to a camera z of 1, so the
ray parameter of a hit **is its depth: planar z in metres**, not the distance along the ray.

A solid is a unit shape behind an affine map: the ball of radius 1, the box [-1, 1]^3, the cylinder of radius 1 with
axis y from -1 to 1, the capsule of radius 1 around the segment y from -length to length.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BOX, ELLIPSOID, CYLINDER, CAPSULE = range(4)
TILE = 8
NEAR = 0.05
"""Depth in metres before which nothing is seen."""

# Corners of a box are numbered as in `Solids.bounds`; an edge joins two that differ in one coordinate.
_SIGNS = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
_EDGES = np.array([(i, j) for i in range(8) for j in range(i) if (_SIGNS[i] != _SIGNS[j]).sum() == 1])


@dataclass
class Cameras:
    """Pinhole cameras of a batch, float64.

    Args:
        position: (B, 3) in the world.
        axes: (B, 3, 3): rows are the camera's right, down and forward in the world.
        focal: (B,) focal length in pixels.
        size: Height and width in pixels; the principal point is the middle.
    """

    position: Array
    axes: Array
    focal: Array
    size: tuple[int, int]

    def rays(self) -> Array:
        """World direction of the pixel position (x, y) as ``r[0] + x * r[1] + y * r[2]``; (B, 3, 3)."""
        height, width = self.size
        right, down, forward = (self.axes[:, k] for k in range(3))
        along_x, along_y = right / self.focal[:, None], down / self.focal[:, None]
        return np.stack([forward - along_x * (width / 2) - along_y * (height / 2), along_x, along_y], axis=1)


@dataclass
class Solids:
    """Solids of a batch of scenes, one row each, float64.

    Args:
        scene: (N,) index of the scene in the batch.
        kind: (N,) BOX, ELLIPSOID, CYLINDER or CAPSULE.
        to_local: (N, 3, 3) and
        offset: (N, 3): local = to_local @ world + offset.
        length: (N,) half length of a capsule's segment in radii; 0 for other kinds.
        to_world: (N, 3, 3) and
        centre: (N, 3): world = to_world @ local + centre.
    """

    scene: Array
    kind: Array
    to_local: Array
    offset: Array
    length: Array
    to_world: Array
    centre: Array

    def local_rays(self, cameras: Cameras) -> Array:
        """Rays in the solids' own coordinates, (N, 4, 3): origin, then constant, x and y part of the direction."""
        origin = (self.to_local @ cameras.position[self.scene][..., None])[..., 0] + self.offset
        parts = cameras.rays()[self.scene] @ self.to_local.transpose(0, 2, 1)
        return np.concatenate([origin[:, None], parts], axis=1)

    def bounds(self, cameras: Cameras) -> Array:
        """Pixels that a solid may cover, (N, 4): x and y from (inclusive) and to (exclusive); empty if not in sight."""
        height, width = cameras.size
        axes = cameras.axes[self.scene]
        # Corners in the camera's coordinates: the middle and, from there, half a diagonal of the box.
        reach = np.stack([np.ones_like(self.length), 1 + self.length, np.ones_like(self.length)], 1)
        halves = (axes @ self.to_world) * reach[:, None, :]
        middle = (axes @ (self.centre - cameras.position[self.scene])[..., None])[..., 0]
        seen = middle[:, None] + _SIGNS @ halves.transpose(0, 2, 1)
        # Edges that pass the near plane are cut there.
        start, end = seen[:, _EDGES[:, 0]], seen[:, _EDGES[:, 1]]
        rise = end[..., 2:] - start[..., 2:]
        share = (NEAR - start[..., 2:]) / np.where(rise == 0, 1, rise)
        passing = (start[..., 2] < NEAR) != (end[..., 2] < NEAR)
        points = np.concatenate([seen, start + share * (end - start)], axis=1)
        shown = np.concatenate([seen[..., 2] >= NEAR, passing], axis=1)[..., None]
        at = points[..., :2] / np.maximum(points[..., 2:], NEAR) * cameras.focal[self.scene][:, None, None]
        at += np.array([width / 2, height / 2])
        low = np.floor(np.where(shown, at, np.inf).min(axis=1)).clip(-1, 2 * max(height, width))
        high = np.ceil(np.where(shown, at, -np.inf).max(axis=1)).clip(-1, 2 * max(height, width))
        return np.concatenate([low, high], axis=1).clip(0, [width, height, width, height]).astype(np.int64)


__all__ = ["BOX", "CAPSULE", "CYLINDER", "ELLIPSOID", "NEAR", "TILE", "Array", "Cameras", "Solids"]
