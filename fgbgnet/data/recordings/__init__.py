"""Recordings of fixed cameras, as public data sets store them -> manifests. Nothing is downloaded."""

from fgbgnet.data.recordings.background import temporal_median
from fgbgnet.data.recordings.changes import index_cdnet, index_sbm_rgbd
from fgbgnet.data.recordings.ocid import index_ocid

__all__ = ["index_cdnet", "index_ocid", "index_sbm_rgbd", "temporal_median"]
