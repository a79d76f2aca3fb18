"""Pictures on disk -> batches: manifests, decoding, joint transforms, splits that do not leak, loaders."""

from fgbgnet.data.audit import check_manifest
from fgbgnet.data.colour import SharedColorJitter
from fgbgnet.data.dataset import PairedFgBgDataset
from fgbgnet.data.decode import read_depth, read_mask, read_rgb
from fgbgnet.data.duplicates import duplicate_backgrounds
from fgbgnet.data.geometry import RandomView, Resize
from fgbgnet.data.hashes import near_duplicates
from fgbgnet.data.labels import Labels
from fgbgnet.data.layers import Layers, check_sample
from fgbgnet.data.layouts import (
    AtLeast,
    Blocks,
    InOrder,
    Layout,
    Parts,
    Proposal,
    Table,
    index_layout,
    list_layouts,
    match_patterns,
    propose_layout,
    read_table,
)
from fgbgnet.data.leakage import Leak, leaks
from fgbgnet.data.loader import TrainLoader, collate_samples, init_worker, make_loader
from fgbgnet.data.manifest import Manifest
from fgbgnet.data.recordings import index_cdnet, index_ocid, index_sbm_rgbd
from fgbgnet.data.sampler import SeededSampler
from fgbgnet.data.seeding import SharedEpoch, sample_seed, seeded
from fgbgnet.data.shards import PairedShardDataset, Shard, ShardIndex, pack_shards
from fgbgnet.data.similar import hash_thumbnails, picture_hash, same_picture, similar_pictures, thumbnail
from fgbgnet.data.split import Split, load_split, seeded_split
from fgbgnet.data.storage import list_names, read_bytes
from fgbgnet.data.transforms import JointTransform, apply_transform, eval_transform, train_transform
from fgbgnet.data.zips.limits import ArchiveLimits, archive_limits, set_archive_limits

__all__ = [
    "ArchiveLimits",
    "AtLeast",
    "Blocks",
    "InOrder",
    "JointTransform",
    "Labels",
    "Layers",
    "Layout",
    "Leak",
    "Manifest",
    "PairedFgBgDataset",
    "PairedShardDataset",
    "Parts",
    "Proposal",
    "RandomView",
    "Resize",
    "SeededSampler",
    "Shard",
    "ShardIndex",
    "SharedColorJitter",
    "SharedEpoch",
    "Split",
    "Table",
    "TrainLoader",
    "apply_transform",
    "archive_limits",
    "check_manifest",
    "check_sample",
    "collate_samples",
    "duplicate_backgrounds",
    "eval_transform",
    "hash_thumbnails",
    "index_cdnet",
    "index_layout",
    "index_ocid",
    "index_sbm_rgbd",
    "init_worker",
    "leaks",
    "list_layouts",
    "list_names",
    "load_split",
    "make_loader",
    "match_patterns",
    "near_duplicates",
    "pack_shards",
    "picture_hash",
    "propose_layout",
    "read_bytes",
    "read_depth",
    "read_mask",
    "read_rgb",
    "read_table",
    "same_picture",
    "sample_seed",
    "seeded",
    "seeded_split",
    "set_archive_limits",
    "similar_pictures",
    "thumbnail",
    "train_transform",
]
