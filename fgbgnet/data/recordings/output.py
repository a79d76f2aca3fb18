"""What an import leaves behind: derived pictures, a manifest, and a report on every recording."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fgbgnet.data.arrays import BoolArray, ByteArray
from fgbgnet.data.manifest import Manifest
from fgbgnet.errors import FgBgWarning, ManifestError
from fgbgnet.files import write_json
from fgbgnet.types import PathInput

IMPORTER_VERSION = 1
"""To be raised whenever the same recordings give other files, so that no folder holds two kinds."""

_REPORT = "recordings.json"


@dataclass
class Report:
    """What became of one recording."""

    name: str
    """Such as ``baseline/highway``; ids of its samples begin with it."""
    samples: int = 0
    dropped: int = 0
    """Frames with ground truth of which no pixel counts."""
    background: str | None = None
    """What the background was made of; see `index_cdnet`."""
    background_frames: int = 0
    depth_unit: str | None = None
    left_out: str | None = None
    """Why it has no samples."""
    notes: list[str] = field(default_factory=list)


class Output:
    """Collects samples, and writes each derived picture unless an earlier run did.

    Args:
        out: Folder, new or empty or of an earlier run; made if needed.
        settings: What the derived pictures depend on.

    Raises:
        InvalidArgumentError: If ``out`` holds anything but the same import.
    """

    def __init__(self, out: PathInput, settings: Mapping[str, Any]) -> None:
        from fgbgnet.synth.folders import claim  # here: that room imports this one

        self.out = Path(os.path.abspath(out))  # noqa: PTH100 - not resolved: links stay as the user wrote them
        self.reports: list[Report] = []
        self._rows: list[dict[str, str]] = []
        claim(
            self.out,
            {"kind": "recordings", "importer_version": IMPORTER_VERSION, **settings},
            "an import of the same recordings with the same settings",
        )

    def store(self, recording: str, name: str, pixels: ByteArray | BoolArray) -> str:
        """Writes a derived picture of a recording as PNG, bool as 0 and 255.

        Returns:
            Its path.
        """
        from fgbgnet.synth.folders import encode, put

        path = self.path_of(recording, name)
        if not self.has(recording, name):
            put(path, encode(pixels.astype(np.uint8) * 255 if pixels.dtype == np.bool_ else pixels))
        return str(path)

    def has(self, recording: str, name: str) -> bool:
        """Whether a derived picture is there."""
        from fgbgnet.synth.folders import present

        return present(self.path_of(recording, name))

    def path_of(self, recording: str, name: str) -> Path:
        """Where a derived picture of a recording is kept."""
        # One folder, whatever the names hold: quoted names have no plus sign.
        return self.out / "+".join(quote(part, safe=" ") for part in recording.split("/")) / f"{name}.png"

    def add(self, row: Mapping[str, str]) -> None:
        """Adds a sample: the cells of its row in the manifest."""
        self._rows.append(dict(row))

    def finish(self) -> Manifest:
        """Writes the manifest and the report.

        Raises:
            ManifestError: If there is no sample; the message says why.
        """
        write_json(self.out / _REPORT, {"recordings": [asdict(report) for report in self.reports]})
        gone = [f"{report.name}: {report.left_out}" for report in self.reports if report.left_out]
        if not self._rows:
            raise ManifestError(f"no samples: {'; '.join(gone) or 'no frame has ground truth'}")
        names = dict.fromkeys(name for row in self._rows for name in row)
        columns = {name: [row.get(name, "") for row in self._rows] for name in names}
        manifest = Manifest({name: values for name, values in columns.items() if any(values)}, self.out)
        manifest.write(self.out / "manifest.csv")
        if gone:
            warnings.warn(
                f"{len(gone)} of {len(self.reports)} recordings were left out: {'; '.join(gone)}",
                FgBgWarning,
                stacklevel=3,
            )
        return Manifest.read(self.out)


__all__ = ["IMPORTER_VERSION", "Output", "Report"]
