"""Commands that list what there is."""

from fgbgnet.errors import InvalidArgumentError


def models(pattern: str = "*") -> None:
    """List the named architectures.

    Args:
        pattern: Shell pattern, e.g. 'fgbgnet_*'.
    """
    from fgbgnet.models import count_parameters, create_model, list_models

    for card in list_models(pattern):
        millions = count_parameters(create_model(card.name)) / 1e6
        print(f"{card.name:12}{millions:7.2f} M parameters  {card.description}")


def encoders(pattern: str = "*") -> None:
    """List the encoders that a model can be built on.

    Args:
        pattern: Shell pattern, e.g. 'resnet*' or 'tu-convnext*' (tu-: from timm).
    """
    from fgbgnet.models import list_encoders

    names = list_encoders(pattern)
    if not names:
        raise InvalidArgumentError(f"no encoder matches {pattern!r}; try 'res*', or 'tu-*' for those of timm")
    print("\n".join(names))


__all__ = ["encoders", "models"]
