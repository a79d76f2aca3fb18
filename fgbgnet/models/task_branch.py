"""What belongs to one task alone, and how the tasks' raw outputs become the model's."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from fgbgnet.models.decoder import UNetDecoder
from fgbgnet.models.features import Features, Pyramid
from fgbgnet.models.fusion import SiameseFusion, SingleStream, joined
from fgbgnet.models.heads import DepthHead, MaskHead
from fgbgnet.models.sizes import cropped
from fgbgnet.types import TASKS, Outputs, Task

EMPTY_LOGIT = -math.log(99)
"""With a cross-task step the mask logit of two equal pictures is at most this: a probability of 0.01."""

RawOutputs: TypeAlias = tuple[Tensor, Tensor | None]
"""Raw values of the head for the pair, and for the background with itself if there is a cross-task step."""


class TaskBranch(nn.Module):
    """The deeper encoder stages that are not shared, the decoder, and the head.

    Args:
        tail: The deeper stages, in the form of the fusion; None where all are shared.
        decoder: The decoder.
        head: The head.
    """

    def __init__(
        self, tail: SingleStream | SiameseFusion | None, decoder: UNetDecoder, head: MaskHead | DepthHead
    ) -> None:
        super().__init__()
        self.tail = tail
        self.decoder = decoder
        self.head = head

    def forward(self, features: Features) -> RawOutputs:
        """Shared features -> raw values (B, 1 or 2, H, W), at the padded size."""
        if features.reference is None:
            return self.raw(features.pair, features.padded), None
        if not self.training:
            return self.raw(features.pair, features.padded), self.raw(features.reference, features.padded)
        # One pass over both, so that BatchNorm treats them alike.
        pair, reference = self.raw(joined(features.pair, features.reference), features.padded).chunk(2)
        return pair, reference

    def raw(self, pyramid: Pyramid, padded: Sequence[int]) -> Tensor:
        """Raw values of one pyramid."""
        deeper = self.tail(*pyramid.carry).levels if self.tail is not None else []
        return self.raw_of_levels([*pyramid.levels, *deeper], padded)

    def raw_of_levels(self, levels: Sequence[Tensor], padded: Sequence[int]) -> Tensor:
        """Raw values of all levels, the task's own included."""
        result: Tensor = self.head(self.decoder(levels, padded))
        return result


def needed_branches(tasks: Sequence[Task], cross_task: bool) -> tuple[Task, ...]:
    """The branches that must run for these outputs: with a cross-task step the depth needs the mask.

    >>> needed_branches(("depth",), cross_task=False), needed_branches(("depth",), cross_task=True)
    (('depth',), ('mask', 'depth'))
    """
    return TASKS if cross_task and "depth" in tasks else tuple(tasks)


def interpret(
    raws: Mapping[Task, RawOutputs],
    heads: Mapping[Task, MaskHead | DepthHead],
    tasks: Sequence[Task],
    size: Sequence[int],
) -> Outputs:
    """What the branches' raw values mean.

    With a cross-task step, what the network would call foreground in two equal pictures is subtracted from the mask
    logits, and the mask's probability gates the depth: raw depth = z(bg, bg) + p (z(bg, fg_bg) - z(bg, bg)). Two equal
    pictures thus give an empty mask and the background's own depth whatever the weights. No gradient of the depth
    flows through p, so that the tasks stay apart.

    Args:
        raws: Of the branches that `needed_branches` names.
        heads: The heads of the branches.
        tasks: Tasks to return.
        size: (H, W) of the pictures, to which the padding is cut.

    Returns:
        ``"mask"``, ``"depth"``, and their ``"..._uncertainty"`` where the head has one.
    """
    values = {task: cropped(pair, size) for task, (pair, _) in raws.items()}
    references = {task: None if own is None else cropped(own, size) for task, (_, own) in raws.items()}
    outputs: Outputs = {}
    for task in (task for task in TASKS if task in values):
        raw, reference = values[task], references[task]
        if reference is not None and task == "mask":
            # pair - relu(reference - EMPTY_LOGIT), in the order that is exact for equal pictures, however large.
            own = reference[:, :1]
            raw = _with_value(raw, (raw[:, :1] - own) + own.clamp(max=EMPTY_LOGIT))
        elif reference is not None:
            gate = outputs["mask"].sigmoid().detach()
            raw = _with_value(raw, reference[:, :1] + gate * (raw[:, :1] - reference[:, :1]))
        value, uncertainty = heads[task].interpret(raw)
        outputs[task] = value
        if uncertainty is not None:
            outputs[f"{task}_uncertainty"] = uncertainty
    return {key: tensor for key, tensor in outputs.items() if key.removesuffix("_uncertainty") in tasks}


def _with_value(raw: Tensor, value: Tensor) -> Tensor:
    return value if raw.shape[1] == 1 else torch.cat([value, raw[:, 1:]], dim=1)


__all__ = ["EMPTY_LOGIT", "RawOutputs", "TaskBranch", "interpret", "needed_branches"]
