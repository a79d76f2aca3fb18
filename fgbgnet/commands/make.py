"""Commands that make data."""


def synth(out: str, n: int = 1000, size: int = 224, seed: int = 0, scenes_per_background: int = 4) -> None:
    """Write procedural quadruples (bg, fg_bg, mask, depth in metres) and their manifest.csv.

    Args:
        out: Folder; an interrupted run is taken up again.
        n: Number of scenes.
        size: Side of the pictures in pixels.
        seed: Another seed gives other scenes.
        scenes_per_background: How many scenes share one background.
    """
    from fgbgnet.synth import SceneDataset, write_scenes

    dataset = SceneDataset(n, size=size, seed=seed, scenes_per_background=scenes_per_background)
    print(f"Wrote {write_scenes(dataset, out)}")


def compose(
    backgrounds: str,
    cutouts: str,
    out: str,
    per_pair: int = 20,
    flip: bool = True,
    size: int = 224,
    seed: int = 0,
) -> None:
    """Paste cut-outs onto photographs and write the quadruples (without depth) and their manifest.csv.

    Args:
        backgrounds: Folder of photographs.
        cutouts: Folder of pictures with an alpha channel.
        out: Folder; an interrupted run is taken up again.
        per_pair: Composites of each cut-out on each background.
        flip: Whether each is made mirrored too.
        size: Side of the pictures in pixels.
        seed: Another seed gives other places and sizes.
    """
    from fgbgnet.synth import compose as compose_pictures

    manifest = compose_pictures(backgrounds, cutouts, out, per_pair=per_pair, flip=flip, size=size, seed=seed)
    print(f"Wrote {manifest}")


__all__ = ["compose", "synth"]
