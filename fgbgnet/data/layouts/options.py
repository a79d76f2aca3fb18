"""A layout as options of the command line, and back."""

import shlex
from typing import Any

from fgbgnet.data.layouts.catalogue import LAYOUTS
from fgbgnet.data.layouts.layout import Layout
from fgbgnet.data.layouts.rules import BackgroundRule, Blocks, InOrder
from fgbgnet.errors import InvalidArgumentError

NATURAL = "natural"
"""The order of backgrounds that is no file."""


def command_options(layout: Layout) -> str:
    """What `fgbgnet index` has to be told to use a layout.

    >>> command_options(LAYOUTS["F"])
    '--layout F'
    >>> command_options(Layout("mine", "", "{b}.jpg", "f{n}.jpg", "m{n}.jpg", background=Blocks(10)))
    "--bg '{b}.jpg' --fg_bg 'f{n}.jpg' --mask 'm{n}.jpg' --block_size 10"
    """
    if layout.name in LAYOUTS:
        return f"--layout {layout.name}"
    options: dict[str, Any] = {name: getattr(layout, name) for name in ("bg", "fg_bg", "mask", "depth")}
    rule = layout.background
    if isinstance(rule, InOrder):
        options["order"] = rule.order or NATURAL
        rule = None if isinstance(rule.rule, str) else rule.rule
    if isinstance(rule, Blocks):
        options["block_size"] = rule.size
        defaults = Blocks()
        for name in ("first", "base", "count", "field"):
            if getattr(rule, name) != getattr(defaults, name):
                options[f"block_{name}"] = getattr(rule, name)
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None)


def rule_from_options(
    size: int | None, first: int, base: int, count: int | None, field: str | None, order: str | None
) -> BackgroundRule | InOrder | None:
    """The rule for the background that options describe; None if they describe none.

    Raises:
        InvalidArgumentError: If they do not fit together.

    >>> rule_from_options(4000, 1, 1, None, None, None)({"n": 4001})
    2
    """
    if size is None:
        if (first, base, count) != (1, 1, None) or (field is not None and order is None):
            raise InvalidArgumentError(
                "block_first, block_base, block_count and block_field need block_size: frames per background"
            )
        if order is None:
            return None
        if field is None:
            raise InvalidArgumentError(
                "order needs block_size, or block_field: the placeholder that holds the place of the background"
            )
        return InOrder(field, None if order == NATURAL else order)
    if order is not None and first != 1:
        raise InvalidArgumentError("with order, backgrounds are counted from the first in it; leave out block_first")
    rule = Blocks(size, first if order is None else 0, base, field, count)
    return rule if order is None else InOrder(rule, None if order == NATURAL else order)


__all__ = ["NATURAL", "command_options", "rule_from_options"]
