"""Things as they were designed, made solids without being placed."""

from collections.abc import Sequence

import numpy as np

from fgbgnet.synth.scenes.geometry import Solids
from fgbgnet.synth.scenes.parts import Group


def solids_of(groups: Sequence[Group]) -> Solids:
    """Groups of a batch, one per scene, as solids in the groups' own coordinates."""
    scene = np.repeat(np.arange(len(groups)), [len(g.kinds) for g in groups])
    join = Group()
    for group in groups:
        join.extend(group)
    half, centre = (np.array(values).reshape(-1, 3) for values in (join.halves, join.centres))
    axes = np.array(join.axes).reshape(-1, 3, 3)
    to_local = axes.transpose(0, 2, 1) / half[:, :, None]
    offset = -(to_local @ centre[..., None])[..., 0]
    kinds, lengths = np.array(join.kinds, dtype=np.int64), np.array(join.lengths, dtype=np.float64)
    return Solids(scene, kinds, to_local, offset, lengths, axes * half[:, None, :], centre)
