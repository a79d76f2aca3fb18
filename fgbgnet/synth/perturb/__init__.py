"""How a real background differs from the frame: for training augmentation and for the robustness suite alike."""

from fgbgnet.synth.perturb.augment import RandomPerturb
from fgbgnet.synth.perturb.pair import perturb_pair
from fgbgnet.synth.perturb.pair_augment import RandomPairPerturb, SamplePerturb
from fgbgnet.synth.perturb.pairs import PAIR_PERTURBATIONS, PairPerturbation, Target
from fgbgnet.synth.perturb.registry import PERTURBATIONS, perturb
from fgbgnet.synth.perturb.steps import MAX_SEVERITY, Perturbation

__all__ = [
    "MAX_SEVERITY",
    "PAIR_PERTURBATIONS",
    "PERTURBATIONS",
    "PairPerturbation",
    "Perturbation",
    "RandomPairPerturb",
    "RandomPerturb",
    "SamplePerturb",
    "Target",
    "perturb",
    "perturb_pair",
]
