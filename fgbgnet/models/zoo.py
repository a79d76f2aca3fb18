"""Named architectures."""

import fnmatch
import inspect
from dataclasses import dataclass
from typing import Any

import torch

from fgbgnet.errors import UnknownNameError
from fgbgnet.models.dual_head_unet import DualHeadUNet
from fgbgnet.models.encoders.catalogue import EncoderInfo, encoder_info


@dataclass(frozen=True)
class ModelCard:
    """A named architecture of the zoo.

    Attributes:
        name: The name that `create_model` takes.
        description: What it is for, in a line.
        parameters: How many it has.
        config: Arguments of `DualHeadUNet`.
    """

    name: str
    description: str
    parameters: int
    config: dict[str, Any]

    @property
    def encoder(self) -> EncoderInfo:
        """What is known of its encoder, the pretrained weights and their licences among it.

        >>> list_models("fgbgnet_s")[0].encoder.licenses[0]
        'apache-2.0'
        """
        return encoder_info(self.config["encoder_name"])


_CARDS = {
    card.name: card
    for card in (
        ModelCard(
            "classic",
            "the network of the 2020 project: plain U-Net, three shared stages, then one encoder tail per task",
            33_389_314,
            {"encoder_name": "unet", "shared_stages": 3, "depth_activation": "linear", "depth_unit": "relative"},
        ),
        ModelCard(
            "fgbgnet_xs",
            "plain U-Net of a quarter of the width with the signed difference as input; the demo's network",
            1_089_746,
            {"encoder_name": "unet_small", "fusion": "early_diff"},
        ),
        ModelCard(
            "fgbgnet_s",
            "MobileNetV4-small with thin decoders, for cameras and CPUs",
            1_918_400,
            {
                "encoder_name": "tu-mobilenetv4_conv_small",
                "fusion": "early_diff",
                "decoder_block": "separable",
                "decoder_channels": [256, 128, 64],
                "upsampling": 4,
            },
        ),
        ModelCard(
            "fgbgnet_m",
            "siamese MobileNetV3-large with thin decoders",
            4_447_824,
            {
                "encoder_name": "tu-mobilenetv3_large_100",
                "fusion": "siamese",
                "merge": "abs_diff",
                "decoder_block": "separable",
                "decoder_channels": [512, 256, 128],
                "upsampling": 4,
            },
        ),
        ModelCard(
            "fgbgnet_l",
            "siamese ResNet-34 with decoders of full convolutions, for GPUs",
            24_310_344,
            {
                "encoder_name": "tu-resnet34",
                "fusion": "siamese",
                "merge": "abs_diff",
                "decoder_channels": [128, 96, 64, 32],
                "upsampling": 2,
            },
        ),
    )
}


def list_models(pattern: str = "*") -> list[ModelCard]:
    """Architectures that `create_model` knows.

    >>> [card.name for card in list_models("class*")]
    ['classic']
    """
    return [_CARDS[name] for name in fnmatch.filter(_CARDS, pattern)]


def create_model(name: str, **overrides: Any) -> DualHeadUNet:  # noqa: ANN401 - the constructor's own
    """Builds a named architecture with random weights.

    They lie in memory channels-last, in which all of these architectures are faster on a CPU; the pictures need not.
    ``model.to(memory_format=torch.contiguous_format)`` takes it back.

    Args:
        name: One of `list_models`.
        **overrides: Arguments of `DualHeadUNet` that replace the named ones.

    Raises:
        UnknownNameError: If there is no such model, or no such argument.

    >>> model = create_model("classic")
    >>> sum(p.numel() for p in model.parameters())
    33389314
    """
    if name not in _CARDS:
        raise UnknownNameError("model", name, _CARDS, "fgbgnet.list_models() lists all.")
    known = list(inspect.signature(DualHeadUNet).parameters)
    for argument in overrides:
        if argument not in known:
            raise UnknownNameError("argument of create_model", argument, known)
    model = DualHeadUNet(**{**_CARDS[name].config, **overrides})
    return model.to(memory_format=torch.channels_last)


__all__ = ["ModelCard", "create_model", "list_models"]
