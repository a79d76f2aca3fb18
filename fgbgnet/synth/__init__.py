"""Quadruples out of nothing, and out of cut-outs; and backgrounds as imperfect as real ones."""

from fgbgnet.synth.compose import compose
from fgbgnet.synth.composed_dataset import ComposedDataset
from fgbgnet.synth.perturb import (
    MAX_SEVERITY,
    PAIR_PERTURBATIONS,
    PERTURBATIONS,
    PairPerturbation,
    Perturbation,
    RandomPairPerturb,
    RandomPerturb,
    perturb,
    perturb_pair,
)
from fgbgnet.synth.scene_dataset import SceneDataset
from fgbgnet.synth.scenes import SceneGenerator
from fgbgnet.synth.style import CompositeStyle
from fgbgnet.synth.teachers import Teacher, annotate, load_teacher
from fgbgnet.synth.writing import write_scenes

__all__ = [
    "MAX_SEVERITY",
    "PAIR_PERTURBATIONS",
    "PERTURBATIONS",
    "ComposedDataset",
    "CompositeStyle",
    "PairPerturbation",
    "Perturbation",
    "RandomPairPerturb",
    "RandomPerturb",
    "SceneDataset",
    "SceneGenerator",
    "Teacher",
    "annotate",
    "compose",
    "load_teacher",
    "perturb",
    "perturb_pair",
    "write_scenes",
]
