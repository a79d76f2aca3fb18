"""Backgrounds of a data set that are copies of each other."""

import numpy as np
from tqdm.auto import tqdm

from fgbgnet.data.decode import read_rgb
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.similar import similar_pictures, thumbnail


def duplicate_backgrounds(manifest: Manifest, mirrored: bool = True) -> list[tuple[str, str]]:
    """Finds backgrounds that have several ``bg_id``, though their pictures are copies of each other.

    Reads every background once.

    Args:
        manifest: The table.
        mirrored: Mirror images are copies, too.

    Returns:
        Pairs of ``bg_id``, in the order of their first rows, each pair once. `seeded_split` takes them as
        ``merge={"bg": pairs}``, `leaks` as ``near_duplicates``.

    Raises:
        MissingFileError, PictureError: If a background cannot be read.

    >>> import tempfile
    >>> from PIL import Image
    >>> folder = tempfile.mkdtemp()
    >>> picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    >>> Image.fromarray(picture).save(f"{folder}/room.png")
    >>> Image.fromarray(picture[:, ::-1]).save(f"{folder}/mirrored_room.png")
    >>> frames = ["1.png", "2.png"]
    >>> manifest = Manifest.from_lists(["room.png", "mirrored_room.png"], frames, frames, root=folder)
    >>> duplicate_backgrounds(manifest)
    [('room.png', 'mirrored_room.png')]
    """
    rows = zip(manifest.column("bg").tolist(), manifest.column("bg_id").tolist(), strict=True)
    pictures = list(dict.fromkeys(rows))
    paths = list(dict.fromkeys(path for path, _ in pictures))
    bar = tqdm(paths, desc="backgrounds", unit="picture", disable=None)
    small = {path: thumbnail(read_rgb(manifest.resolve(path))) for path in bar}
    pairs = similar_pictures(np.stack([small[path] for path, _ in pictures]), mirrored=mirrored)
    named = [(pictures[i][1], pictures[j][1]) for i, j in pairs.tolist()]
    return list(dict.fromkeys(pair for pair in named if pair[0] != pair[1]))


__all__ = ["duplicate_backgrounds"]
