"""Procedural rooms and streets with something new in them."""

from fgbgnet.synth.scenes.dataset import SceneDataset
from fgbgnet.synth.scenes.generator import GENERATOR_VERSION, SceneGenerator
from fgbgnet.synth.scenes.writing import write_scenes

__all__ = ["GENERATOR_VERSION", "SceneDataset", "SceneGenerator", "write_scenes"]
