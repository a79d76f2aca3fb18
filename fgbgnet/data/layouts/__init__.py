"""From file names to a manifest: patterns, rules for the background, tables, and layouts that have a name."""

from fgbgnet.data.layouts.catalogue import LAYOUTS
from fgbgnet.data.layouts.index import index_layout, list_layouts
from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.matching import match_patterns
from fgbgnet.data.layouts.propose import Proposal, propose_layout
from fgbgnet.data.layouts.rules import AtLeast, BackgroundRule, Blocks, Fields, InOrder, Parts
from fgbgnet.data.layouts.tables import Table, read_table

__all__ = [
    "LAYOUTS",
    "AtLeast",
    "BackgroundRule",
    "Blocks",
    "Fields",
    "InOrder",
    "Layout",
    "Parts",
    "Proposal",
    "Table",
    "index_layout",
    "list_layouts",
    "match_patterns",
    "propose_layout",
    "read_table",
]
