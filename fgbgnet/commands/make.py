"""Commands that make data."""

from typing import Literal


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
    horizon: tuple[float, float] | float | None = (0.45, 0.6),
    scale: tuple[float, float] = (0.35, 0.8),
    anywhere: bool = False,
    max_cutouts: int = 1,
    erode: float = 0.3,
    feather: float = 0.3,
    blur: float = 0.5,
    colour_match: float = 0.5,
    shadow: float = 0.7,
    depth: str | None = None,
    depth_mode: Literal["billboard", "teacher"] = "billboard",
    depth_unit: Literal["metres", "relative"] | None = None,
    depth_direction: Literal["near_small", "near_large"] | None = None,
    depth_scale: float | None = None,
    quality: tuple[int, int] | int | None = 92,
    chroma: Literal["4:2:0", "4:2:2", "4:4:4"] = "4:2:0",
    shard: int | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
    num_workers: int | None = None,
) -> None:
    """Paste cut-outs onto photographs and write the quadruples and their manifest.csv.

    Args:
        backgrounds: Folder of photographs.
        cutouts: Folder of pictures with an alpha channel.
        out: Folder; an interrupted run is taken up again.
        per_pair: Composites of each cut-out on each background.
        flip: Whether each is made mirrored too.
        size: Side of the pictures in pixels.
        seed: Another seed gives other places and sizes.
        horizon: Row of the horizon as a share of the height, or a range; null: any size at any place.
        scale: Range of the cut-outs' height relative to the picture's, at its bottom edge.
        anywhere: Also in the air.
        max_cutouts: Up to so many in a picture.
        erode: Probability that the edge moves inwards.
        feather: Probability that the edge fades inwards.
        blur: Probability that the cut-out is blurred a little.
        colour_match: Probability that its colours move towards the background's.
        shadow: Probability of a shadow.
        depth: Folder of depth maps of the backgrounds, or a depth-estimation model (folder or id); none by default.
        depth_mode: billboard: cut-outs stand upright on the depth of the background; teacher: the model judges every
            composite.
        depth_unit: metres or relative, of the maps, or of a model that does not say it.
        depth_direction: near_small (distance) or near_large (inverse depth), of the same.
        depth_scale: Factor for the values of the maps.
        quality: JPEG quality, or a range to draw from; null: PNG.
        chroma: Chroma sub-sampling of JPEG.
        shard: Write zip archives of so many samples instead of folders.
        limit: Only so many composites, drawn at random from all.
        skip_bad: Leave out pictures that cannot be used, instead of stopping.
        num_workers: Processes; by default one for each CPU.
    """
    from fgbgnet.synth import compose as compose_pictures

    manifest = compose_pictures(
        backgrounds,
        cutouts,
        out,
        per_pair=per_pair,
        flip=flip,
        size=size,
        seed=seed,
        horizon=horizon,
        scale=scale,
        anywhere=anywhere,
        max_cutouts=max_cutouts,
        erode=erode,
        feather=feather,
        blur=blur,
        colour_match=colour_match,
        shadow=shadow,
        depth=depth,
        depth_mode=depth_mode,
        depth_unit=depth_unit,
        depth_direction=depth_direction,
        depth_scale=depth_scale,
        quality=quality,
        chroma=chroma,
        shard=shard,
        limit=limit,
        skip_bad=skip_bad,
        num_workers=num_workers,
    )
    print(f"Wrote {manifest}")


__all__ = ["compose", "synth"]
