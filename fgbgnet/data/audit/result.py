"""The result of an audit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgbgnet.data.audit.findings import KINDS, Correction, Finding
from fgbgnet.data.manifest import Manifest
from fgbgnet.types import PathInput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Audit:
    """What `check_manifest` found."""

    manifest: Manifest
    """The table that was audited."""
    n: int
    """How many samples were looked at."""
    findings: Sequence[Finding] = ()
    """The worst first."""
    corrections: Sequence[Correction] = field(default=(), repr=False)
    """What a repair changes."""
    rows: "npt.NDArray[np.int64] | None" = field(default=None, repr=False)
    """Numbers of the rows that were looked at; None for all."""

    @property
    def ok(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not any(finding.severity in ("error", "warning") for finding in self.findings)

    def total(self, finding: Finding) -> int:
        """Of how many samples the finding names some: those that were looked at, or for groups the whole table."""
        return len(self.manifest) if KINDS[finding.kind].of_table else self.n

    def to_json(self) -> dict[str, Any]:
        """``{"n": .., "findings": [{"kind": .., "severity": .., "ids": [..], "message": ..}, ..]}``."""
        listed = [
            {"kind": f.kind, "severity": f.severity, "ids": list(f.ids), "message": f.message} for f in self.findings
        ]
        return {"n": self.n, "findings": listed}

    def summary(self, width: int | None = None) -> str:
        """The findings as a table for the terminal, see `fgbgnet.data.audit.format_table`."""
        from fgbgnet.data.audit.table import format_table

        return format_table(self, width)

    def write_page(self, out: PathInput, samples: int = 12) -> Path:
        """Writes an HTML page with the worst pictures of each finding, see `fgbgnet.data.audit.write_page`."""
        from fgbgnet.data.audit.page import write_page

        return write_page(self, out, samples)

    def repaired(self, out: PathInput) -> Manifest:
        """Writes a new manifest with the corrections applied, see `fgbgnet.data.audit.write_repaired`."""
        from fgbgnet.data.audit.repair import write_repaired

        return write_repaired(self, out)


__all__ = ["Audit"]
