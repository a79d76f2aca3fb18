"""Columns of a manifest that come from placeholders."""

from collections.abc import Mapping
from typing import Any

from fgbgnet.data.layouts.patterns import fill, placeholders
from fgbgnet.data.layouts.rules import takes_columns
from fgbgnet.data.layouts.values import Values, as_text, to_strings

_YES, _NO = {"t", "true", "1", "yes", "flip", "flipped"}, {"f", "false", "0", "no", "", "noflip"}


def own_columns(fields: dict[str, Values], columns: Mapping[str, Any]) -> dict[str, Values]:
    """Columns that placeholders of certain names make."""
    made = {}
    for placeholder, column in (("fg", "fg_id"), ("flip", "flip"), ("split", "split")):
        if placeholder in fields and column not in columns:
            text = as_text(fields[placeholder])
            made[column] = _truth(text) if column == "flip" else text
    return made


def _truth(text: Values) -> Values:
    """Words for yes and no as ``true`` and ``false``; other words stay."""
    seen = {value: value.lower() for value in set(text.tolist())}
    if not set(seen.values()) <= _YES | _NO:
        return text
    return to_strings(["true" if seen[value] in _YES else "false" for value in text.tolist()])


def further_column(values: Any, fields: dict[str, Values], count: int) -> Any:  # noqa: ANN401
    """A further column: given, the same for all rows, or filled from placeholders."""
    if takes_columns(values):
        return to_strings(["true" if value else "false" for value in values(fields).tolist()])
    if not isinstance(values, str):
        return values
    names = [name for name in placeholders(values) if name in fields]
    if not names:
        return to_strings([values] * count)
    texts = [as_text(fields[name]).tolist() for name in names]
    return to_strings([fill(values, dict(zip(names, row, strict=True))) for row in zip(*texts, strict=True)])


__all__ = ["further_column", "own_columns"]
