"""Feature pyramids: our plain U-Net encoder, those of segmentation-models-pytorch, those of timm, and a user's own.

Whatever its source, an encoder is an `nn.Module` that follows `Encoder`: this package is the only place that knows the
two libraries.
"""

from fgbgnet.models.encoders.building import build_encoder
from fgbgnet.models.encoders.catalogue import EncoderInfo, list_encoders, near_splittable
from fgbgnet.models.encoders.names import canonical_name
from fgbgnet.models.encoders.plain import PLAIN_ENCODERS, PlainEncoder
from fgbgnet.models.encoders.protocol import Encoder, InputSizes, StagedEncoder

__all__ = [
    "PLAIN_ENCODERS",
    "Encoder",
    "EncoderInfo",
    "InputSizes",
    "PlainEncoder",
    "StagedEncoder",
    "build_encoder",
    "canonical_name",
    "list_encoders",
    "near_splittable",
]
