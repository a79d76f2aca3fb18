"""Feature pyramids: our plain U-Net encoder, those of segmentation-models-pytorch, those of timm, and a user's own.

Whatever its source, an encoder is an `nn.Module` that follows `Encoder`: this package is the only place that knows the
two libraries.
"""

from fgbgnet.models.encoders.building import build_encoder
from fgbgnet.models.encoders.catalogue import list_encoders
from fgbgnet.models.encoders.plain import PLAIN_ENCODERS, PlainEncoder
from fgbgnet.models.encoders.protocol import Encoder, StagedEncoder

__all__ = ["PLAIN_ENCODERS", "Encoder", "PlainEncoder", "StagedEncoder", "build_encoder", "list_encoders"]
