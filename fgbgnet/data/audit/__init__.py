"""The audit: is every quadruple what its manifest says?"""

from fgbgnet.data.audit.findings import KINDS, Correction, Finding, Kind
from fgbgnet.data.audit.page import write_page
from fgbgnet.data.audit.repair import write_repaired
from fgbgnet.data.audit.result import Audit
from fgbgnet.data.audit.run import check_manifest
from fgbgnet.data.audit.table import format_table

__all__ = [
    "KINDS",
    "Audit",
    "Correction",
    "Finding",
    "Kind",
    "check_manifest",
    "format_table",
    "write_page",
    "write_repaired",
]
