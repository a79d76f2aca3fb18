"""Using trained models."""

from fgbgnet.inference.clips import FrameWriter, predict_video
from fgbgnet.inference.export import ExportedModel, ExportReport, OnnxModel, export_model
from fgbgnet.inference.flips import FlipAveraged
from fgbgnet.inference.folders import PairsReport, predict_pairs
from fgbgnet.inference.load import load_model
from fgbgnet.inference.pairs import Pair, folder_pairs, manifest_pairs
from fgbgnet.inference.tiles import TiledModel
from fgbgnet.inference.video import FrameReader, median_background
from fgbgnet.inference.wrapping import Wrapper

__all__ = [
    "ExportReport",
    "ExportedModel",
    "FlipAveraged",
    "FrameReader",
    "FrameWriter",
    "OnnxModel",
    "Pair",
    "PairsReport",
    "TiledModel",
    "Wrapper",
    "export_model",
    "folder_pairs",
    "load_model",
    "manifest_pairs",
    "median_background",
    "predict_pairs",
    "predict_video",
]
