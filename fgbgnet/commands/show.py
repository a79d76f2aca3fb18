"""Commands that list what there is."""

from fgbgnet.errors import InvalidArgumentError


def models(pattern: str = "*") -> None:
    """List the named architectures.

    Args:
        pattern: Shell pattern, e.g. 'fgbgnet_*'.
    """
    from fgbgnet.models import list_models

    for card in list_models(pattern):
        print(f"{card.name:12}{card.parameters / 1e6:7.2f} M parameters  {card.description}")


def encoders(
    pattern: str = "*",
    pretrained: str | None = None,
    license: str | None = None,  # noqa: A002 - the word of the field
    splittable: bool = False,
) -> None:
    """List the encoders that a model can be built on.

    Args:
        pattern: Shell pattern, e.g. 'resnet*' or 'tu-convnext*' (tu-: from timm).
        pretrained: Only those with pretrained weights of this name, 'yes' for any, or 'no': only those without.
        license: Only those with pretrained weights under such a licence: shell patterns, e.g. 'apache*,mit,bsd*'.
        splittable: Only those that --shared-stages can split between the tasks.
    """
    from fgbgnet.models import list_encoders

    weights = {"yes": True, "no": False}.get(pretrained, pretrained) if pretrained else None
    licenses = [part.strip() for part in license.split(",")] if license else None
    found = list_encoders(pattern, pretrained=weights, license=licenses, splittable=splittable or None)
    if not found:
        raise InvalidArgumentError(
            f"no encoder matches {pattern!r} with these filters; try 'res*', or 'tu-*' for those of timm"
        )
    for encoder in found:
        print(str(encoder).rstrip())


__all__ = ["encoders", "models"]
