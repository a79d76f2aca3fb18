"""Which encoders there are, and what is known of each without building it."""

import csv
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from fgbgnet.models.encoders.names import known_names
from fgbgnet.models.encoders.plain import PLAIN_ENCODERS
from fgbgnet.models.encoders.smp import smp_family, smp_license, smp_names, smp_weights
from fgbgnet.models.encoders.timm import timm_family, timm_license, timm_weights

Source = Literal["fgbgnet", "smp", "timm"]

TABLE = Path(__file__).with_name("table.csv")
"""Facts that are known only of a built encoder; written by ``examples/benchmarks/encoders.py``."""


@dataclass(frozen=True)
class EncoderInfo:
    """What is known of a named encoder.

    Attributes:
        name: The name that `fgbgnet.DualHeadUNet` takes.
        source: ``"fgbgnet"``, ``"smp"`` (segmentation-models-pytorch) or ``"timm"``.
        family: The module of the source that it stands in.
        pretrained: Names of its pretrained weights, the default first.
        licenses: Their licences, in the same order, as the source names them; None where it names none.
        parameters: Number of parameters with three input channels. This and what follows is None for an encoder that
            is newer than the table in this package.
        strides: Strides of its features, for ``encoder_depth=5``.
        splittable: Whether ``shared_stages`` can split it between the tasks.
    """

    name: str
    source: Source
    family: str
    pretrained: tuple[str, ...] = ()
    licenses: tuple[str | None, ...] = ()
    parameters: int | None = None
    strides: tuple[int, ...] | None = None
    splittable: bool | None = None

    def __str__(self) -> str:
        size = "size unknown" if self.parameters is None else f"{self.parameters / 1e6:.2f} M"
        strides = "strides unknown" if self.strides is None else "strides " + ",".join(map(str, self.strides))
        split = {True: "splittable", False: "whole", None: "?"}[self.splittable]
        weights = ", ".join(
            weights if terms is None else f"{weights} ({terms})"
            for weights, terms in zip(self.pretrained, self.licenses, strict=True)
        )
        return f"{self.name:42} {size:>12}  {strides:22} {split:10} {weights or 'no weights'}"


class _Row(NamedTuple):
    """A row of the table."""

    works: bool
    parameters: int | None
    strides: tuple[int, ...] | None
    splittable: bool | None


_NEWER = _Row(True, None, None, None)


def list_encoders(
    pattern: str = "*",
    *,
    pretrained: bool | str | None = None,
    license: str | Sequence[str] | None = None,  # noqa: A002 - the word of the field
    splittable: bool | None = None,
) -> list[EncoderInfo]:
    """Encoders that `DualHeadUNet` takes as ``encoder_name``.

    Args:
        pattern: A shell pattern of names, e.g. ``"resnet*"``. Names of timm carry the prefix ``tu-``; a pattern
            without it finds them, too, if it finds nothing else.
        pretrained: True: only those with pretrained weights; False: only those without; a name, e.g. ``"imagenet"``
            or timm's ``"fb_in22k_ft_in1k"``: only those with such weights.
        license: A shell pattern or several, e.g. ``"apache*"`` or ``("apache*", "mit", "bsd*")``: only those with
            pretrained weights under such a licence. Weights whose licence the source does not name never match.
        splittable: Only those that ``shared_stages`` can split, or only those that it cannot.

    Returns:
        The plain encoders, then those of segmentation-models-pytorch, then those of timm. Models of timm without a
        pyramid, such as plain vision transformers, are left out.

    >>> [encoder.name for encoder in list_encoders("unet*")]
    ['unet', 'unet_small']
    >>> [encoder.name for encoder in list_encoders("resnet1*", pretrained="ssl")]
    ['resnet18']
    """
    rows = _table()
    names = fnmatch.filter(known_names(), pattern) or fnmatch.filter(known_names(), f"tu-{pattern}")
    found = [encoder_info(name) for name in names if rows.get(name, _NEWER).works]
    licenses = (license,) if isinstance(license, str) else license
    return [
        encoder
        for encoder in found
        if _has_weights(encoder, pretrained, licenses) and splittable in (None, encoder.splittable)
    ]


@cache
def encoder_info(name: str) -> EncoderInfo:
    """What is known of one encoder, by its canonical name."""
    row = _table().get(name, _NEWER)
    facts = (row.parameters, row.strides, row.splittable)
    if name in PLAIN_ENCODERS:
        return EncoderInfo(name, "fgbgnet", "plain", (), (), *facts)
    if name in smp_names():
        weights = smp_weights(name)
        return EncoderInfo(name, "smp", smp_family(name), weights, (smp_license(name),) * len(weights), *facts)
    weights = timm_weights(name)
    licenses = tuple(timm_license(name, tag) for tag in weights)
    return EncoderInfo(name, "timm", timm_family(name), weights, licenses, *facts)


def near_splittable(name: str, count: int = 3) -> list[str]:
    """Splittable encoders like this one: those of its family if there are any, else those of its size."""
    own = encoder_info(name)
    known = [encoder_info(other) for other, row in _table().items() if row.works and row.splittable]
    relatives = [other for other in known if (other.source, other.family) == (own.source, own.family)]
    size = own.parameters or 0
    ranked = sorted(relatives or known, key=lambda other: abs((other.parameters or 0) - size))
    return [other.name for other in ranked[:count]]


def _has_weights(encoder: EncoderInfo, pretrained: bool | str | None, licenses: Sequence[str] | None) -> bool:
    """Whether an encoder has weights as asked, or has none as asked."""
    if pretrained is False:
        return not encoder.pretrained and licenses is None
    if pretrained is None and licenses is None:
        return True
    return any(
        pretrained in (None, True, weights) and (licenses is None or _matches(terms, licenses))
        for weights, terms in zip(encoder.pretrained, encoder.licenses, strict=True)
    )


def _matches(license: str | None, patterns: Sequence[str]) -> bool:  # noqa: A002
    return license is not None and any(fnmatch.fnmatch(license.lower(), pattern.lower()) for pattern in patterns)


@cache
def _table() -> dict[str, _Row]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: _read(row) for row in csv.DictReader(file)}


def _read(row: dict[str, str]) -> _Row:
    return _Row(
        row["works"] == "yes",
        int(row["parameters"]) if row["parameters"] else None,
        tuple(map(int, row["strides"].split())) or None,
        row["splittable"] == "yes" if row["splittable"] else None,
    )


__all__ = ["EncoderInfo", "encoder_info", "list_encoders", "near_splittable"]
