"""The command that packs data into shards."""


def pack(
    manifest: str,
    shards: str,
    samples_per_shard: int = 2000,
    max_mb: float | None = None,
    shuffle: bool = True,
    seed: int = 0,
    share_backgrounds: bool = False,
    split: str | None = None,
) -> None:
    """Pack the files of a manifest into WebDataset shards, for data that are streamed rather than opened one by one.

    Files are copied as they are. An interrupted run is taken up again by the same command.

    Args:
        manifest: manifest.csv of the data.
        shards: Path of the shards with a place for their number, e.g. out-%06d.tar; the index is out-index.json.
        samples_per_shard: At most so many samples in a shard.
        max_mb: At most so many megabytes in a shard.
        shuffle: Whether samples are packed in random order; what is streamed cannot be shuffled well later.
        seed: Of that order.
        share_backgrounds: Store a background once per shard; smaller, but other readers must look it up.
        split: Pack only this side of the manifest's column split.
    """
    from fgbgnet.data import Manifest, PairedFgBgDataset, load_split, pack_shards
    from fgbgnet.data.shards.pattern import ShardPattern
    from fgbgnet.errors import InvalidArgumentError

    if max_mb is not None and max_mb * 1e6 < 1:
        raise InvalidArgumentError(f"max_mb is {max_mb:g}; expected megabytes, more than 0")
    table = Manifest.read(manifest)
    if split is not None:
        table = load_split(PairedFgBgDataset(table), [split])[0].manifest
    max_bytes = None if max_mb is None else int(max_mb * 1e6)
    index = pack_shards(table, shards, samples_per_shard, max_bytes, shuffle, seed, share_backgrounds)
    megabytes = sum(shard.bytes for shard in index.shards) / 1e6
    print(f"{index.samples} samples in {len(index.shards)} shards, {megabytes:.1f} MB")
    print(f"Wrote {ShardPattern.parse(shards).index}")


__all__ = ["pack"]
