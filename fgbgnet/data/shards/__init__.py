"""Quadruples in tar archives that are read from one end to the other: WebDataset shards.

For data that are too many for one disk, or lie behind a network: whole archives are fetched in order, by every process
its own, where a folder would need millions of small requests.
"""

from fgbgnet.data.shards.dataset import PairedShardDataset
from fgbgnet.data.shards.index import Shard, ShardIndex
from fgbgnet.data.shards.packing import pack_shards

__all__ = ["PairedShardDataset", "Shard", "ShardIndex", "pack_shards"]
