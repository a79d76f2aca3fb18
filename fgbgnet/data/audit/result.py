"""The result of an audit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fgbgnet.data.audit.findings import Correction, Finding
from fgbgnet.data.manifest import Manifest

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

    def to_json(self) -> dict[str, Any]:
        """``{"n": .., "findings": [{"kind": .., "severity": .., "ids": [..], "message": ..}, ..]}``."""
        listed = [
            {"kind": f.kind, "severity": f.severity, "ids": list(f.ids), "message": f.message} for f in self.findings
        ]
        return {"n": self.n, "findings": listed}


__all__ = ["Audit"]
