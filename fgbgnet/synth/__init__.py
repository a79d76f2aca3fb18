"""Quadruples out of nothing, and out of cut-outs; and backgrounds as imperfect as real ones."""

from fgbgnet.synth.composites import ComposedDataset, CompositeStyle, compose
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
from fgbgnet.synth.scenes import SceneDataset, SceneGenerator, write_scenes
from fgbgnet.synth.teachers import Teacher, annotate, load_teacher

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
