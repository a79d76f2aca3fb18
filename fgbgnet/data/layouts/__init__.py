"""From file names to a manifest: patterns, rules for the background, tables, and layouts that have a name."""

from fgbgnet.data.layouts.matching import match_patterns
from fgbgnet.data.layouts.rules import AtLeast, BackgroundRule, Blocks, Fields, InOrder, Parts

__all__ = ["AtLeast", "BackgroundRule", "Blocks", "Fields", "InOrder", "Parts", "match_patterns"]
