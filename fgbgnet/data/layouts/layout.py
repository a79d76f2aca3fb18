"""What a layout is: patterns or a table, a rule for the background, and what is known of the values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fgbgnet.data.layouts.matching import Background, PairBy
from fgbgnet.data.layouts.patterns import Patterns
from fgbgnet.data.layouts.rules import AtLeast
from fgbgnet.data.layouts.tables import Table


@dataclass(frozen=True)
class Layout:
    """How the files of a data set are named, and how its frames find their backgrounds.

    Args:
        name: Short name.
        meaning: One line: by what the layout is recognised, and how backgrounds are found.
        bg, fg_bg, mask, depth: Patterns as `match_patterns` takes them; empty with a table. An empty ``bg`` says that
            such data have no backgrounds of their own: one has to be given.
        background: Rule for the background, as `match_patterns` takes it.
        pair_by: How masks and depth maps find their frames, as for `match_patterns`.
        table: The table that lists the files.
        columns: Further columns of the manifest: constants such as ``depth_direction``, or templates.
        flip: Which frames show a mirrored foreground, where a number says it.
        note: What one should know before one trusts such data.

    >>> Layout("mine", "numbered pictures", bg="bg/{b}.jpg", fg_bg="{b}/{n}.jpg", mask="{b}/{n}.png").name
    'mine'
    """

    name: str
    meaning: str
    bg: Patterns = ""
    fg_bg: Patterns = ""
    mask: Patterns = ""
    depth: Patterns | None = None
    background: Background | None = None
    pair_by: PairBy = "names"
    table: Table | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    flip: AtLeast | None = None
    note: str = ""


__all__ = ["Layout"]
