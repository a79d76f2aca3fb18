"""The one door to albumentations: quiet, offline, and the MIT one."""

import os
import warnings
from importlib import import_module, metadata
from typing import Any

from fgbgnet.errors import FgBgWarning


def import_albumentations() -> Any:  # noqa: ANN401 - an untyped module
    """Imports albumentations without the network, and warns where AlbumentationsX has taken its place.

    Without ``NO_ALBUMENTATIONS_UPDATE`` the import itself asks PyPI for a newer version. AlbumentationsX is another
    distribution with the same import name (AGPL, with telemetry): the one that was installed last is imported.
    """
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # inherited by the workers of a loader
    album = import_module("albumentations")
    if not getattr(album, "_fgbgnet_checked", False):
        album._fgbgnet_checked = True  # type: ignore[attr-defined]
        _warn_if_replaced()
    return album


def _warn_if_replaced() -> None:
    try:
        version = metadata.version("albumentationsx")
    except metadata.PackageNotFoundError:
        return
    warnings.warn(
        f"AlbumentationsX {version} is installed and overwrites albumentations (it is AGPL, and sends telemetry). Fix: "
        "python -m pip uninstall -y albumentationsx; python -m pip install --force-reinstall --no-deps "
        "albumentations==2.0.8",
        FgBgWarning,
        stacklevel=3,
    )


__all__ = ["import_albumentations"]
