"""As `fgbgnet.synth.perturb.sensor`, for one picture of 8 bits on the CPU."""

import cv2
import numpy as np

from fgbgnet.data.arrays import ByteArray
from fgbgnet.synth.perturb.eightbit.shapes import Row
from fgbgnet.synth.perturb.sensor import CHROMA, NOISE_STD, noise_bytes


def noise(picture: ByteArray, row: Row, seed: int) -> ByteArray:
    """Sensor noise, of the same random bytes."""
    height, width = picture.shape[:2]
    bytes_ = noise_bytes(seed, picture.size).reshape(4, 3 * height, width)
    # Twice as fast as a sum over the axis.
    total = np.add(bytes_[0], bytes_[1], dtype=np.uint16) + np.add(bytes_[2], bytes_[3], dtype=np.uint16)
    unit = total.astype(np.float32).reshape(3, height, width)
    unit -= 4 * 127.5
    read, shot = row
    sigma = np.sqrt(read**2 + shot**2 * np.arange(256) / 255) * (255 / NOISE_STD)
    planes = []
    for plane, field in zip(cv2.split(picture), unit, strict=True):
        field *= cv2.LUT(plane, sigma.astype(np.float32))
        planes.append(cv2.add(plane, field, dtype=cv2.CV_8U))
    return np.asarray(cv2.merge(planes), np.uint8)


def jpeg(picture: ByteArray, row: Row) -> ByteArray:
    """Compression and decompression by the real codec."""
    quality, chroma = row
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[round(chroma)]]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


__all__ = ["jpeg", "noise"]
