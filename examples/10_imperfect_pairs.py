"""
Imperfect pairs
===============

What can be wrong with a pair of pictures: everything that `fgbgnet.synth.perturb_pair` can do to one, at severities 1,
3 and 5, on generated scenes. Training augmentation and evaluation are made of these.
"""

import numpy as np

from fgbgnet.plotting import Panel, tile
from fgbgnet.synth import PAIR_PERTURBATIONS, PERTURBATIONS, RandomPairPerturb, SceneGenerator, perturb_pair

scenes = SceneGenerator(size=112, seed=4).batch(range(6))


def pixels(picture):
    return (picture * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8)


# %%
# The clean pairs: backgrounds above, frames below.

tile([Panel(f"{key} {k}", pixels(scenes[key][k])) for key in ("bg", "fg_bg") for k in range(6)], columns=6)

# %%
# Of one picture
# --------------
# Here they change the background; with ``target="fg_bg"`` they change the frame, whose mask and depth move with it. The
# same seed with a higher severity is more of the same.


def sheet(names):
    panels = []
    for k, name in enumerate(names):
        row = k % 6
        partner = (row + 1) % 6
        pair = {key: layer[row : row + 1] for key, layer in scenes.items()}
        other = {key: layer[partner : partner + 1] for key, layer in scenes.items()}
        for severity in (1, 3, 5):
            changed = perturb_pair(pair, name, severity, seeds=[k], partners=other)
            shown = "fg_bg" if name == "same_colour" else "bg"
            panels.append(Panel(f"{name} {severity}", pixels(changed[shown][0])))
    return tile(panels, columns=6)


sheet(PERTURBATIONS)

# %%
# Of the pair
# -----------
# These need both pictures, the mask, or another sample. ``same_colour`` changes the frame, the others the background.

sheet(PAIR_PERTURBATIONS)

# %%
# For a training loop
# -------------------
# ``RandomPairPerturb`` draws from all of them, with one seed per sample.

augment = RandomPairPerturb()
print(augment)
drawn = [augment(scenes, seeds=range(6 * k, 6 * k + 6)) for k in range(2)]
tile([Panel(key, pixels(batch[key][k])) for batch in drawn for key in ("bg", "fg_bg") for k in range(6)], columns=6)
