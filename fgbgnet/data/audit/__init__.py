"""The audit: is every quadruple what its manifest says?"""

from fgbgnet.data.audit.findings import KINDS, Correction, Finding, Kind
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.audit.run import check_manifest

__all__ = ["KINDS", "Audit", "Correction", "Finding", "Kind", "check_manifest"]
