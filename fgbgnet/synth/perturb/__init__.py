"""How a real background differs from the frame: for training augmentation and for the robustness suite alike."""

from fgbgnet.synth.perturb.augment import RandomPerturb
from fgbgnet.synth.perturb.registry import MAX_SEVERITY, PERTURBATIONS, Perturbation, perturb

__all__ = ["MAX_SEVERITY", "PERTURBATIONS", "Perturbation", "RandomPerturb", "perturb"]
