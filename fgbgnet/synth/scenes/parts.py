"""Groups of solids that are designed together: furniture, trees, people, animals, vehicles."""

import numpy as np

from fgbgnet.synth.scenes.geometry import BOX, CAPSULE, CYLINDER, ELLIPSOID, Array
from fgbgnet.synth.scenes.materials import Finish

Vector = tuple[float, float, float]


def turned(angle: Array | float) -> Array:
    """Rotations about the vertical axis, (..., 3, 3)."""
    c, s, zero = np.cos(angle), np.sin(angle), np.zeros_like(angle)
    rows = [np.stack(row, -1) for row in ((c, zero, s), (zero, zero + 1, zero), (-s, zero, c))]
    return np.stack(rows, -2)


def vec(x: float, y: float, z: float) -> Array:
    """A point or direction, (3,)."""
    return np.array([x, y, z], dtype=np.float64)


class Group:
    """Solids in one frame of coordinates: y up, standing on y = 0 around the origin, metres."""

    def __init__(self) -> None:
        self.kinds: list[int] = []
        self.centres: list[Array] = []
        self.axes: list[Array] = []
        self.halves: list[Array] = []
        self.lengths: list[float] = []
        self.materials: list[Finish] = []
        self.casts: list[bool] = []

    def add(
        self, kind: int, centre: Vector | Array, half: Vector | Array, material: Finish, *, axes: Array | None = None,
        length: float = 0.0, casts: bool = True,
    ) -> None:  # fmt: skip
        """Adds a solid: its centre, half sizes along its axes (columns of ``axes``), and whether it casts a shadow."""
        self.kinds.append(kind)
        self.centres.append(np.asarray(centre, dtype=np.float64))
        self.axes.append(np.eye(3) if axes is None else axes)
        self.halves.append(np.asarray(half, dtype=np.float64))
        self.lengths.append(length)
        self.materials.append(material)
        self.casts.append(casts)

    def box(self, centre: Vector, half: Vector, material: Finish, casts: bool = False) -> None:
        """Adds an upright box."""
        self.add(BOX, centre, half, material, casts=casts)

    def limb(
        self, start: Vector | Array, end: Vector | Array, radius: float, material: Finish, casts: bool = True
    ) -> None:
        """Adds a capsule from one point to another."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        along = end - start
        span = float(np.sqrt(along @ along))
        along = along / span if span > 0 else vec(0, 1, 0)
        side = np.array([along[1], -along[0], 0.0]) if abs(along[2]) < 0.9 else np.array([0.0, along[2], -along[1]])
        side /= np.sqrt(side @ side)
        (a, b, c), (d, e, f) = side.tolist(), along.tolist()
        axes = np.array([[a, d, b * f - c * e], [b, e, c * d - a * f], [c, f, a * e - b * d]])
        self.add(CAPSULE, (start + end) / 2, (radius,) * 3, material, axes=axes, length=span / 2 / radius, casts=casts)

    def place(self, position: Array, rotation: Array, scale: float = 1.0) -> "Group":
        """The group elsewhere: scaled, then turned, then moved."""
        moved = Group()
        moved.kinds, moved.lengths, moved.materials, moved.casts = self.kinds, self.lengths, self.materials, self.casts
        moved.centres = list(np.array(self.centres) @ (rotation.T * scale) + position)
        moved.axes = list(rotation @ np.array(self.axes))
        moved.halves = list(np.array(self.halves) * scale)
        return moved

    def extend(self, other: "Group") -> None:
        """Appends the solids of another group."""
        for name in vars(self):
            getattr(self, name).extend(getattr(other, name))

    def lowest(self) -> float:
        """Height of the lowest point, exact for all kinds of solids."""
        down = np.array(self.axes)[:, 1] * np.array(self.halves)  # half size along each own axis, as a height
        kinds, lengths = np.array(self.kinds), np.array(self.lengths)
        reach = np.select(
            [kinds == BOX, kinds == CYLINDER, kinds == CAPSULE],
            [
                np.abs(down).sum(1),
                np.abs(down[:, 1]) + np.hypot(down[:, 0], down[:, 2]),
                np.abs(down[:, 1]) * lengths + np.sqrt((down * down).sum(1)),
            ],
            np.sqrt((down * down).sum(1)),
        )
        return float((np.array(self.centres)[:, 1] - reach).min())

    def extent(self) -> tuple[float, float]:
        """Height and largest horizontal radius, roughly (from the bounding balls along the axes)."""
        half, centres = np.array(self.halves), np.array(self.centres)
        half[:, 1] *= 1 + np.array(self.lengths)
        size = (np.abs(np.array(self.axes)) @ half[..., None])[..., 0]
        return float((centres + size)[:, 1].max()), float(np.hypot(*(np.abs(centres) + size)[:, ::2].T).max())


__all__ = ["BOX", "CAPSULE", "CYLINDER", "ELLIPSOID", "Group", "Vector", "turned", "vec"]
